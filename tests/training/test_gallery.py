"""Pictures for people: the right boxes in the right colours, and charts that tell the truth."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import re
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.detections import Detections
from training.charts import bars, lines, ticks
from training.data.cache import Picture
from training.gallery import FALSE, FOUND, IGNORED, MISSED, draw, look, write_samples

pytestmark = pytest.mark.training

HEADS = np.array([[20, 20, 60, 60], [100, 20, 140, 60], [180, 20, 220, 60]], np.float32)
PICTURE = Picture("p", np.zeros((240, 320, 3), np.uint8), HEADS, np.array([False, False, True]))
SCALE = np.array([320, 240, 320, 240], np.float32)
NOWHERE = [0.1, 0.7, 0.2, 0.9]
SEEN = Detections.of(
    [HEADS[0] / SCALE, HEADS[1] / SCALE, HEADS[2] / SCALE, NOWHERE], [0.9, 0.3, 0.8, 0.7]
)


def test_a_finding_tells_found_missed_and_made_up() -> None:
    """A head below the score is missed; a box on an ignored head is neither right nor wrong."""
    finding = look(SEEN, PICTURE, 0.4)

    assert np.allclose(HEADS[:1] / SCALE, finding.found)
    assert np.allclose(HEADS[1:2] / SCALE, finding.missed)
    assert np.allclose(HEADS[2:] / SCALE, finding.ignored)
    assert np.allclose([NOWHERE], finding.false)
    assert [0.7] == pytest.approx(finding.false_scores.tolist())


def test_boxes_are_drawn_in_their_colours() -> None:
    """Found green, missed blue, ignored grey, false red: at the boxes' corners."""
    image = draw(look(SEEN, PICTURE, 0.4), (320, 240))
    corners = {(20, 20): FOUND, (20, 100): MISSED, (20, 180): IGNORED, (168, 32): FALSE}

    assert corners == {at: tuple(image[at].tolist()) for at in corners}


def test_sample_pictures_are_a_jpeg(tmp_path: Path) -> None:
    """Five pictures fill a grid of four columns; the file is named by its step."""
    write_samples(lambda _: SEEN, [PICTURE] * 5, tmp_path, 250)
    image = cv2.imread(str(tmp_path / "samples" / "step-000250.jpg"))

    assert (480, 1280, 3) == image.shape


@given(st.floats(1e-3, 1e9))
def test_ticks_are_few_and_round(end: float) -> None:
    """From 0 to no further than the end, in even steps, which begin with 1, 2 or 5."""
    found = ticks(end)
    step = found[1]

    assert 0 == found[0]
    assert 4 <= len(found) <= 11
    assert found[-1] <= end * (1 + 1e-6)
    assert f"{step:e}"[0] in "1259"  # 9.99... is 1 in binary fractions
    assert np.allclose(np.diff(found), step)


def test_a_line_rises_where_its_figures_do() -> None:
    """Points go from left to right and upwards (y falls); what is no number is left out."""
    chart = lines({"a": [(0, 0.1), (50, float("nan")), (100, 0.9)]}, x="step", y="AP50")
    (path,) = re.findall(r'points="([^"]+)"', chart)
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in path.split())

    assert x1 < x2
    assert y1 > y2
    assert "step" in chart


def test_a_chart_of_nothing_is_empty() -> None:
    """A run that logged nothing has axes and no line; bars without a number are left out."""
    assert "polyline" not in lines({"a": []}, x="x", y="y")
    assert 1 == bars({"8-16": {"AP50": float("nan"), "recall": 0.5}}, x="size").count("<rect")
