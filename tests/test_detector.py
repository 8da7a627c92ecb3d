"""The detector: pictures in, boxes out, whatever the graph gives; what cannot work is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset4

from edge.assembly import choose_bundle
from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle
from edge.contract.ssd import PriorMap, PriorSpec, priors
from edge.detector import open_detector
from edge.detector.openvino import first_line, scale_picture
from edge.detector.outputs import order_outputs, to_detections
from edge.errors import DetectorError
from edge.scene import Scene
from edge.types import Frame
from tests import graphs

SPEC = PriorSpec(32, 32, (PriorMap(16, (12.0,)),))  # 2 x 2 cells
VARIANT = Variant(("CPU",), "f32", "model.xml", "model.bin")
SSD = Manifest(
    name="blue",
    version="1",
    counter=1,
    created="2026-01-31T12:00:00Z",
    input=ModelInput(32, 32),
    output="ssd",
    labels=("head",),
    score=0.5,
    nms=0.5,
    variants=(VARIANT,),
    priors=SPEC,
)
TABLE = replace(SSD, output="detection-output", priors=None, labels=("person", "dog"))
ONE_THREAD = DetectorConfig(threads=1)


def constant(values: Any) -> Any:
    return opset4.constant(np.asarray(values, np.float32))


def blue_graph(*, conf_first: bool = False) -> openvino.Model:
    """An SSD that scores each quarter of its picture by the mean of channel 0, over 255."""
    picture = opset4.parameter([1, 3, 32, 32], np.float32)
    mean = opset4.avg_pool(picture, [16, 16], [0, 0], [0, 0], [16, 16], True)
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[:, 0, 0, 0] = (-1 / 255, 1 / 255)
    score = opset4.convolution(mean, constant(weights), [1, 1], [0, 0], [0, 0], [1, 1])
    score = opset4.add(score, constant([[[[1]], [[0]]]]))
    nothing = constant(np.zeros((4, 3, 1, 1)))
    code = opset4.convolution(mean, nothing, [1, 1], [0, 0], [0, 0], [1, 1])
    loc, conf = (
        opset4.reshape(opset4.transpose(part, [0, 2, 3, 1]), [1, 4, -1], False)
        for part in (code, score)
    )
    return openvino.Model([conf, loc] if conf_first else [loc, conf], [picture])


def table_graph(rows: list[list[float]]) -> openvino.Model:
    """A detector that always gives the same table."""
    picture = opset4.parameter([1, 3, 32, 32], np.float32)
    nothing = opset4.multiply(
        opset4.reduce_mean(picture, [0, 1, 2, 3], True), constant(np.zeros((1, 1, 1, 1)))
    )
    return openvino.Model([opset4.add(nothing, constant([[rows]]))], [picture])


def make(folder: Path, manifest: Manifest, graph: openvino.Model) -> Bundle:
    """A bundle with a graph."""
    openvino.save_model(graph, folder / "graph.xml", compress_to_fp16=False)
    files = {"model.xml": folder / "graph.xml", "model.bin": folder / "graph.bin"}
    return write_bundle(folder / "bundle", manifest, files)


def frame(*quarters: int, value: int = 255, channel: int = 0, size: int = 32) -> Frame:
    """A black picture with some of its quarters (0 to 3, row by row) in one colour."""
    image = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    for quarter in quarters:
        row, column = divmod(quarter, 2)
        rows, columns = slice(row * half, (row + 1) * half), slice(column * half, None)
        image[rows, columns][:, :half, channel] = value
    return Frame(image, 0, 0.0)


def corner_boxes() -> Any:
    anchors = priors(SPEC)
    return np.hstack([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2])


@pytest.mark.parametrize("conf_first", [False, True], ids=["loc first", "conf first"])
def test_ssd_finds_what_is_there(tmp_path: Path, conf_first: bool) -> None:
    """The box of each blue quarter, whichever output comes first."""
    bundle = make(tmp_path, SSD, blue_graph(conf_first=conf_first))
    with open_detector(bundle, ONE_THREAD) as detector:
        seen = next(iter(detector.detect([frame(1, 2)])))

    np.testing.assert_allclose(corner_boxes()[[1, 2]], seen.detections.boxes, atol=1e-6)
    np.testing.assert_allclose([1, 1], seen.detections.scores, atol=1e-6)
    assert [0, 0] == seen.detections.labels.tolist()
    assert 0 <= seen.ms < 10_000


@pytest.mark.parametrize("size", [16, 32, 320])
def test_pictures_of_any_size(tmp_path: Path, size: int) -> None:
    """Pictures are scaled to the input; boxes are shares of the picture."""
    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD) as detector:
        seen = next(iter(detector.detect([frame(3, size=size)])))

    np.testing.assert_allclose(corner_boxes()[[3]], seen.detections.boxes, atol=1e-6)


def test_order_of_colours(tmp_path: Path) -> None:
    """A model that was trained on RGB finds red in its first channel."""
    manifest = replace(SSD, input=ModelInput(32, 32, "rgb"))
    with open_detector(make(tmp_path, manifest, blue_graph()), ONE_THREAD) as detector:
        blue, red = detector.detect([frame(0, channel=0), frame(0, channel=2)])

    assert (0, 1) == (len(blue.detections), len(red.detections))


def test_mean_and_scale(tmp_path: Path) -> None:
    """(255 - 51) / 2 of 255 is 0.4."""
    wanted = ModelInput(32, 32, "bgr", (51.0, 0.0, 0.0), (2.0, 1.0, 1.0))
    bundle = make(tmp_path, replace(SSD, input=wanted), blue_graph())
    with open_detector(bundle, ONE_THREAD, score=0.1) as detector:
        seen = next(iter(detector.detect([frame(0)])))

    np.testing.assert_allclose([0.4], seen.detections.scores, atol=1e-6)


@pytest.mark.parametrize(("score", "found"), [(None, 0), (0.3, 1), (0.0, 4)])
def test_score(tmp_path: Path, score: float | None, found: int) -> None:
    """The bundle's own score holds unless another is asked for."""
    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD, score=score) as detector:
        seen = next(iter(detector.detect([frame(0, value=102)])))

    assert found == len(seen.detections)


def test_every_frame_once_and_in_order(tmp_path: Path) -> None:
    """Each sighting holds its own frame's boxes, though two are on their way at a time."""
    frames = [replace(frame(index % 4), index=index) for index in range(21)]
    taken = []

    def watched() -> Iterator[Frame]:
        for each in frames:
            taken.append(each.index)
            yield each

    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD) as detector:
        sightings = detector.detect(watched())
        first = next(sightings)
        ahead = list(taken)
        seen = [first, *sightings]

    assert [0, 1] == ahead
    assert list(range(21)) == [each.frame.index for each in seen]
    for each in seen:
        expected = corner_boxes()[[each.frame.index % 4]]
        np.testing.assert_allclose(expected, each.detections.boxes, atol=1e-6)


def test_a_recording_is_seen_frame_by_frame(tmp_path: Path) -> None:
    """In order and once each, too; a bounded number of frames is held, however long it is."""
    frames = [replace(frame(index % 4), index=index) for index in range(99)]
    taken: list[int] = []

    def watched() -> Iterator[Frame]:
        for each in frames:
            taken.append(each.index)
            yield each

    ahead, seen = [], []
    with open_detector(make(tmp_path, SSD, blue_graph()), recorded=True) as detector:
        for each in detector.detect(watched()):
            ahead.append(len(taken) - each.frame.index)
            seen.append(each)

    assert 2 <= max(ahead) <= (os.cpu_count() or 1) + 3
    assert list(range(99)) == [each.frame.index for each in seen]
    for each in seen:
        expected = corner_boxes()[[each.frame.index % 4]]
        np.testing.assert_allclose(expected, each.detections.boxes, atol=1e-6)
        assert each.ms >= 0


def test_a_recording_is_seen_as_it_would_have_been_live() -> None:
    """The shipped detector's boxes and scores are the same to the last bit."""
    bundle = choose_bundle(DetectorConfig(), must_be_trusted=True)
    pictures = [Frame(drawn.image, drawn.index, drawn.t) for drawn in Scene(106, duration=2, fps=8)]
    both = []
    for recorded in (False, True):
        with open_detector(bundle, score=0.05, recorded=recorded) as detector:
            both.append([each.detections for each in detector.detect(pictures)])

    assert sum(map(len, both[0])) > 16
    for live, later in zip(*both, strict=True):
        np.testing.assert_array_equal(live.boxes, later.boxes)
        np.testing.assert_array_equal(live.scores, later.scores)


def test_no_frames(tmp_path: Path) -> None:
    """A source that ends at once gives no sighting."""
    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD) as detector:
        assert [] == list(detector.detect([]))


def test_leaving_early_and_coming_back(tmp_path: Path) -> None:
    """Who stops in the middle may start again."""
    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD) as detector:
        sightings = detector.detect([frame(0)] * 5)
        next(sightings)
        sightings.close()  # type: ignore[attr-defined]

        assert 3 == len(list(detector.detect([frame(0)] * 3)))


def test_source_that_breaks(tmp_path: Path) -> None:
    """An error of the source goes through."""

    def broken() -> Iterator[Frame]:
        yield frame(0)
        yield frame(0)
        raise DetectorError("cable")

    with open_detector(make(tmp_path, SSD, blue_graph()), ONE_THREAD) as detector:
        sightings = detector.detect(broken())
        next(sightings)
        with pytest.raises(DetectorError, match="cable"):
            next(sightings)


def test_inference_that_fails(tmp_path: Path) -> None:
    """It is told as what it is, though the picture behind it fails as well."""
    bundle = graphs.gives_up(tmp_path / "b", after=3)
    seen = 0
    with (
        open_detector(bundle, ONE_THREAD) as detector,
        pytest.raises(DetectorError, match=r"door on CPU .*: inference failed: "),
    ):
        for _ in detector.detect([frame(0)] * 20):
            seen += 1

    assert 2 * 2 == seen  # two are on their way at a time, and each request answers twice


ROWS = [
    [0, 1, 0.9, 0.1, 0.1, 0.3, 0.5],
    [0, 1, 0.8, 0.11, 0.1, 0.3, 0.5],  # the same person again
    [0, 2, 0.7, 0.1, 0.1, 0.3, 0.5],  # a dog in the same place
    [0, 0, 0.9, 0.5, 0.5, 0.6, 0.6],  # background
    [0, 3, 0.9, 0.5, 0.5, 0.6, 0.6],  # no such label
    [0, 1, 0.4, 0.7, 0.7, 0.8, 0.8],  # below the score
    [0, 1, 0.95, 0.7, 0.1, 0.8, 0.3],
    [-1, 0, 0, 0, 0, 0, 0],  # the end
    [0, 1, 0.99, 0, 0, 1, 1],
]


def test_detection_output(tmp_path: Path) -> None:
    """A table of a DetectionOutput layer: best first, each once, up to its end mark."""
    with open_detector(make(tmp_path, TABLE, table_graph(ROWS)), ONE_THREAD) as detector:
        seen = next(iter(detector.detect([frame()]))).detections

    np.testing.assert_allclose([0.95, 0.9, 0.7], seen.scores)
    assert [0, 0, 1] == seen.labels.tolist()
    np.testing.assert_allclose([0.7, 0.1, 0.8, 0.3], seen.boxes[0])


ROW = st.tuples(
    st.sampled_from([-1.0, 0.0]),
    st.sampled_from([0.0, 1.0, 2.0, 3.0]),
    *[st.floats(0, 1, width=32)] * 5,
)


@given(st.lists(ROW, max_size=12), st.floats(0, 1, width=32))
def test_any_table(rows: list[tuple[float, ...]], score: float) -> None:
    """Whatever the table holds: known labels, scores not below what was asked, best first."""
    table = np.array(rows, np.float32).reshape(1, 1, -1, 7)
    found = to_detections(TABLE, [table], score)

    assert set(found.labels.tolist()) <= {0, 1}
    assert all(each >= np.float32(score) for each in found.scores)
    assert sorted(found.scores.tolist(), reverse=True) == found.scores.tolist()


@pytest.mark.parametrize(
    ("manifest", "shapes", "order"),
    [
        pytest.param(SSD, [(1, 4, 4), (1, 4, 2)], (0, 1), id="loc, conf"),
        pytest.param(SSD, [(1, 4, 2), (1, 4, 4)], (1, 0), id="conf, loc"),
        pytest.param(
            replace(SSD, labels=("a", "b", "c")), [(1, 4, 4), (1, 4, 4)], (0, 1), id="alike"
        ),
        pytest.param(TABLE, [(1, 1, 200, 7)], (0,), id="table"),
    ],
)
def test_which_output_is_which(
    manifest: Manifest, shapes: list[tuple[int, ...]], order: tuple[int, ...]
) -> None:
    """By shape, and by order where the shapes are alike."""
    assert order == order_outputs(manifest, shapes)


@pytest.mark.parametrize(
    ("manifest", "shapes"),
    [
        pytest.param(SSD, [(1, 4, 4)], id="one output"),
        pytest.param(SSD, [(1, 5, 4), (1, 5, 2)], id="other priors"),
        pytest.param(SSD, [(1, 4, 4), (1, 4, 21)], id="other labels"),
        pytest.param(SSD, [(1, 4, 4), (1, 4, 2), (1, 4)], id="three outputs"),
        pytest.param(TABLE, [(1, 200, 7)], id="no table"),
        pytest.param(TABLE, [], id="no output"),
    ],
)
def test_outputs_that_do_not_fit(manifest: Manifest, shapes: list[tuple[int, ...]]) -> None:
    """Outputs that the manifest does not promise are refused before the first picture."""
    with pytest.raises(ValueError, match="promises"):
        order_outputs(manifest, shapes)


def refusal(bundle: Bundle, settings: DetectorConfig) -> str:
    with pytest.raises(DetectorError) as caught:
        open_detector(bundle, settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_graph_that_does_not_fit_the_manifest(tmp_path: Path) -> None:
    """Another input, or other outputs, than the manifest promises."""
    wide = replace(SSD, input=ModelInput(64, 32), priors=replace(SPEC, width=64))

    assert "inputs are" in refusal(make(tmp_path, wide, blue_graph()), ONE_THREAD)
    assert "outputs are" in refusal(make(tmp_path, SSD, table_graph(ROWS)), ONE_THREAD)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"model.xml": b"<net>", "model.bin": b""}, id="no IR"),
        pytest.param({"model.xml": b"", "model.bin": b""}, id="empty"),
    ],
)
def test_model_that_does_not_load(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A file that is no IR: one line, which names it."""
    bundle = write_bundle(tmp_path / "bundle", SSD, files)

    assert "model.xml" in refusal(bundle, ONE_THREAD)


def test_weights_of_another_model(tmp_path: Path) -> None:
    """An IR whose weights are cut: one line, which names it."""
    openvino.save_model(blue_graph(), tmp_path / "graph.xml")
    files = {"model.xml": tmp_path / "graph.xml", "model.bin": b"x"}
    bundle = write_bundle(tmp_path / "bundle", SSD, files)

    assert "weights" in refusal(bundle, ONE_THREAD)


@pytest.mark.parametrize("device", ["ABACUS", "ABACUS.1", "AUTO:ABACUS,CPU", "GPU.7"])
def test_device_that_is_not_here(tmp_path: Path, device: str) -> None:
    """The devices that are here are named."""
    bundle = make(tmp_path, SSD, blue_graph())

    assert "CPU, " in refusal(bundle, DetectorConfig(device=device))


def test_stick_without_its_worker(tmp_path: Path) -> None:
    """The stick is not an OpenVINO device any more; what to do instead is told."""
    bundle = make(tmp_path, SSD, blue_graph())

    assert "set detector.device to CPU" in refusal(bundle, DetectorConfig(device="MYRIAD"))


@pytest.mark.parametrize("device", ["CPU", "AUTO", "AUTO:CPU"])
def test_devices_that_are_always_here(tmp_path: Path, device: str) -> None:
    """OpenVINO's own choice of a device finds the same."""
    bundle = make(tmp_path, SSD, blue_graph())
    with open_detector(bundle, replace(ONE_THREAD, device=device)) as detector:
        seen = next(iter(detector.detect([frame(2)])))

    assert device in detector.device
    assert 1 == len(seen.detections)


def test_scaling_leaves_a_picture_that_fits() -> None:
    """A picture of the right size is not touched."""
    image = frame(1).image

    assert image is scale_picture(image, ModelInput(32, 32))


def test_first_line_of_an_error() -> None:
    """OpenVINO's words without the places in its source."""
    error = RuntimeError("Exception from src/a.cpp:84:\nCheck 'x' failed at b:\nIncorrect!\n\n")

    assert "Incorrect!" == first_line(error)
    assert "KeyError" == first_line(KeyError())


def test_person_detector_of_the_open_model_zoo(tmp_path: Path, data: Path) -> None:
    """A detector from elsewhere, packed as a bundle, finds the one person of a picture."""
    weights = data / "weights" / "person-detection-retail-0013.xml"
    if not weights.exists():
        pytest.skip("no person-detection-retail-0013 in the weights of the data folder")
    manifest = replace(TABLE, labels=("person",), input=ModelInput(544, 320), target="body")
    files = {"model.xml": weights, "model.bin": weights.with_suffix(".bin")}
    bundle = write_bundle(tmp_path / "bundle", manifest, files)
    video = cv2.VideoCapture(str(data / "videos" / "intel_one_by_one.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, 100)
    _, image = video.read()
    video.release()
    with open_detector(bundle, ONE_THREAD) as detector:
        seen = next(iter(detector.detect([Frame(image, 100, 10.0)])))

    np.testing.assert_allclose([[0.506, 0.03, 0.667, 0.939]], seen.detections.boxes, atol=0.01)
    np.testing.assert_allclose([0.92], seen.detections.scores, atol=0.02)
