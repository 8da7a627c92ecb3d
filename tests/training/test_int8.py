"""The int8 twin of a bundle's file: near to the float one, told apart, chosen by the door."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import importlib.util
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import openvino as ov

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle
from edge.detector import Int8Support, open_detector
from edge.errors import DataError, WorldError
from edge.openvino_core import core
from edge.types import Frame
from tests.training.kit import HEIGHT, WIDTH, pictures, pools, recipe
from training.bundle import Label, make_bundle
from training.checkpoint import build
from training.config import Source
from training.data.sampler import Pool
from training.export import Exported, export, probe_pictures
from training.int8 import Quantised, calibration_pictures, last_convolutions, quantise

pytestmark = pytest.mark.training
needs_nncf = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="needs the [int8] extra: nncf is missing"
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAST = Int8Support(runs=True, pays=True)


@pytest.fixture(scope="module")
def exported() -> Exported:
    """A network whose scores differ from place to place."""
    net = build(recipe()).eval()
    with torch.no_grad():
        for head in net.heads():
            head.conf.weight.mul_(20)
    return export(net)


@pytest.fixture(scope="module")
def quantised(exported: Exported) -> Quantised:
    """Its int8 twin, calibrated on the discs that such a network is trained on."""
    return quantise(exported, calibration_pictures(pools(recipe()), recipe(), count=8))


@pytest.fixture(scope="module")
def bundle(
    exported: Exported, quantised: Quantised, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Both in one bundle."""
    out = tmp_path_factory.mktemp("int8") / "b"
    label = Label("discs", "1.0.0", 1)
    return make_bundle(exported, recipe(), label, created=NOW, out=out, int8=quantised)


@needs_nncf
def test_int8_is_near_the_float_file(quantised: Quantised) -> None:
    """Not equal, or nothing was quantised; not far, or the ranges are wrong."""
    assert 0 < quantised.conf_diff < 0.1
    assert 0 < quantised.loc_diff < 1
    assert 8 == quantised.pictures
    assert {"preset", "pictures", "floats", "loc_diff", "conf_diff"} == set(quantised.report())


@needs_nncf
def test_every_convolution_is_quantised(exported: Exported, quantised: Quantised) -> None:
    """Weights in 8 bits: little over half of the FP16 file, and a range before each convolution."""
    model = read(quantised)
    convolutions = [node for node in model.get_ops() if "Convolution" in node.get_type_name()]

    assert all(
        "FakeQuantize" == node.input_value(0).get_node().get_type_name() for node in convolutions
    )
    assert len(quantised.bin) < 0.75 * len(exported.bin)
    assert len(model.output("loc").shape) == len(model.output("conf").shape) == 3


@needs_nncf
def test_the_same_pictures_give_the_same_numbers(exported: Exported, quantised: Quantised) -> None:
    """Nothing of a quantisation is left to chance, or tells of where it was made."""
    again = quantise(exported, calibration_pictures(pools(recipe()), recipe(), count=8))

    assert (quantised.bin, quantised.report()) == (again.bin, again.report())
    assert tempfile.gettempdir().encode() not in again.xml


@needs_nncf
def test_outputs_may_stay_float(exported: Exported) -> None:
    """The two last convolutions of each of the three heads, and no other."""
    mixed = quantise(
        exported, probe_pictures([1, 3, HEIGHT, WIDTH], 0), preset="mixed", float_outputs=True
    )
    float_ones = [
        node.get_friendly_name()
        for node in read(mixed).get_ops()
        if node.get_type_name() == "Convolution"
        and node.input_value(0).get_node().get_type_name() != "FakeQuantize"
    ]

    assert 6 == len(mixed.floats)
    assert set(float_ones) == set(mixed.floats)


@needs_nncf
def test_bundle_with_two_variants(bundle: Bundle, quantised: Quantised) -> None:
    """The float file comes first and is for all; int8 is for CPUs, with its figures on the card."""
    float_one, int8 = bundle.manifest.variants

    assert "MYRIAD" in float_one.devices
    assert (("CPU",), "int8", True) == (int8.devices, int8.precision, int8.quantised)
    assert float_one == bundle.variant("CPU")
    assert quantised.xml == bundle.path(int8.xml).read_bytes()
    assert quantised.report() == dict(bundle.manifest.metrics["int8"])


@needs_nncf
def test_the_door_runs_both_and_sees_about_the_same(bundle: Bundle) -> None:
    """By `auto` on a CPU that gains; the best boxes of both are near each other in score."""
    frame = Frame(pictures(1)[0].image, 0, 0.0)
    scores = []
    for precision, told in (("f32", "CPU (f32)"), ("auto", "CPU (int8)")):
        settings = DetectorConfig(precision=precision, threads=1)
        with open_detector(bundle, settings, score=0.02, support=FAST) as detector:
            (seen,) = detector.detect([frame])

            assert told == detector.device
        scores.append(seen.detections.scores[:5])
    assert len(scores[0]) == 5
    assert np.allclose(*scores, atol=0.1)
    assert not np.array_equal(*scores)


def test_bundle_without_int8_is_as_before(exported: Exported, tmp_path: Path) -> None:
    """One variant, and no word of int8."""
    made = make_bundle(
        exported, recipe(), Label("discs", "1.0.0", 1), created=NOW, out=tmp_path / "b"
    )

    assert ("fp16",) == tuple(variant.precision for variant in made.manifest.variants)
    assert {"export"} == set(made.manifest.metrics)
    assert {"model.xml", "model.bin"} == set(made.manifest.files)


def test_calibration_takes_each_pool_by_its_share() -> None:
    """Three quarters from one, a quarter from the other; no picture twice; seeded."""
    few = Pool(Source("few", "csv", 0.75), pictures(40, seed=1))
    more = Pool(Source("more", "csv", 0.25), pictures(40, seed=2))
    drawn = calibration_pictures([few, more], recipe(), count=20, seed=3)
    shown = [{p.image.tobytes() for p in pool.pictures} for pool in (few, more)]
    owners = [
        [picture[0].transpose(1, 2, 0).astype(np.uint8).tobytes() in pool for picture in drawn]
        for pool in shown
    ]

    assert (15, 5) == tuple(sum(owner) for owner in owners)
    assert 20 == len({picture.tobytes() for picture in drawn})
    assert {(1, 3, HEIGHT, WIDTH)} == {picture.shape for picture in drawn}
    again, other = (
        calibration_pictures([few, more], recipe(), count=20, seed=seed) for seed in (3, 4)
    )
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)


def test_calibration_of_pools_that_are_small() -> None:
    """A pool gives what it has."""
    assert 8 == len(calibration_pictures(pools(recipe(), 8), recipe(), count=300))


def test_last_convolutions(exported: Exported) -> None:
    """Those of codes and of classes, for each map."""
    found = last_convolutions(read(exported))

    assert 6 == len(found)
    for name in (f"head{level}.{part}" for level in range(3) for part in ("loc", "conf")):
        assert 1 == sum(name in each for each in found)


@needs_nncf
@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param([], "no pictures", id="none"),
        pytest.param([np.zeros((1, 3, 8, 8), np.float32)], r"\(1, 3, 8, 8\)", id="size"),
    ],
)
def test_pictures_that_cannot_calibrate(
    exported: Exported, given: list[np.ndarray], words: str
) -> None:
    """They are refused before anything is computed."""
    with pytest.raises(DataError, match=words):
        quantise(exported, given)


def test_without_nncf(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, one line tells how to get it."""
    monkeypatch.setitem(sys.modules, "nncf", None)  # Python's own sign of a missing package

    with pytest.raises(WorldError, match=r"pip install 'headcount\[int8\]'"):
        quantise(exported, [])


def read(made: Exported | Quantised) -> ov.Model:
    """The graph of a file."""
    return core().read_model(made.xml, ov.Tensor(np.frombuffer(made.bin, np.uint8)))
