"""Priors, the box code, NMS and post-processing that both halves share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.contract.detections import Detections
from edge.contract.ssd import (
    PriorMap,
    PriorSpec,
    decode,
    encode,
    iou_matrix,
    nms,
    postprocess,
    priors,
    to_tensor,
)

SPEC = PriorSpec(64, 32, (PriorMap(16, (8.0, 12.0)), PriorMap(32, (30.0,), aspect=4.0)))


def unit_boxes(count: int) -> st.SearchStrategy[np.ndarray]:
    """(count, 4) float32 xyxy boxes within 0..1, at least 0.05 wide and high."""
    parts = hnp.arrays(np.float32, (count, 4), elements=st.floats(0, 1, width=32))

    def box(values: np.ndarray) -> np.ndarray:
        size = 0.05 + 0.9 * values[:, 2:]
        low = values[:, :2] * (1 - size)
        return np.concatenate([low, low + size], axis=1).astype(np.float32)

    return parts.map(box)


def test_priors_come_map_by_map_row_by_row_size_by_size() -> None:
    """The order is that of a network's output after permuting channels to the end."""
    found = priors(SPEC)

    assert (4 * 2 * 2 + 2 * 1, 4) == found.shape
    assert np.allclose([8 / 64, 8 / 32, 8 / 64, 8 / 32], found[0])
    assert np.allclose([8 / 64, 8 / 32, 12 / 64, 12 / 32], found[1])
    assert np.allclose([24 / 64, 8 / 32, 8 / 64, 8 / 32], found[2])
    assert np.allclose([8 / 64, 24 / 32, 8 / 64, 8 / 32], found[8])
    assert np.allclose([16 / 64, 16 / 32, 60 / 64, 15 / 32], found[16])


def test_priors_cover_an_input_that_no_stride_divides() -> None:
    """A last, partial cell has priors too, as SAME padding gives the map one."""
    spec = PriorSpec(70, 33, (PriorMap(16, (8.0,)),))

    assert 5 * 3 == len(priors(spec))


def test_spec_survives_json_and_its_digest_tells_priors_apart() -> None:
    """A spec read back is equal; any change of the priors changes the digest."""
    again = PriorSpec.from_json(SPEC.to_json())

    assert again == SPEC
    assert "085aa130ff0ca8634c734daf98f1cbb12fbedc6c8e1ffad0bae795a5d1e08b9a" == again.sha256
    assert SPEC.sha256 != replace(SPEC, width=68).sha256


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": 64.5},
        {"width": True},
        {"height": None},
        {"maps": []},
        {"maps": {}},
        {"maps": [{"stride": 8, "sizes": [4]}]},
        {"maps": [{"stride": 8, "sizes": [4], "aspect": 1, "more": 1}]},
        {"maps": [{"stride": 8, "sizes": [], "aspect": 1}]},
        {"maps": [{"stride": 8, "sizes": [math.nan], "aspect": 1}]},
        {"variances": [0.1]},
        {"variances": [0.1, math.inf]},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_spec_with_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    """Missing, unknown, fractional, endless or empty: a ValueError and no half-built spec."""
    with pytest.raises(ValueError, match=r"\w"):
        PriorSpec.from_json({**SPEC.to_json(), **change})


@given(unit_boxes(len(priors(SPEC))))
def test_decode_undoes_encode(boxes: np.ndarray) -> None:
    """What is coded against a prior comes back, within a thousandth of the picture."""
    codes = encode(boxes, priors(SPEC), SPEC.variances)

    assert np.allclose(boxes, decode(codes, priors(SPEC), SPEC.variances), atol=1e-3)


def test_code_stays_finite_for_boxes_without_size_and_codes_without_measure() -> None:
    """Broken boxes and wild outputs give finite numbers: no NaN walks into a tracker."""
    flat = np.full((len(priors(SPEC)), 4), 0.5, np.float32)
    wild = np.full((len(priors(SPEC)), 4), 1e6, np.float32)

    assert np.isfinite(encode(flat, priors(SPEC), SPEC.variances)).all()
    assert np.isfinite(decode(wild, priors(SPEC), SPEC.variances)).all()


def test_overlap_of_known_boxes() -> None:
    """Two unit squares that share half of each overlap by a third."""
    first = np.array([[0, 0, 1, 1]], np.float32)
    second = np.array([[0.5, 0, 1.5, 1], [2, 2, 3, 3], [0, 0, 0, 0]], np.float32)

    assert np.allclose([[1 / 3, 0, 0]], iou_matrix(first, second))


def test_nms_keeps_the_better_of_two_that_overlap() -> None:
    """The best stays, its shadow goes, a box elsewhere stays; best first."""
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3]], np.float32)
    scores = np.array([0.5, 0.9, 0.6], np.float32)

    assert [1, 2] == nms(boxes, scores, 0.5).tolist()


@given(unit_boxes(12), hnp.arrays(np.float32, 12, elements=st.floats(0, 1, width=32)))
def test_nms_leaves_no_overlap_and_drops_nothing_without_one(
    boxes: np.ndarray, scores: np.ndarray
) -> None:
    """Kept boxes do not clash; each dropped one clashes with a kept one at least as good."""
    kept = nms(boxes, scores, 0.4)
    clash = iou_matrix(boxes, boxes) > 0.4
    dropped = sorted(set(range(12)) - set(kept.tolist()))

    assert not (clash[np.ix_(kept, kept)] & ~np.eye(len(kept), dtype=bool)).any()
    assert all(any(clash[d, k] and scores[k] >= scores[d] for k in kept) for d in dropped)


def outputs(*heads: tuple[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Raw outputs that see a head exactly at each (prior, score)."""
    count = len(priors(SPEC))
    conf = np.tile(np.array([1, 0], np.float32), (count, 1))
    for number, score in heads:
        conf[number] = 1 - score, score
    return np.zeros((1, count, 4), np.float32), conf[None]


def test_postprocess_gives_the_priors_that_score() -> None:
    """Boxes at or above the threshold come back, best first, labelled 0."""
    found = postprocess(*outputs((0, 0.5), (4, 0.8), (8, 0.49)), SPEC, score=0.5, nms_iou=0.5)

    assert [0.8, 0.5] == pytest.approx(found.scores.tolist())
    assert [0, 0] == found.labels.tolist()
    assert np.allclose([4 / 64, 4 / 32, 12 / 64, 12 / 32], found.boxes[1])


def test_postprocess_of_an_empty_door_is_empty() -> None:
    """Nothing above the threshold is no detection, not an error."""
    assert len(Detections.empty()) == len(postprocess(*outputs(), SPEC, score=0.1, nms_iou=0.5))


def test_postprocess_bounds_its_work_and_its_answer() -> None:
    """Of too many boxes the best stay, even when all pass the threshold."""
    loc, conf = outputs(*((n, 0.5 + n / 100) for n in range(0, 16, 2)))
    few = postprocess(loc, conf, SPEC, score=0.1, nms_iou=0.9, max_detections=3)
    fewer = postprocess(loc, conf, SPEC, score=0.1, nms_iou=0.9, candidates=2)

    assert [0.64, 0.62, 0.60] == pytest.approx(few.scores.tolist())
    assert [0.64, 0.62] == pytest.approx(fewer.scores.tolist())


def test_classes_do_not_suppress_each_other() -> None:
    """Two classes at one place are two detections."""
    loc, _ = outputs()
    conf = np.zeros((1, len(priors(SPEC)), 3), np.float32)
    conf[0, 0] = 0.1, 0.4, 0.5

    found = postprocess(loc, conf, SPEC, score=0.3, nms_iou=0.5)

    assert [1, 0] == found.labels.tolist()


@pytest.mark.parametrize("count", [1, 17, 19])
def test_outputs_that_do_not_fit_the_priors_are_refused(count: int) -> None:
    """A model of another input size is told apart from one that sees nothing."""
    with pytest.raises(ValueError, match="18 priors"):
        postprocess(np.zeros((count, 4)), np.zeros((count, 2)), SPEC, score=0.1, nms_iou=0.5)


def test_tensor_is_the_picture_with_channels_first() -> None:
    """(height, width, 3) becomes (1, 3, height, width), same values."""
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)

    tensor = to_tensor(image)

    assert (1, 3, 2, 4) == tensor.shape
    assert image[1, 2, 0] == tensor[0, 0, 1, 2]
