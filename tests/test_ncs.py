"""The stick's worker and the detector on it: the same as in process, every frame once, in order."""

from __future__ import annotations

import ast
import importlib.util
import logging
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle
from edge.detector import open_detector
from edge.detector.answer import AnswerForm
from edge.detector.ncs import StickDetector, choose_device, open_stick
from edge.detector.stick import find_sticks
from edge.detector.stick_link import BACKEND, State, StickError, StickLink, introduce
from edge.errors import DetectorError
from edge.types import Frame
from tests.conftest import ROOT
from tests.sticks import CALM, QUICK, FakeStick, looks, script, tiny, who
from tests.sticks import frame as coloured
from tests.test_detector import (
    ONE_THREAD,
    ROWS,
    SSD,
    TABLE,
    blue_graph,
    make,
    table_graph,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PYTHON = Path(sys.executable)
PATIENT_S = 30.0  # of a worker's start on a busy machine


@pytest.fixture
def stick(tmp_path: Path) -> FakeStick:
    return FakeStick(tmp_path)


def on_cpu(bundle: Bundle) -> StickDetector:
    """A detector whose worker has today's OpenVINO and computes on the CPU."""
    config = {"INFERENCE_NUM_THREADS": "1"}
    link = StickLink(PYTHON, bundle, "CPU", config=config)
    return StickDetector(link, bundle, ONE_THREAD, 0.1, PATIENT_S)


def test_the_worker_is_plain_and_old() -> None:
    """Its file is of Python 3.7, and needs the standard library, NumPy and an OpenVINO alone."""
    tree = ast.parse(BACKEND.read_text(), feature_version=(3, 7))
    names = {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    foreign = {name.split(".")[0] for name in names} - sys.stdlib_module_names

    assert foreign == {"numpy", "openvino", "edge"}
    (only,) = [
        n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module[:4] == "edge"
    ]
    assert any(
        isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test) and only in n.body
        for n in tree.body
    )


SHIFTED = ModelInput(32, 32, "bgr", (51.0, 3.0, 7.0), (2.0, 1.0, 1.5))


@pytest.mark.parametrize(
    ("manifest", "graph"),
    [
        pytest.param(SSD, blue_graph(), id="ssd"),
        pytest.param(SSD, blue_graph(conf_first=True), id="outputs the other way round"),
        pytest.param(replace(SSD, input=ModelInput(32, 32, "rgb")), blue_graph(), id="rgb"),
        pytest.param(replace(SSD, input=SHIFTED), blue_graph(), id="mean and scale"),
        pytest.param(TABLE, table_graph(ROWS), id="table"),
    ],
)
def test_a_worker_sees_what_is_seen_in_process(
    tmp_path: Path, manifest: Manifest, graph: Any
) -> None:
    """Every kind of bundle: the same boxes, scores and labels."""
    bundle = make(tmp_path, manifest, graph)
    rng = np.random.default_rng(3)
    frames = [
        Frame(rng.integers(0, 256, size, np.uint8), index, float(index))
        for index, size in enumerate([(32, 32, 3), (48, 64, 3), (32, 32, 3), (7, 9, 3)])
    ]
    with open_detector(bundle, ONE_THREAD, score=0.1) as inside:
        expected = list(inside.detect(frames))
    with on_cpu(bundle) as outside:
        seen = list(outside.detect(frames))

    assert outside.device.startswith("CPU (OpenVINO 20")
    assert not outside.fallback
    for one, other in zip(expected, seen, strict=True):
        assert one.frame is other.frame
        np.testing.assert_array_equal(one.detections.labels, other.detections.labels)
        np.testing.assert_allclose(one.detections.boxes, other.detections.boxes, atol=1e-6)
        np.testing.assert_allclose(one.detections.scores, other.detections.scores, atol=1e-6)


def test_the_stick_looks_at_every_frame(stick: FakeStick, tmp_path: Path) -> None:
    """A stick that is well sees all of it, one frame late, and the CPU's model is not loaded."""
    taken = []

    def watched() -> Iterator[Frame]:
        for index in range(21):
            taken.append(index)
            yield coloured(index)

    with stick.open(tiny(tmp_path)) as detector:
        sightings = detector.detect(watched())
        first = next(sightings)
        ahead = list(taken)
        seen = [first, *sightings]
        told = (detector.device, detector.fallback, detector._cpu)

    assert [0, 1] == ahead
    assert list(range(21)) == [each.frame.index for each in seen]
    assert ("MYRIAD (OpenVINO 2022.3.1)", False, None) == told
    assert all(0 < each.ms < 1000 for each in seen)


def test_no_frames(stick: FakeStick, tmp_path: Path) -> None:
    """A source that ends at once gives no sighting."""
    with stick.open(tiny(tmp_path)) as detector:
        assert [] == list(detector.detect([]))


def test_leaving_early_and_coming_back(stick: FakeStick, tmp_path: Path) -> None:
    """Who stops in the middle may start again, and gets no answer to an old picture."""
    with stick.open(tiny(tmp_path)) as detector:
        sightings = detector.detect(map(coloured, range(5)))
        next(sightings)
        sightings.close()  # type: ignore[attr-defined]
        seen = looks(detector, {}, until=lambda seen: len(seen) == 7)

    assert ["stick"] == who(seen)


def test_closing_in_the_middle(stick: FakeStick, tmp_path: Path) -> None:
    """Pictures may be on their way: the worker ends all the same, and nobody waits for them."""
    with stick.open(tiny(tmp_path)) as detector:
        sightings = detector.detect(map(coloured, range(5)))
        next(sightings)
    sightings.close()  # type: ignore[attr-defined]


def test_a_source_that_breaks_goes_through(stick: FakeStick, tmp_path: Path) -> None:
    """An error of the source is not taken for one of the stick."""

    def broken() -> Iterator[Frame]:
        yield coloured(0)
        yield coloured(1)
        raise DetectorError("cable")

    with stick.open(tiny(tmp_path)) as detector:
        sightings = detector.detect(broken())
        next(sightings)
        with pytest.raises(DetectorError, match="cable"):
            next(sightings)
        assert not detector.fallback


def test_a_stick_that_never_comes_is_not_waited_for(tmp_path: Path, stick: FakeStick) -> None:
    """With none plugged in, the CPU begins at once, and says why."""
    stick.unplug()
    begun = time.monotonic()
    with stick.open(tiny(tmp_path)) as detector:
        seen = looks(detector, {}, until=lambda seen: len(seen) == 5)

    assert ["cpu"] == who(seen)
    assert {("CPU (f32), no stick is plugged in", True)} == {(s.device, s.fallback) for s in seen}
    assert time.monotonic() - begun < CALM.start


def test_a_stick_that_is_ended_is_freed(stick: FakeStick, tmp_path: Path) -> None:
    """Closing lets the worker end by itself, so that its runtime can shut the stick down."""
    with stick.open(tiny(tmp_path)) as detector:
        list(detector.detect([coloured(0)]))

    assert (stick.home / "freed").exists()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        pytest.param({"model.xml": b"<net>", "model.bin": b""}, "the stick failed", id="no IR"),
        pytest.param({"model.xml": b"", "model.bin": b""}, "the stick failed", id="empty"),
    ],
)
def test_a_model_that_does_not_load(tmp_path: Path, files: dict[str, bytes], told: str) -> None:
    """What its runtime says of it is one line."""
    bundle = write_bundle(tmp_path / "bundle", SSD, files)
    link = StickLink(PYTHON, bundle, "CPU")
    while not link.failed:
        link.advance()
        time.sleep(0.01)
    link.close()

    assert link.trouble.startswith(told)
    assert "\n" not in link.trouble
    assert State.OFF is link.state


def test_a_model_that_the_cpu_cannot_load_either(tmp_path: Path) -> None:
    """Then nothing can look: one line that names the file."""
    bundle = write_bundle(tmp_path / "bundle", SSD, {"model.xml": b"<net>", "model.bin": b""})
    link = StickLink(PYTHON, bundle, "CPU", patience=QUICK)
    with (
        StickDetector(link, bundle, ONE_THREAD, 0.1, PATIENT_S) as detector,
        pytest.raises(DetectorError, match=r"model\.xml: cannot be loaded on CPU"),
    ):
        list(detector.detect([coloured(0)]))


def test_a_picture_of_the_wrong_size_is_told(tmp_path: Path) -> None:
    """The worker does not read what it has no place for."""
    bundle = make(tmp_path, SSD, blue_graph())
    link = StickLink(PYTHON, bundle, "CPU")
    while not link.advance():
        time.sleep(0.01)
    link.send(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(StickError, match="a picture of 27 bytes, the model takes 3072"):
        link.receive()
    link.close()


READY = {"ready": 1.0, "input": [1, 32, 32, 3], "outputs": [["l", [1, 4, 4]], ["c", [1, 4, 2]]]}


def answer(loc: float = 0.0, conf: float = 0.5) -> np.ndarray:
    """One picture's outputs, as they travel."""
    flat = np.r_[np.full(16, loc), np.full(8, conf)].astype(np.float32)
    return flat.view(np.uint8)


def test_answers_that_fit() -> None:
    """FP16 may round a score a little beyond 0 to 1; a code may be as large as FP16 can be."""
    loc, conf = AnswerForm.of(SSD, READY).split(answer(65504.0, 1.004))

    assert ((1, 4, 4), (1, 4, 2)) == (loc.shape, conf.shape)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (answer()[:-4], "gave 92 bytes, not 96"),
        (answer(loc=np.nan), "no numbers"),
        (answer(loc=np.inf), "no numbers"),
        (answer(loc=-1e30), "no numbers"),
        (answer(conf=np.nan), "no numbers"),
        (answer(conf=1.5), "beyond 0 to 1"),
        (answer(conf=-0.5), "beyond 0 to 1"),
    ],
    ids=["short", "nan", "infinite", "beyond FP16", "scores nan", "too high", "negative"],
)
def test_answers_that_cannot_be(payload: np.ndarray, told: str) -> None:
    """Nothing that a broken stick sends becomes a detection."""
    with pytest.raises(ValueError, match=told):
        AnswerForm.of(SSD, READY).split(payload)


@pytest.mark.parametrize(
    "other", [{"input": [1, 3, 32, 32]}, {"outputs": [["l", [1, 5, 4]], ["c", [1, 5, 2]]]}]
)
def test_a_worker_with_another_model_is_refused(other: dict[str, object]) -> None:
    """Shapes are compared before the first picture."""
    with pytest.raises(ValueError, match="the manifest promises"):
        AnswerForm.of(SSD, {**READY, **other})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f'exec {PYTHON} -S "$@"', "No module named 'numpy'", id="no NumPy"),
        pytest.param("exit 3", "ended with exit status 3", id="ends"),
        pytest.param("exec sleep 100", "silent for 0.3 s", id="hangs"),
        pytest.param("echo hello; exec sleep 100", "silent for|not a message", id="prints"),
    ],
)
def test_an_interpreter_that_is_no_use(tmp_path: Path, text: str, told: str) -> None:
    """What is wrong with it is one line."""
    within = 0.3 if "sleep" in text else PATIENT_S
    with pytest.raises(StickError, match=told) as caught:
        introduce(script(tmp_path / "python", text), within)
    assert "\n" not in str(caught.value)


def test_no_openvino_is_told(tmp_path: Path) -> None:
    """An interpreter with NumPy and without OpenVINO is named, and what it misses."""
    (tmp_path / "openvino.py").write_text("raise ImportError('no such library: libtbb')\n")
    python = script(tmp_path / "python", f'PYTHONPATH={tmp_path} exec {PYTHON} "$@"')
    with pytest.raises(StickError, match=r"python[^:]*: no such library: libtbb"):
        introduce(python)


def test_the_interpreter_is_needed(tmp_path: Path) -> None:
    """Without it, MYRIAD is refused with the script that installs it."""
    settings = DetectorConfig(device="MYRIAD", ncs_python=tmp_path / "none")
    with pytest.raises(DetectorError, match=r"none, .*run deploy/install-ncs\.sh"):
        open_detector(tiny(tmp_path), settings)


def test_a_stick_does_not_run_int8(stick: FakeStick, tmp_path: Path) -> None:
    """Who asks for it is told so, and not given something else."""
    both = (replace(SSD.variants[0], devices=("MYRIAD",)), Variant(("CPU",), "int8", "b.xml", "b"))
    files = {"model.xml": b"a", "model.bin": b"a", "b.xml": b"b", "b": b"b"}
    bundle = write_bundle(tmp_path / "bundle", replace(SSD, variants=both), files)
    settings = DetectorConfig(device="MYRIAD", precision="int8", ncs_python=stick.python)
    with pytest.raises(DetectorError, match="MYRIAD does not run it"):
        open_stick(bundle, settings, 0.5, root=stick.root)


@pytest.mark.parametrize("product", ["2150", "2485", "f63b"])
def test_sticks_are_found_on_usb(stick: FakeStick, product: str) -> None:
    """With their node and speed; hubs, interfaces and other makers' devices are left out."""
    stick.plug(product)
    others = stick.root / "sys/bus/usb/devices"
    for name, vendor in (("usb1", "1d6b"), ("1-1.2:1.0", None), ("1-1.3", "03e7")):
        (others / name).mkdir()
        if vendor:
            (others / name / "idVendor").write_text(f"{vendor}\n")
            (others / name / "idProduct").write_text("0002\n")
    (found,) = find_sticks(stick.root)

    assert (product, 480, product == "f63b") == (found.product, found.speed, found.booted)
    assert stick.root / "dev/bus/usb/001/004" == found.node
    assert "Myriad" in found.kind
    stick.unplug()
    assert () == find_sticks(stick.root)
    assert () == find_sticks(stick.root / "none")


@pytest.mark.parametrize(
    ("plugged", "installed", "device"),
    [(True, True, "MYRIAD"), (True, False, "CPU"), (False, True, "CPU"), (False, False, "CPU")],
)
def test_auto_takes_a_stick_that_can_be_used(
    stick: FakeStick, plugged: bool, installed: bool, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It must be plugged in and its interpreter installed; the first without the second is told."""
    if not plugged:
        stick.unplug()
    python = stick.python if installed else stick.python.with_name("none")
    settings = DetectorConfig(ncs_python=python)
    with caplog.at_level(logging.WARNING):
        chosen = choose_device(settings, root=stick.root, within=0.1)

    assert device == chosen
    assert (plugged and not installed) == ("install-ncs.sh" in caplog.text)


def test_auto_waits_for_a_stick_that_boots(stick: FakeStick) -> None:
    """A stick that an earlier process left behind is away for a moment, and found after it."""
    stick.unplug()
    timer = threading.Timer(0.3, stick.plug)
    timer.start()
    settings = DetectorConfig(ncs_python=stick.python)
    chosen = choose_device(settings, root=stick.root, within=10.0)
    timer.join()

    assert chosen == "MYRIAD"


def test_a_slow_stick_and_other_work_overlap() -> None:
    """85 ms on the stick and 73 ms beside it are 11 pictures/s; in turn they would be 6.3."""
    spec = importlib.util.spec_from_file_location("ncs_benchmark", ROOT / "benchmarks" / "ncs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert any(module.rate(24, overlapped=True) >= 11 for _ in range(2))  # one may be disturbed
