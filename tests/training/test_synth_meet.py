"""Rays against solids: what is hit lies on the solid and faces the eye."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.synth.meet import meet, normals, unit_points
from training.synth.solids import Material, Place, Solid, ball, inverses, rod, shape, spin

GREY = Material((128.0, 128.0, 128.0))
SOLIDS = {
    "ball": ball((0, 0, 0), (0.3, 0.2, 0.4), GREY),
    "half ball": ball((0, 0, 0), (0.3, 0.2, 0.4), GREY, clip=((0, 0, 1), 0.0)),
    "rod": rod((-0.2, 0.1, 0.0), (0.3, -0.1, 0.25), 0.12, GREY),
    "upright rod": rod((0, 0, -0.3), (0, 0, 0.3), 0.1, GREY),
    "can": shape("can", (0, 0, 0), (0.3, 0.2, 0.25), GREY),
    "block": shape("block", (0, 0, 0), (0.3, 0.2, 0.25), GREY),
}


def hits(solid: Solid, eye: tuple[float, float, float]) -> tuple[np.ndarray, ...]:
    """Rays that hit the solid: their distances, points and unit points."""
    spread = np.linspace(-0.5, 0.5, 25, dtype=np.float32)
    aims = np.stack([g.ravel() for g in np.meshgrid(spread, spread)] + [np.zeros(625, np.float32)])
    start = np.array(eye, np.float32)
    rays = aims + solid.centre.astype(np.float32)[:, None] - start[:, None]
    rays /= np.linalg.norm(rays, axis=0)
    inverse = inverses([solid])[0]
    distance = meet(solid, inverse, start, rays)
    hit = np.isfinite(distance)
    points = start[:, None] + rays[:, hit] * distance[hit]
    return rays[:, hit], points, unit_points(solid, inverse, points)


def off_surface(solid: Solid, unit: np.ndarray) -> np.ndarray:
    """How far points are from the surface, in unit coordinates."""
    if solid.shape == "ball":
        return np.abs(np.linalg.norm(unit, axis=0) - 1)
    if solid.shape == "block":
        return np.abs(np.abs(unit).max(axis=0) - 1)
    if solid.shape == "can":
        return np.abs(np.maximum(np.hypot(unit[0], unit[1]), np.abs(unit[2])) - 1)
    long, wide = (np.linalg.norm(solid.axes[:, k]) for k in (0, 1))
    beyond = (unit[0] - np.clip(unit[0], -1, 1)) * long / wide
    return np.abs(np.sqrt(beyond**2 + unit[1] ** 2 + unit[2] ** 2) - 1)


@pytest.mark.parametrize("name", SOLIDS)
@given(st.floats(-3, 3), st.floats(-1.2, 1.2), st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
@settings(max_examples=15)
def test_what_is_hit_lies_on_the_surface_and_faces_the_eye(
    name: str, yaw: float, pitch: float, aside: tuple[float, float]
) -> None:
    """Turned anyhow and seen from anywhere above; the inside of half a ball may face away."""
    (solid,) = Place(spin(yaw, pitch), np.array((*aside, 0.0))).put([SOLIDS[name]])
    rays, points, unit = hits(solid, (0.0, 0.0, 3.0))
    normal = normals(solid, inverses([solid])[0], unit)

    assert points.shape[1] > 10
    assert off_surface(solid, unit).max() < 2e-3
    assert np.allclose(1, np.linalg.norm(normal, axis=0), atol=1e-3)
    if name != "half ball":
        assert ((normal * rays).sum(axis=0) < 0.01).all()
    else:
        assert unit[2].min() > -1e-3


def test_a_ball_fills_the_angle_that_it_must() -> None:
    """From 2 m above, a ball of 0.3 m is hit exactly by the rays within asin(0.15)."""
    solid = ball((0, 0, 1), (0.3, 0.3, 0.3), GREY)
    angle = np.linspace(0, 0.3, 301, dtype=np.float32)
    rays = np.stack((np.sin(angle), np.zeros_like(angle), -np.cos(angle)))
    distance = meet(solid, inverses([solid])[0], np.array((0, 0, 3), np.float32), rays)

    assert pytest.approx(1.7, abs=1e-4) == distance[0]
    assert pytest.approx(math.asin(0.15), abs=2e-3) == angle[np.isfinite(distance)].max()


def test_what_is_behind_the_eye_is_not_hit() -> None:
    """Looking up from above a solid, or away from it, shows nothing."""
    up = np.array([[0.0], [0.0], [1.0]], np.float32)
    eye = np.array((0, 0, 3), np.float32)

    for solid in SOLIDS.values():
        assert np.isinf(meet(solid, inverses([solid])[0], eye, up)).all()
