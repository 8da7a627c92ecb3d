"""`headcount-deploy` trust, push, status, rollback, over a real ssh to a server of the tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.contract.bundle import Bundle, read_bundle
from edge.contract.signature import public_pem, sign_bundle
from tests import graphs
from tests.conftest import ROOT
from tests.deploy.test_install_at import Host, host
from tests.updater.houses import OWNER, STRANGER

__all__ = ["host"]

CONFIG = """\
[source]
uri = "scene:1"
[detector]
device = "CPU"
trusted_keys = "{folder}/trusted"
[ledger]
path = "{folder}/ledger.db"
[update]
self_test_s = 120
max_ms = 5000
[[line]]
a = [0, 0.5]
b = [1, 0.5]
in_side = [0.5, 0.9]
"""
EVIL = "m = tarfile.TarInfo('images/../../.profile'); t.addfile(m, io.BytesIO()); t.close()"


@pytest.fixture
def door(host: Host, tmp_path: Path) -> Host:
    """A host with a `headcount` whose configuration and files lie in `tmp_path`."""
    (tmp_path / "door.toml").write_text(CONFIG.format(folder=tmp_path))
    stand_in = host.folder / "there" / "headcount"
    stand_in.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={ROOT} OMP_NUM_THREADS=1\n"
        f'exec {sys.executable} -m edge.cli "$@" -c {tmp_path}/door.toml\n'
    )
    stand_in.chmod(0o755)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "owner.pub").write_bytes(public_pem(OWNER.public_key()))
    return host


def signed(folder: Path, make: Callable[[Path], Bundle] = graphs.sees_a_head) -> Path:
    sign_bundle(make(folder), OWNER)
    return folder


def test_a_model_is_pushed_told_of_and_rolled_back(door: Host, tmp_path: Path) -> None:
    """Trial and all; a spoilt one goes back, exit 1; nothing is left in a folder there."""
    pushed = door.deploy("door", signed(tmp_path / "a"), verb="push")
    spoilt = door.deploy("door", signed(tmp_path / "b", graphs.raises), verb="push")
    told = door.deploy("door", "--json", verb="status")
    plain = door.deploy("door", verb="status")
    back = door.deploy("door", verb="rollback")

    assert (0, "door 1 is in service") == (pushed.code, pushed.out.strip()), pushed.err
    assert 1 == spoilt.code
    assert "door 1: back: its test ended with exit status 1" in spoilt.err
    report = json.loads(told.out)
    assert ("door", "1", "signed") == tuple(
        report["model"][key] for key in ("name", "version", "trust")
    )
    assert "back" == report["update"]["phase"]
    assert 24 == report["audit"]["frames"]
    assert "model    door 1 (counter 1), signed" in plain.out
    assert (0, "headcount-default 0.1.0 is in service") == (back.code, back.out.strip())
    assert [] == door.left()


def test_what_is_not_signed_does_not_leave(door: Host, tmp_path: Path) -> None:
    """An unsigned bundle is refused here, one of a stranger there."""
    unsigned = door.deploy("door", graphs.sees_a_head(tmp_path / "a").folder, verb="push")
    sign_bundle(read_bundle(tmp_path / "a"), STRANGER)
    strange = door.deploy("door", tmp_path / "a", verb="push")

    assert (1, 1) == (unsigned.code, strange.code)
    assert "sign it with `headcount-deploy sign`" in unsigned.err
    assert "is signed by no trusted key" in strange.err


def test_a_key_is_laid_among_the_trusted_ones(door: Host, tmp_path: Path) -> None:
    """By root, for all to read; what is no public key does not leave."""
    placed = door.folder / "there" / "install"
    placed.write_text('#!/bin/sh\necho "install $*"\n')
    placed.chmod(0o755)
    (tmp_path / "anna.pub").write_bytes(public_pem(STRANGER.public_key()))
    (tmp_path / "none.pub").write_text("no key")
    done = door.deploy("door", tmp_path / "anna.pub", verb="trust")
    none = door.deploy("door", tmp_path / "none.pub", verb="trust")
    placed.unlink()

    assert 0 == done.code, done.err
    assert "install -D -m 644" in done.out
    assert "/anna.pub /etc/headcount/trusted/anna.pub" in done.out
    assert (1, True) == (none.code, "is no Ed25519 public key" in none.err)


def test_of_several_doors_each_is_asked(door: Host, tmp_path: Path) -> None:
    """One that is away is told, exit 1, and does not keep the others from being told."""
    done = door.deploy("nowhere.invalid", "door", "--json", verb="status")

    assert 1 == done.code
    assert "nowhere.invalid: not reached" in done.err
    assert "headcount-default" == json.loads(done.out)["model"]["name"]


def test_pictures_that_were_kept_are_fetched(door: Host, tmp_path: Path) -> None:
    """In our own layout, and gone from the door where that is wanted; never over what is here."""
    kept = tmp_path / "samples"
    kept.mkdir()
    about = {"reason": "unsure", "width": 16, "height": 12, "boxes": [["head", [0, 0, 0.5, 0.5]]]}
    (kept / "20261120T120000000Z-unsure.json").write_text(json.dumps(about))
    (kept / "20261120T120000000Z-unsure.jpg").write_bytes(b"a picture")
    done = door.deploy("door", tmp_path / "doors", "--clear", verb="samples")
    again = door.deploy("door", tmp_path / "doors", verb="samples")

    assert 0 == done.code, done.err
    assert "1 pictures in" in done.out
    (picture,) = (tmp_path / "doors" / "images").iterdir()
    assert b"a picture" == picture.read_bytes()
    assert f"{picture.name},head,0,0,8,6,16,12" in (tmp_path / "doors" / "heads.csv").read_text()
    assert [] == list(kept.iterdir())
    assert [] == door.left()
    assert (2, True) == (again.code, "exists; give a new folder" in again.err)


def test_a_door_that_sends_something_else_is_not_believed(door: Host, tmp_path: Path) -> None:
    """A name that leads out of the folder, or is none of ours: exit 1, and it is not written."""
    program = door.folder / "there" / "headcount"
    evil = f"import tarfile, io, sys; t = tarfile.open(sys.argv[-1], 'w')\n{EVIL}"
    program.write_text(f"#!{sys.executable}\n{evil}\n")
    done = door.deploy("door", tmp_path / "inner" / "doors", verb="samples")

    assert 1 == done.code
    assert "sends what is no picture" in done.err
    assert not list(tmp_path.rglob("*.profile"))
