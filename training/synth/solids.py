"""Simple solids of which people and things are made, and where a bundle of rays meets them.

A solid is a unit shape, stretched and turned: its columns of `axes` are the half axes in metres.
Rays meet it in unit coordinates, where a ball is x^2 + y^2 + z^2 <= 1, a can x^2 + y^2 <= 1 with
|z| <= 1, and a block |x|, |y|, |z| <= 1. A rod is round at both ends, along its first axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]  # blue, green, red; 0..255
Vector = tuple[float, float, float]
Array = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Material:
    """What a surface looks like: `grain` is one of `training.synth.texture.GRAINS`."""

    colour: Colour
    grain: str = "plain"
    second: Colour = (0.0, 0.0, 0.0)  # of stripes and checks
    scale: float = 1.0  # how fine the grain is
    gloss: float = 0.0  # 0..1


@dataclass(slots=True)
class Solid:
    """One solid. `clip` (normal, offset) keeps normal . q >= offset, in unit coordinates q."""

    shape: str  # ball, rod, can, block
    centre: Array  # (3,) m
    axes: Array  # (3, 3) m, half axes as columns
    material: Material
    clip: tuple[Vector, float] | None = None
    head: bool = False  # belongs to the head's box
    owner: int = 0  # number of the person, 0 for a thing


@dataclass(frozen=True, slots=True)
class Place:
    """A turn, a scale and a shift from one system of axes into another."""

    turn: Array  # (3, 3) a rotation
    shift: Array  # (3,) m
    scale: float = 1.0

    def put(self, solids: Sequence[Solid]) -> list[Solid]:
        """The solids in the other system."""
        turn = self.turn * self.scale
        return [
            Solid(s.shape, turn @ s.centre + self.shift, turn @ s.axes, s.material, s.clip, s.head)
            for s in solids
        ]


def spin(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Rotation about Z by yaw, then before it about Y (nose down) and X; radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([(cy, -sy, 0), (sy, cy, 0), (0, 0, 1)])
    about_y = np.array([(cp, 0, sp), (0, 1, 0), (-sp, 0, cp)])
    about_x = np.array([(1, 0, 0), (0, cr, -sr), (0, sr, cr)])
    turn: Array = about_z @ about_y @ about_x
    return turn


def ball(
    centre: Vector,
    radii: Vector,
    material: Material,
    *,
    clip: tuple[Vector, float] | None = None,
    head: bool = False,
    turn: Array | None = None,
) -> Solid:
    """An ellipsoid, perhaps cut by a plane."""
    axes = np.diag(radii) if turn is None else turn @ np.diag(radii)
    return Solid("ball", np.array(centre), axes, material, clip, head)


def shape(
    kind: str, centre: Vector, half: Vector, material: Material, turn: Array | None = None
) -> Solid:
    """A can or a block of these half sizes."""
    axes = np.diag(half) if turn is None else turn @ np.diag(half)
    return Solid(kind, np.array(centre), axes, material)


def rod(start: Vector, end: Vector, radius: float, material: Material) -> Solid:
    """A capsule between two points."""
    x, y, z = ((b - a) / 2 for a, b in zip(start, end, strict=True))
    flat = math.hypot(x, y)
    long = max(math.hypot(flat, z), 1e-6)
    # second: level and across the rod; third: across both
    level = (-y / flat, x / flat, 0.0) if flat > 1e-6 else (1.0, 0.0, 0.0)
    third = (-z * level[1] / long, z * level[0] / long, (x * level[1] - y * level[0]) / long)
    rows = [(h, radius * s, radius * t) for h, s, t in zip((x, y, z), level, third, strict=True)]
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    return Solid("rod", np.array(middle), np.array(rows), material)


def surface(solid: Solid, directions: Array, *, clipped: bool = False) -> Array:
    """Points (n, 3) m on a solid's surface, whose convex hull nearly is the solid.

    Args:
        solid: the solid.
        directions: (n, 3) unit vectors.
        clipped: give no points of what is clipped away.
    """
    if solid.shape == "rod":
        radius = float(np.linalg.norm(solid.axes[:, 1]))
        ends = np.sign(directions @ solid.axes[:, 0])[:, None] * solid.axes[:, 0]
        points: Array = solid.centre + ends + directions * radius
        return points
    unit = directions
    if solid.shape == "block":
        unit = np.sign(directions)
    elif solid.shape == "can":
        ring = directions[:, :2] / np.maximum(np.hypot(*directions[:, :2].T), 1e-9)[:, None]
        unit = np.column_stack((ring, np.sign(directions[:, 2])))
    if clipped and solid.clip is not None:
        normal, offset = solid.clip
        unit = unit[unit @ np.array(normal) >= offset]
    return solid.centre + unit @ solid.axes.T


def inverses(solids: Sequence[Solid]) -> Floats:
    """(solids, 3, 3) from the world's axes into unit coordinates."""
    axes = np.array([solid.axes for solid in solids]).reshape(-1, 3, 3)
    return np.linalg.inv(axes).astype(np.float32)


def times(colour: Colour, gain: float) -> Colour:
    """A colour made darker or lighter."""
    return colour[0] * gain, colour[1] * gain, colour[2] * gain


def even_directions(count: int) -> Array:
    """(count, 3) unit vectors spread evenly, on a spiral about Z."""
    step = np.arange(count) + 0.5
    lift = 1 - 2 * step / count
    turn = step * (np.pi * (1 + 5**0.5))
    flat = np.sqrt(1 - lift**2)
    return np.column_stack((flat * np.cos(turn), flat * np.sin(turn), lift))
