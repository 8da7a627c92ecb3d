"""The bent camera: pixels and directions are two ways to say the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.synth.lens import Lens

lenses = st.builds(
    Lens,
    height=st.floats(2.2, 4.0),
    tilt=st.floats(0, math.radians(60)),
    focal=st.floats(0.44, 1.3),
    width=st.just(160),
    rows=st.just(120),
    fish=st.one_of(st.just(0.0), st.floats(0.3, 1.0)),
)


@given(lenses, st.floats(0, 160), st.floats(0, 120), st.floats(0.3, 9))
def test_a_point_on_a_pixels_ray_is_seen_at_that_pixel(
    lens: Lens, across: float, down: float, reach: float
) -> None:
    """Whatever the lens, casting and projecting agree to a twentieth of a pixel."""
    ray = lens.through(np.float32(across), np.float32(down))
    point = reach * ray.astype(np.float64) + (0, 0, lens.height)

    assert np.allclose(lens.project(point[None])[0], (across, down), atol=0.05)
    assert reach == pytest.approx(lens.depth(point[None])[0], rel=1e-4)


def test_rays_go_through_the_middles_of_pixels() -> None:
    """The ray of pixel (row, column) is the one through (column + 0.5, row + 0.5)."""
    lens = Lens(3.0, 0.4, 0.8, 160, 120)
    rays = lens.rays()

    assert (3, 120, 160) == rays.shape
    assert np.allclose(lens.through(np.float32(30.5), np.float32(70.5)), rays[:, 70, 30])
    assert np.allclose(1, np.linalg.norm(rays, axis=0), atol=1e-5)


def test_a_fish_eye_sees_more() -> None:
    """At the same focal length, the corner of a fish-eye's picture looks farther to the side."""
    plain, bent = (Lens(3.0, 0.0, 0.6, 160, 120, fish).rays()[:, 0, 0] for fish in (0.0, 1.0))

    assert bent[2] > plain[2] + 0.05  # less steeply down


def test_a_level_is_met_where_the_point_is_seen() -> None:
    """A place on a level, and none where the ray never falls to it."""
    lens = Lens(3.0, math.radians(60), 0.6, 160, 120)
    place = lens.at_level((50.0, 80.0), 1.6)

    assert place is not None
    assert np.allclose(lens.project(np.array([[*place, 1.6]]))[0], (50, 80), atol=0.05)
    assert lens.at_level((80.0, 0.0), 1.6) is None
    assert lens.at_level((80.0, 60.0), 3.5) is None
