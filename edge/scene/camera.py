r"""Pinhole camera above a door: projects points of the room, in metres, to pixels.

World axes: X to the right and Y downwards in the picture of an untilted camera, Z up from the
floor. The camera hangs at (0, 0, height); tilt turns its axis from straight down towards -Y.

            camera *        tilt 0: looks straight down
                  /|\       tilt > 0: the top of the picture is farther away
        -Y ______/_|_\______ +Y   floor, Z = 0
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 3) metres in the room, or (n, 2) pixels

_NEAREST = 0.05  # m; what is nearer than that to the lens is not drawn


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera hangs and what it sees.

    Args:
        height: metres above the floor.
        tilt: radians from straight down, 0..pi/2.
        focal: focal length as a fraction of the picture's width.
        width: pixels.
        rows: picture height in pixels.
    """

    height: float
    tilt: float
    focal: float
    width: int
    rows: int

    def project(self, points: Points) -> Points:
        """Pixels (n, 2) of points (n, 3); points behind the lens are pushed in front of it."""
        across = points[:, 0]
        along = points[:, 1]
        up = points[:, 2] - self.height
        sine, cosine = math.sin(self.tilt), math.cos(self.tilt)
        depth = np.maximum(-sine * along - cosine * up, _NEAREST)
        down = cosine * along - sine * up
        focal = self.focal * self.width
        return np.column_stack(
            (self.width / 2 + focal * across / depth, self.rows / 2 + focal * down / depth)
        )

    def depth(self, point: tuple[float, float, float]) -> float:
        """Metres from the lens to a point along the camera's axis."""
        return -math.sin(self.tilt) * point[1] - math.cos(self.tilt) * (point[2] - self.height)

    def at_plane(self, pixel: tuple[float, float], level: float) -> tuple[float, float] | None:
        """Room position (X, Y) that a pixel shows at a level above the floor, in metres.

        None where the pixel's ray never meets that level.
        """
        focal = self.focal * self.width
        ray_x = (pixel[0] - self.width / 2) / focal
        ray_down = (pixel[1] - self.rows / 2) / focal
        sine, cosine = math.sin(self.tilt), math.cos(self.tilt)
        fall = cosine + sine * ray_down  # how fast the ray falls
        if fall < 0.1:
            return None
        reach = (self.height - level) / fall
        return reach * ray_x, reach * (cosine * ray_down - sine)
