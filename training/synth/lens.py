r"""A camera above a door with a lens that may bend straight lines.

World axes: X to the right and Y downwards in the picture of an untilted camera, Z up from the
floor, metres. The camera hangs at (0, 0, height); tilt turns its axis from straight down to -Y.
An angle t from the axis is seen at the distance focal * ((1 - fish) tan t + fish t) from the
middle: fish 0 is a pinhole, fish 1 the equidistant fish-eye.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.synth.solids import Array, Floats

_WIDEST = 1.45  # radians from the axis; what is farther to the side is drawn at the rim


@dataclass(frozen=True, slots=True)
class Lens:
    """Where the camera hangs and how it sees.

    Args:
        height: metres above the floor.
        tilt: radians from straight down, 0..pi/2.
        focal: focal length as a fraction of the picture's width.
        width: pixels.
        rows: picture height in pixels.
        fish: 0..1, how much of a fish-eye it is.
    """

    height: float
    tilt: float
    focal: float
    width: int
    rows: int
    fish: float = 0.0

    @property
    def basis(self) -> Array:
        """(3, 3) rows: the picture's right, its down, and the axis, in the world."""
        sine, cosine = math.sin(self.tilt), math.cos(self.tilt)
        return np.array([(1.0, 0.0, 0.0), (0.0, cosine, -sine), (0.0, -sine, -cosine)])

    def project(self, points: Array) -> Array:
        """Pixels (..., 2) of points (..., 3)."""
        seen = (points - (0.0, 0.0, self.height)) @ self.basis.T
        aside = np.hypot(seen[..., 0], seen[..., 1])
        angle = np.minimum(np.arctan2(aside, seen[..., 2]), _WIDEST)
        reach = self._reach(angle) * self.focal * self.width / np.maximum(aside, 1e-9)
        pixels: Array = seen[..., :2] * reach[..., None] + (self.width / 2, self.rows / 2)
        return pixels

    def depth(self, points: Array) -> Array:
        """Metres (...,) from the lens to points (..., 3), negative behind it."""
        away = points - (0.0, 0.0, self.height)
        distance: Array = np.linalg.norm(away, axis=-1) * np.sign(away @ self.basis[2])
        return distance

    def rays(self) -> Floats:
        """(3, rows, width) unit vectors of the world through the middles of the pixels."""
        across = np.arange(self.width, dtype=np.float32) + np.float32(0.5)
        down = np.arange(self.rows, dtype=np.float32)[:, None] + np.float32(0.5)
        return self.through(across, down)

    def through(self, across: Floats | np.float32, down: Floats | np.float32) -> Floats:
        """Unit vectors (3, ...) of the world through pixels, float32."""
        scale = np.float32(1 / (self.focal * self.width))
        right = (across - np.float32(self.width / 2)) * scale
        below = (down - np.float32(self.rows / 2)) * scale
        reach = np.sqrt(right * right + below * below)
        if self.fish == 0.0:
            ahead = 1 / np.sqrt(1 + reach * reach)
            aside = ahead
        else:
            angles = np.linspace(0, _WIDEST, 256)
            angle = np.interp(reach, self._reach(angles), angles).astype(np.float32)
            ahead, aside = np.cos(angle), np.sin(angle) / np.maximum(reach, np.float32(1e-6))
        sine, cosine = (np.float32(f(self.tilt)) for f in (math.sin, math.cos))
        below = below * aside
        rays: Floats = np.stack(
            (right * aside, cosine * below - sine * ahead, -sine * below - cosine * ahead)
        )
        return rays

    def at_level(self, pixel: tuple[float, float], level: float) -> tuple[float, float] | None:
        """Where (X, Y) a pixel's ray meets a level above the floor; None where it never does."""
        ray = self.through(*(np.float32(value) for value in pixel))
        if ray[2] > -0.1 or level >= self.height:
            return None
        reach = (level - self.height) / ray[2]
        return float(ray[0] * reach), float(ray[1] * reach)

    def _reach(self, angle: Array) -> Array:
        bent: Array = (1 - self.fish) * np.tan(angle) + self.fish * angle
        return bent
