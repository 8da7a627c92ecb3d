"""Average precision against hand examples and against COCO's own."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.detections import Detections
from tests.training.kit import pictures, recipe
from training.checkpoint import build
from training.coco import coco_scores
from training.data.cache import Picture
from training.evaluate import quick, score, torch_detector
from training.matching import Judged, average_precision, bootstrap, judge, recall_precision
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


def test_what_a_detector_does_at_its_working_score() -> None:
    """Of three pictures of one head: found and a false one, missed, found but below the score."""
    known = pictures(3)
    scale = np.array([96, 64, 96, 64], np.float32)
    right = [picture.boxes[0] / scale for picture in known]
    corner = [0.9, 0.9, 0.99, 0.99]
    answers = {
        known[0].image.tobytes(): Detections.of([right[0], corner], [0.9, 0.6]),
        known[1].image.tobytes(): Detections.empty(),
        known[2].image.tobytes(): Detections.of([right[2]], [0.4]),
    }
    at = {t: score("s", lambda p: answers[p.tobytes()], known, t) for t in (0.5, 0.3)}

    assert (1 / 3, 1 / 3) == pytest.approx((at[0.5].recall, at[0.5].false_per_picture))
    assert (2 / 3, 1 / 3) == pytest.approx((at[0.3].recall, at[0.3].false_per_picture))
    # heads seen less heads there: +1, -1, -1 and +1, -1, 0
    assert (1.0, -1 / 3) == pytest.approx((at[0.5].count_mae, at[0.5].count_bias))
    assert (2 / 3, 0.0) == pytest.approx((at[0.3].count_mae, at[0.3].count_bias))
    assert at[0.5].ap50 == at[0.3].ap50


def test_sizes_share_the_heads_and_blame_only_their_own_false_positives() -> None:
    """A small and a large head; a small false box costs the small ones alone."""
    boxes = np.array([[10, 10, 20, 20], [100, 100, 200, 200]], np.float32)
    picture = Picture("p", np.zeros((300, 300, 3), np.uint8), boxes, YES)
    found = Detections.of([[250, 250, 260, 260], *boxes], [0.9, 0.8, 0.7])
    found = Detections(found.boxes / np.float32(300), found.scores, found.labels)
    sizes = score("s", lambda _: found, [picture]).sizes

    assert ["0-8", "8-16", "16-32", "32-64", ">64"] == list(sizes)
    assert [0, 1, 0, 0, 1] == [size.heads for size in sizes.values()]
    assert (0.5, 1.0) == (sizes["8-16"].ap50, sizes["8-16"].recall)
    assert (1.0, 1.0) == (sizes[">64"].ap50, sizes[">64"].recall)
    assert np.isnan(sizes["0-8"].ap50)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=12), st.integers(0, 5))
def test_the_curve_encloses_the_ap(found: list[tuple[float, bool]], missed: int) -> None:
    """Recall never falls, both stay within 0 and 1, and the AP is the area under the envelope."""
    hit = np.array([h for _, h in found], bool)
    heads = int(hit.sum()) + missed
    judged = [Judged(np.array([s for s, _ in found], np.float32), hit, heads)]
    recall, precision = recall_precision(judged)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    area = float((envelope * np.diff(recall, prepend=0)).sum())

    assert (np.diff(recall) >= 0).all()
    assert ((recall >= 0) & (recall <= 1) & (precision >= 0) & (precision <= 1)).all()
    assert heads == 0 or area == pytest.approx(average_precision(judged))


def test_ar_takes_the_best_hundred() -> None:
    """A right box behind a hundred wrong ones counts for the AP, not for the AR."""
    one, none = np.array([A], np.float32), np.zeros(1, bool)
    grid = [[0.4 + 0.004 * k, 0.4, 0.402 + 0.004 * k, 0.402] for k in range(100)]
    found = Detections.of([*grid, A], [0.9] * 100 + [0.5])

    ap, ar = coco_scores([found], [one], [none])
    assert 0 == ar < ap
    assert 1.0 == pytest.approx(coco_scores([Detections.of([A], [0.9])], [one], [none])[1])


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
