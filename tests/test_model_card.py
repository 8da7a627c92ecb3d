"""What `headcount model` tells of a bundle, and under which names bundles are found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edge.assembly import MODELS
from edge.cli import main
from edge.contract.bundle import read_bundle, write_bundle


def other_bundle(folder: Path) -> Path:
    """A copy of the shipped bundle under other words, signed by nobody."""
    shipped = read_bundle(MODELS / "default")
    manifest = dataclasses.replace(
        shipped.manifest, name="my-door", licences=("own pictures: mine alone",), metrics={}
    )
    files = {name: shipped.path(name) for name in shipped.manifest.files}
    write_bundle(folder, manifest, files)
    return folder


def test_the_licences_of_the_shipped_detectors_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each kind of training data, and that the bundle came with the program."""
    for folder in MODELS.iterdir():
        if not folder.is_dir():
            continue
        manifest = read_bundle(folder).manifest
        assert 0 == main(["model", "show", folder.name])
        told = " ".join(capsys.readouterr().out.split())

        assert manifest.licences
        for licence in manifest.licences:
            assert f"licence {licence}" in told
        assert "trusted came with headcount" in told


def test_a_bundle_that_nobody_signed_is_shown_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be looked at; the card says that nobody vouches for it."""
    bundle = other_bundle(tmp_path / "mine")
    assert 0 == main(["model", "show", str(bundle)])
    told = capsys.readouterr().out
    assert 0 == main(["model", "show", str(bundle), "--json"])
    card = json.loads(capsys.readouterr().out)

    assert "signed by nobody trusted" in told
    assert "own pictures: mine alone" in told
    assert ("my-door", "unsigned") == (card["name"], card["trust"])
    assert ["own pictures: mine alone"] == card["licences"]


def test_the_shipped_bundles_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with the folder that `[detector] model` takes."""
    assert 0 == main(["model", "list", "--json"])
    listed = {Path(row["folder"]) for row in json.loads(capsys.readouterr().out)}
    assert 0 == main(["model", "list"])
    lines = capsys.readouterr().out.splitlines()

    assert {folder for folder in MODELS.iterdir() if folder.is_dir()} == listed
    assert len(listed) == len(lines)


def test_an_own_folder_goes_before_a_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has a folder `default` here means that one."""
    other_bundle(tmp_path / "default")
    monkeypatch.chdir(tmp_path)

    assert 0 == main(["model", "show", "default"])
    assert "my-door" in capsys.readouterr().out


def test_a_bundle_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and which folder was looked for."""
    assert 1 == main(["model", "show", "nothing-of-this-name"])
    assert "nothing-of-this-name" in capsys.readouterr().err
