"""Average precision against hand examples and against COCO's own."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np

from edge.contract.detections import Detections
from tests.training.kit import pictures, recipe
from training.checkpoint import build
from training.coco import coco_scores
from training.data.cache import Picture
from training.evaluate import quick, score, torch_detector
from training.matching import average_precision, bootstrap, judge
from training.scoreboard import table

pytestmark = pytest.mark.training

A, B, FAR = [0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.7, 0.7], [0.8, 0.0, 1.0, 0.2]
YES, NO = np.zeros(2, bool), np.ones(2, bool)
HEADS = np.array([A, B], np.float32)


def test_hand_example() -> None:
    """Right, wrong, right: precision 1 to recall 1/2, then 2/3 to recall 1."""
    judged = judge(Detections.of([A, FAR, B], [0.9, 0.8, 0.7]), HEADS, YES)

    assert [True, False, True] == judged.hit.tolist()
    assert 0.5 * 1 + 0.5 * 2 / 3 == pytest.approx(average_precision([judged]))


def test_a_second_box_on_a_head_is_wrong() -> None:
    """One head is found once; the better score has it."""
    judged = judge(Detections.of([A, A], [0.5, 0.9]), HEADS, YES)

    assert [True, False] == judged.hit.tolist()
    assert 0.5 == pytest.approx(average_precision([judged]))


def test_ignored_heads_neither_help_nor_hurt() -> None:
    """A box on an ignored head vanishes, and the head need not be found."""
    judged = judge(Detections.of([A, B], [0.9, 0.8]), HEADS, np.array([False, True]))

    assert [True] == judged.hit.tolist()
    assert 1.0 == average_precision([judged])


def test_nothing_to_find_is_no_number_and_finding_nothing_is_zero() -> None:
    """An AP of no heads is not 0 and not 1."""
    empty = judge(Detections.empty(), HEADS, NO)
    blind = judge(Detections.empty(), HEADS, YES)

    assert np.isnan(average_precision([empty]))
    assert 0.0 == average_precision([blind])


def test_bootstrap_spans_the_value_and_is_nothing_for_one_picture() -> None:
    """A half-good detector's interval holds its AP; one picture tells nothing of others."""
    good = judge(Detections.of([A, B], [0.9, 0.8]), HEADS, YES)
    bad = judge(Detections.of([FAR], [0.7]), HEADS, YES)
    judged = [good, bad] * 10
    low, high = bootstrap(judged, rounds=200)

    assert 0 < low < average_precision(judged) < high < 1
    assert np.isnan(bootstrap([good])[0])
    assert (low, high) == bootstrap(judged, rounds=200)


def test_ap_over_thresholds_is_cocos() -> None:
    """Perfect boxes give 1; a box with IoU 0.77 counts at six of the ten thresholds."""
    wide = [0.1, 0.1, 0.3, 0.36]  # IoU 0.2 / 0.26
    one, none = np.array([A], np.float32), np.zeros(1, bool)

    def ap(box: list[float]) -> float:
        return coco_scores([Detections.of([box], [0.9])], [one], [none])[0]

    assert 1.0 == pytest.approx(ap(A))
    assert 0.6 == pytest.approx(ap(wide))
    assert (0.0, 0.0) == coco_scores([Detections.empty()], [one], [none])


def test_score_of_a_data_set_and_its_table() -> None:
    """A detector that knows half of the pictures; the figures reach the table and the JSON."""
    known = pictures(6)
    answers = {picture.image.tobytes(): picture for picture in known[:3]}

    def detect(image: np.ndarray) -> Detections:
        picture = answers.get(image.tobytes())
        if picture is None:
            return Detections.empty()
        return Detections.of(picture.boxes / [96, 64, 96, 64], [0.9])

    result = score("discs", detect, known)

    assert 0.5 == pytest.approx(result.ap50)
    assert 0.5 == pytest.approx(result.recall_03)
    assert 0 == result.false_03
    assert 6 == result.heads == result.big_heads
    assert "0.500" in table([result])
    assert result.ap50 == result.to_json()["ap50"]


def test_not_a_number_becomes_null() -> None:
    """JSON has no NaN."""
    empty = Picture("p", np.zeros((64, 96, 3), np.uint8), HEADS[:0], NO[:0])

    assert score("none", lambda _: Detections.empty(), [empty]).to_json()["ap50"] is None


def test_a_network_is_judged_at_any_picture_size() -> None:
    """Pictures are scaled to the input, boxes come back normalised."""
    detect = torch_detector(build(recipe()).eval(), score=0.0)
    found = detect(np.zeros((30, 200, 3), np.uint8))

    assert len(found)
    assert {"ap50", "ap50_big"} == set(quick(detect, pictures(2)))
