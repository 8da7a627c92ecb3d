"""The scene itself: a camera straight above a door, people walking in and out, exact truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.scene.camera import Camera
from edge.scene.floor import cloud, floor_picture
from edge.scene.painter import Light, paint
from edge.scene.person import body
from edge.scene.walk import PERIOD, Room, Visit, visits
from edge.types import Direction, Image, Line

# As any camera, this one exposes longer where it is dark, as far as moving people allow.
_EXPOSED, _LONGEST = 32.0, 1.8  # mean of an empty picture, 0..255; highest gain
_FOCAL = 0.8  # of the width: 64 degrees across, as the usual Raspberry Pi camera has

# In the picture's middle a head lies over its own feet, so the line has no parallax there.
SCENE_LINE = Line("door", (0.0, 0.5), (1.0, 0.5), (0.5, 0.9))


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """One picture and what is true in it.

    `heads` (n, 4) float32 xyxy, normalised (may stick out), of the people `people` (n,), with
    the share `visible` (n,) 0..1 of each head that is seen.
    """

    image: Image
    index: int
    t: float
    heads: NDArray[np.float32]
    people: tuple[int, ...]
    visible: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SceneCrossing:
    """A head's centre passed the line between frame - 1 and frame."""

    frame: int
    t: float
    person: int
    direction: Direction


class Scene:
    """A door with people, the same for the same arguments.

    Args:
        seed: all chance comes from it. 100 to 199 never appear in training pictures.
        duration: seconds; 0 goes on for ever, period by period. A short one shows those people
            of the same minute who have left before its end.
        fps: pictures per second.
        size: (width, height) in pixels.

    Iterating gives SceneFrames; `crossings` are those of the frames given so far.
    """

    def __init__(
        self,
        seed: int,
        *,
        duration: float = 60.0,
        fps: float = 15.0,
        size: tuple[int, int] = (640, 480),
    ) -> None:
        self.seed = seed
        self.duration = duration
        self.fps = fps
        self.size = size
        self.crossings: list[SceneCrossing] = []
        rng = np.random.default_rng((seed, 1_000_000))
        width, rows = size
        self._camera = Camera(float(rng.uniform(2.9, 3.2)), 0.0, _FOCAL, width, rows)
        self._room = _room(self._camera)
        self._floor = floor_picture(rng, self._camera)
        angle = float(rng.uniform(0, 2 * math.pi))
        slope = float(rng.uniform(0.1, 0.5))
        self._light = Light(
            (slope * math.cos(angle), slope * math.sin(angle)), float(rng.uniform(0.2, 0.55)), 3.0
        )
        self._gain = float(np.clip(_EXPOSED / self._floor.mean(), 1.0, _LONGEST))
        self._drawn: tuple[int, list[Visit]] = (-1, [])
        self._noise = [3.0 * cloud(rng, rows, width, 1)[..., None] for _ in range(4)]

    def __iter__(self) -> Iterator[SceneFrame]:
        self.crossings.clear()
        sides: dict[tuple[int, int], float] = {}
        for index in itertools.count():
            t = index / self.fps
            if self.duration and t >= self.duration:
                return
            yield self._frame(index, t, sides)

    @property
    def frames(self) -> int | None:
        """How many pictures there are, None for ever."""
        return math.ceil(self.duration * self.fps - 1e-9) if self.duration else None

    def _frame(self, index: int, t: float, sides: dict[tuple[int, int], float]) -> SceneFrame:
        period = int(t // PERIOD)
        clock = t - period * PERIOD
        present = [v for v in self._visits(period) if v.start <= clock <= v.end]
        people = [body(visit.look, visit.pose(clock)) for visit in present]
        painted, seen = paint(self._floor, self._camera, self._light, people, [])
        heads = np.array([head.box for head in seen], np.float32).reshape(-1, 4)
        heads /= np.array(self.size * 2, np.float32)
        self._note_crossings(index, t, period, present, heads, sides)
        return SceneFrame(
            self._develop(painted, index),
            index,
            t,
            heads,
            tuple(visit.person for visit in present),
            np.array([head.visible for head in seen], np.float32),
        )

    def _visits(self, period: int) -> list[Visit]:
        length = min(PERIOD, self.duration - period * PERIOD) if self.duration else PERIOD
        if self._drawn[0] != period:
            drawn = visits(self.seed, period, self._room)
            self._drawn = (period, [visit for visit in drawn if visit.end <= length])
        return self._drawn[1]

    def _note_crossings(
        self,
        index: int,
        t: float,
        period: int,
        present: list[Visit],
        heads: NDArray[np.float32],
        sides: dict[tuple[int, int], float],
    ) -> None:
        for visit, box in zip(present, heads, strict=True):
            side = float(box[1] + box[3]) / 2 - 0.5
            key = (period, visit.person)
            if sides.get(key, side) * side < 0:
                direction = Direction.IN if side > 0 else Direction.OUT
                self.crossings.append(SceneCrossing(index, t, visit.person, direction))
            sides[key] = side

    def _develop(self, painted: Image, index: int) -> Image:
        """Lens blur, exposure and sensor noise."""
        soft = self._gain * cv2.GaussianBlur(painted, (3, 3), 0).astype(np.float32)
        noisy = soft + self._noise[index % len(self._noise)]
        image: Image = np.clip(noisy, 0, 255).astype(np.uint8)
        return image


def _room(camera: Camera) -> Room:
    """What the camera sees at the height of a head."""
    corner = camera.at_plane((float(camera.width), float(camera.rows)), 1.6)
    if corner is None:
        raise ValueError("the camera does not look down")
    return Room(*corner)
