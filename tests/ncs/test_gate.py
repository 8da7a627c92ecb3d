"""`--check ncs`: what the stick's compiler refuses never becomes a file or a bundle."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
from pathlib import Path

from edge.assembly import DEFAULT_BUNDLE
from edge.contract.bundle import read_bundle
from tests.ncs.models import as_table, good, quantised, sliced, write_model
from tests.old_openvino import myriad_compiler
from tests.training.kit import recipe
from training.checkpoint import build, checkpoint, new_state, save
from training.cli import main
from training.profile.myriad import total
from training.profile.shapes import shapes

pytestmark = pytest.mark.training


def test_export_tells_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network that passes: a line for people, the figures in the JSON, and both files."""
    myriad_compiler()
    plan, out = recipe(), tmp_path / "ir"
    net = build(plan)
    save(checkpoint(new_state(net, plan.fit, 0), plan), tmp_path / "net.pt")

    assert 0 == main(["export", str(tmp_path / "net.pt"), "--out", str(out), "--check", "ncs"])
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])["ncs"]
    assert total(shapes(net)).cost == figures["cost"]
    assert 0.5 * figures["stages"] < figures["hardware_stages"] < figures["stages"]
    assert f"{figures['stages']} stages, {figures['hardware_stages']} of them" in lines[0]
    assert {"model.xml", "model.bin"} == {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("graph", "reason"),
    [(sliced, "unsupported opset: opset8"), (quantised, 'unsupported layer type "FakeQuantize"')],
    ids=["opset 8", "int8"],
)
def test_a_refused_model_is_no_bundle(
    graph: object, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ready-made detector that no stick runs: exit 1, the compiler's reason, nothing written."""
    myriad_compiler()
    xml = write_model(tmp_path / "m.xml", as_table(graph))
    bundle = ["bundle", str(xml), "--out", str(tmp_path / "b")]

    assert 1 == main([*bundle, "--check", "ncs"])
    told = capsys.readouterr().err
    assert 1 == told.count("\n")
    assert "the stick's compiler refuses the model" in told
    assert reason in told
    assert {"m.xml", "m.bin"} == {path.name for path in tmp_path.iterdir()}


def test_without_the_check_nothing_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bundle` alone needs no compiler, and its bundle does not say that one took it."""
    monkeypatch.setenv("HEADCOUNT_NCS_TOOLS", str(tmp_path / "none"))
    xml = write_model(tmp_path / "m.xml", as_table(sliced))

    assert 0 == main(["bundle", str(xml), "--out", str(tmp_path / "b")])
    assert "ncs" not in read_bundle(tmp_path / "b").manifest.metrics


def test_a_bundle_says_what_the_compiler_said(tmp_path: Path) -> None:
    """The figures of a model that passed are in its manifest."""
    myriad_compiler()
    xml = write_model(tmp_path / "m.xml", as_table(good))

    assert 0 == main(["bundle", str(xml), "--out", str(tmp_path / "b"), "--check", "ncs"])
    figures = read_bundle(tmp_path / "b").manifest.metrics["ncs"]
    assert figures["hardware_stages"] >= 1
    assert figures["cost"] is None  # that of a ready-made network is not reckoned


@pytest.mark.parametrize("verb", ["export", "bundle"])
def test_a_missing_compiler_is_told(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, one line with the way out, nothing written."""
    monkeypatch.setenv("HEADCOUNT_NCS_TOOLS", str(tmp_path / "none"))
    arguments = [verb, str(DEFAULT_BUNDLE), "--out", str(tmp_path / "out"), "--check", "ncs"]

    assert 1 == main(arguments)
    told = capsys.readouterr().err
    assert "run `make ncs-tools`" in told
    assert 1 == told.count("\n")
    assert [] == list(tmp_path.iterdir())


def test_a_missing_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A ready-made detector that is not there: exit 1, its path."""
    myriad_compiler()
    arguments = ["bundle", "none.xml", "--out", str(tmp_path / "out"), "--check", "ncs"]

    assert 1 == main(arguments)
    assert "none.xml: cannot be read" in capsys.readouterr().err
