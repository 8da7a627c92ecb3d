"""Head boxes: where the lens puts the head, no larger than what is painted of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.training.test_synth_lens import lenses
from training.synth.boxes import can_be_seen, find_heads
from training.synth.cast import Layers, cast, hulls
from training.synth.lens import Lens
from training.synth.solids import Material, Solid, ball, shape
from training.synth.texture import Noise

GREY = Material((128.0, 128.0, 128.0))
NOISE = Noise.draw(np.random.default_rng(1))
DOWN = Lens(3.0, 0.0, 0.9, 160, 120)  # looks straight down


def head(x: float, y: float, z: float = 1.6) -> Solid:
    """A skull of a first person."""
    solid = ball((x, y, z), (0.098, 0.077, 0.115), GREY, head=True)
    solid.owner = 1
    return solid


def drawn(lens: Lens, solids: list[Solid]) -> Layers:
    """The solids before nothing."""
    size = (lens.rows, lens.width)
    layers = Layers(
        np.full(size, np.float32(60)),
        np.full(size, -1, np.int16),
        np.zeros((*size, 3), np.float32),
        np.zeros(size, bool),
    )
    cast(lens, lens.rays(), solids, hulls(solids), layers, NOISE)
    return layers


@given(lenses, st.floats(15, 145), st.floats(15, 105))
@settings(max_examples=60)
def test_a_heads_box_is_where_the_head_is_projected_and_painted(
    lens: Lens, across: float, down: float
) -> None:
    """For any camera: the centre lies in the box's middle, and the painted mask fills the box."""
    place = lens.at_level((across, down), 1.6)
    assume(place is not None and math.hypot(*place) < 2.5)
    solids = [head(*place)]
    found = find_heads(lens, solids, layers := drawn(lens, solids), 1)
    (x1, y1, x2, y2), size = found.boxes[0], lens.width
    rows, columns = np.nonzero(layers.solid == 0)
    assume(min(x1, y1) > 0 and x2 < lens.width and y2 < lens.rows)
    mask = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])

    assert abs((x1 + x2) / 2 - across) < 1 + 0.15 * (x2 - x1)
    assert abs((y1 + y2) / 2 - down) < 1 + 0.15 * (y2 - y1)
    assert np.abs(found.boxes[0] - mask).max() < 1.2
    assert 0.3 < (x2 - x1) / (y2 - y1) < 3  # wide angles pull heads apart
    assert found.visible[0] > 0.8 or x2 - x1 < 12  # a few pixels say little about an area
    assert x2 - x1 < 0.6 * size


def test_a_box_shrinks_to_what_is_seen_of_the_head() -> None:
    """A board over the left half of a head leaves the right half to the annotator."""
    board = shape("block", (-0.3, 0, 1.9), (0.3, 0.5, 0.01), GREY)
    solids = [head(0, 0), board]
    alone = find_heads(DOWN, solids[:1], drawn(DOWN, solids[:1]), 1)
    covered = find_heads(DOWN, solids, drawn(DOWN, solids), 1)

    assert covered.boxes[0, 0] > alone.boxes[0, 0] + 5
    assert covered.boxes[0, 2] == pytest.approx(alone.boxes[0, 2], abs=1)
    assert 0.3 < covered.visible[0] < 0.7 < alone.visible[0]


def test_a_head_under_a_roof_is_not_seen() -> None:
    """It keeps its box, so that nobody is taught that there is no head."""
    solids = [head(0, 0), shape("block", (0, 0, 1.9), (0.5, 0.5, 0.01), GREY)]
    found = find_heads(DOWN, solids, drawn(DOWN, solids), 1)

    assert (1, 4) == found.boxes.shape
    assert [0.0] == found.visible.tolist()


def test_a_head_that_the_edge_cuts_keeps_its_whole_box() -> None:
    """The box sticks out, and the share that is seen is that of the whole head."""
    place = DOWN.at_level((0.0, 60.0), 1.6)
    assert place is not None
    solids = [head(*place)]
    found = find_heads(DOWN, solids, drawn(DOWN, solids), 1)

    assert found.boxes[0, 0] < -3
    assert 0.35 < found.visible[0] < 0.65


def test_a_head_out_of_the_picture_has_no_box() -> None:
    """Neither one beside the picture nor one behind the camera."""
    for solids in ([head(5, 0)], [head(0, 0, 4.0)]):
        assert 0 == len(find_heads(DOWN, solids, drawn(DOWN, solids), 1).boxes)


def test_a_head_without_an_outline_cannot_be_seen() -> None:
    """Black on black, and the same head on grey."""
    box = np.array([[20, 20, 50, 50]], np.float32)
    dark = np.full((80, 80, 3), 6, np.uint8)
    light = dark.copy()
    light[30:45, 30:45] = 90

    assert [False] == can_be_seen(dark, box).tolist()
    assert [True] == can_be_seen(light, box).tolist()
