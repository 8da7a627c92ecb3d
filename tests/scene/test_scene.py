"""The simulated door: same seed, same pictures; heads and crossings are exact."""

from __future__ import annotations

import numpy as np
import pytest

from edge.scene import SCENE_LINE, Scene
from edge.scene.walk import PERIOD
from edge.types import Direction

SMALL = (160, 120)


@pytest.mark.parametrize("seed", [1, *range(101, 106)])
def test_a_minute_is_busy_and_ends_empty(seed: int) -> None:
    """A minute has at least 8 in and 8 out, and nobody is left in its last second."""
    scene = Scene(seed, fps=4, size=SMALL)
    frames = list(scene)
    went_in = sum(c.direction is Direction.IN for c in scene.crossings)

    assert went_in >= 8
    assert len(scene.crossings) - went_in >= 8
    assert 240 == len(frames) == scene.frames
    assert not any(frame.people for frame in frames[-4:])


def test_same_seed_same_pictures() -> None:
    """Two scenes of one seed give the same pictures, boxes and crossings."""
    one, two = (Scene(7, duration=6, fps=5, size=SMALL) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.heads, b.heads)

    assert one.crossings == two.crossings


def test_other_seed_other_pictures() -> None:
    """Another seed is another door."""
    one, two = (next(iter(Scene(seed, duration=1, size=SMALL))) for seed in (1, 2))

    assert not np.array_equal(one.image, two.image)


def test_people_walk_through_one_another_never() -> None:
    """Two people in the scene keep at least a shoulder's width between their heads."""
    nearest = 1.0
    for frame in Scene(101, duration=30, fps=5, size=SMALL):
        centres = (frame.heads[:, :2] + frame.heads[:, 2:]) / 2
        for i, one in enumerate(centres):
            for other in centres[i + 1 :]:
                nearest = min(nearest, float(np.hypot(*(one - other))))

    assert nearest > 0.1


def test_crossings_follow_the_heads() -> None:
    """A crossing is where the head's centre changes its side of the line, in that direction."""
    scene = Scene(103, duration=30, fps=10, size=SMALL)
    last: dict[int, float] = {}
    seen = []
    for frame in scene:
        for person, box in zip(frame.people, frame.heads, strict=True):
            y = float(box[1] + box[3]) / 2
            if person in last and (last[person] < 0.5) != (y < 0.5):
                seen.append((frame.index, person, Direction.IN if y > 0.5 else Direction.OUT))
            last[person] = y

    assert seen == [(c.frame, c.person, c.direction) for c in scene.crossings]
    assert SCENE_LINE.in_side[1] > 0.5


def test_goes_on_for_ever() -> None:
    """With no duration one period follows another, with other people."""
    scene = Scene(5, duration=0, fps=1, size=SMALL)
    frames = iter(scene)
    for _ in range(int(2 * PERIOD)):
        next(frames)

    assert scene.frames is None
    assert len(scene.crossings) >= 32


def test_heads_in_view_are_visible() -> None:
    """A head well inside the picture that nobody covers is reported as seen."""
    shares = [
        visible
        for frame in Scene(104, duration=20, fps=5, size=SMALL)
        for box, visible in zip(frame.heads, frame.visible, strict=True)
        if box.min() > 0.05 and box.max() < 0.95
    ]

    assert len(shares) > 20
    assert np.median(shares) > 0.9
