"""The exported file: equal to torch, old enough for every runtime, or not written."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edge.contract.bundle import read_bundle
from edge.contract.ssd import priors
from edge.errors import BundleError
from tests.training.kit import pictures, recipe
from training.bundle import Label, make_bundle
from training.checkpoint import build
from training.evaluate import SCORE, torch_detector
from training.export import Exported, export, write_ir
from training.ir10 import downgrade, operations
from training.judging import bundle_detector
from training.models.graph import convert
from training.models.ssd import SSD

pytestmark = pytest.mark.training

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def net() -> SSD:
    """A network whose scores differ from place to place."""
    net = build(recipe()).eval()
    with torch.no_grad():
        for head in net.heads():
            head.conf.weight.mul_(20)
            head.loc.weight.mul_(20)
    return net


@pytest.fixture(scope="module")
def exported(net: SSD) -> Exported:
    """That network's file."""
    return export(net)


def test_file_equals_torch_and_is_old_enough(exported: Exported) -> None:
    """Differences are within their limits; IR version 10, no operation newer than opset 4."""
    assert exported.f32_diff < 1e-4
    assert 0 < exported.loc_diff < 1e-2
    assert exported.conf_diff < 5e-3
    assert b'version="10"' in exported.xml.split(b">")[1]
    assert max(exported.operations.values()) <= 4
    assert operations(exported.xml) == exported.operations
    unwanted = {"Gather", "Slice", "StridedSlice", "Interpolate", "ShapeOf", "Pad", "Split"}
    assert not unwanted & set(exported.operations)


def test_nothing_is_written_for_a_graph_that_differs() -> None:
    """Weights beyond FP16 cannot be told in the file; the export says so."""
    broken = build(recipe()).eval()
    with torch.no_grad():
        broken.head0.loc.weight.mul_(1e8)

    with pytest.raises(BundleError, match=r"differs from torch.*nothing was written"):
        export(broken)


def test_ir_is_written_whole_or_told(exported: Exported, tmp_path: Path) -> None:
    """Two files of the same name; a folder that cannot be made is told."""
    xml, weights = write_ir(exported, tmp_path)

    assert (exported.xml, exported.bin) == (xml.read_bytes(), weights.read_bytes())
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write_ir(exported, tmp_path / "file")


def test_bundle_detects_as_torch_does(net: SSD, exported: Exported, tmp_path: Path) -> None:
    """The door's detector on the bundle finds what torch finds in the same picture."""
    label = Label("discs", "1.2.0", 3, licences=("none",), metrics={"ap50": 0.5})
    make_bundle(exported, recipe(), label, created=NOW, out=tmp_path / "b")
    bundle = read_bundle(tmp_path / "b")
    image = pictures(1)[0].image
    there, here = bundle_detector(bundle)(image), torch_detector(net, SCORE)(image)
    best = min(len(there), 20)

    assert "2026-01-31T12:00:00Z" == bundle.manifest.created
    assert recipe().spec == bundle.manifest.priors
    assert exported.loc_diff == bundle.manifest.metrics["export"]["loc_diff"]
    assert best > 0
    assert np.allclose(here.scores[:best], there.scores[:best], atol=5e-3)


def test_priors_in_the_bundle_are_those_of_the_training() -> None:
    """One decoder for both halves: the spec of the recipe is the spec of the network."""
    assert np.array_equal(priors(recipe().spec), priors(build(recipe()).spec))


def layer(kind: str, version: int, data: str = "") -> bytes:
    """An IR of one operation."""
    return (
        f'<net version="11"><layers><layer id="0" name="n" type="{kind}" version="opset{version}">'
        f"<data {data}/><rt_info/></layer></layers><edges/><rt_info/></net>"
    ).encode()


def test_old_operations_are_left_alone() -> None:
    """What is of opset 4 or older stays as it is, but for what only today's readers know."""
    lowered = downgrade(layer("Clamp", 1, 'min="0" max="6"'))

    assert {"Clamp": 1} == operations(lowered)
    assert b'version="10"' in lowered
    assert b"rt_info" not in lowered


@pytest.mark.parametrize("xml", [layer("Slice", 8), layer("MaxPool", 14)])
def test_operations_without_an_old_form_are_refused(xml: bytes) -> None:
    """Better no file than one that an old runtime cannot read."""
    with pytest.raises(BundleError):
        downgrade(xml)


def test_a_layer_without_a_rule_is_named() -> None:
    """Better than a graph that leaves it out."""
    net = build(recipe())
    net.backbone.get_submodule("stem").act = torch.nn.Hardswish()

    with pytest.raises(TypeError, match=r"backbone\.stem\.act.*Hardswish"):
        convert(net)
