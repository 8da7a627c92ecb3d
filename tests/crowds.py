"""A crowd at a door, seen from above: people come at random, avoid each other and hide each other.

They pass a door four heads wide in both directions, each at an own speed; who comes too near to
somebody in front slows down or steps aside. The detector misses boxes, for one person more than
for another, and of two heads that overlap it often sees only one. The truth is each passage of a
head's centre over the line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edge.audit import Event
from edge.contract.detections import Detections
from edge.types import Direction, Line

SIZE, HEAD = (640, 480), 44.0  # px
LINE = Line("L1", (0.2, 0.5), (0.8, 0.5), (0.5, 0.9))
DOOR = 4.0  # heads: people pass within it
FAR = 5.0  # heads before and past the line, where people come and go
JITTER, FALSE = 0.07, 0.02  # share of a head; false boxes in a frame
MISSED = (0.02, 0.2)  # share of a person's looks that are missing, from the best to the worst
OVERLAP = 0.3  # intersection over union, from which on one of two boxes is often missing


@dataclass(slots=True)
class Walker:
    """Somebody on the way through the door; lengths in heads, v grows inwards."""

    u: float
    v: float
    ahead: int  # +1 in, -1 out
    speed: float  # heads a second, when nobody is in the way
    missed: float
    turn: float = 0.0  # heads a second sideways


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a detector saw, and what was true."""

    fps: float
    frames: tuple[Detections, ...]
    events: tuple[Event, ...]


@dataclass
class _Hall:
    rng: np.random.Generator
    fps: float
    walkers: list[Walker] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def enter(self, rate: float) -> None:
        """Let people come at `rate` a minute, if there is room for them."""
        if self.rng.random() >= rate / 60 / self.fps:
            return
        ahead = 1 if self.rng.random() < 0.5 else -1
        u, v = self.rng.uniform(-DOOR / 2, DOOR / 2), -ahead * FAR
        if all(math.dist((u, v), (other.u, other.v)) > 1.2 for other in self.walkers):
            speed = float(np.clip(self.rng.normal(3.8, 0.8), 2, 6))
            self.walkers.append(Walker(u, v, ahead, speed, self.rng.uniform(*MISSED)))

    def step(self, frame: int) -> None:
        """Move everybody by one frame."""
        for walker in self.walkers:
            self._move(walker, frame)
        self.walkers = [w for w in self.walkers if w.ahead * w.v < FAR]

    def _move(self, walker: Walker, frame: int) -> None:
        free, aside = 1.0, 0.0
        for other in self.walkers:
            before, beside = walker.ahead * (other.v - walker.v), other.u - walker.u
            if other is not walker and 0 < before < 2.5 and abs(beside) < 1.0:
                meeting = other.ahead != walker.ahead
                free = min(free, max((before - 1.0) / 1.5, 0.25 if meeting else 0.0))
                aside += -math.copysign(1.5, beside or walker.ahead)
        walker.turn += (aside - walker.turn) * min(1.0, 4 / self.fps)
        walker.u = float(np.clip(walker.u + walker.turn / self.fps, -DOOR / 2, DOOR / 2))
        old = walker.v
        walker.v += walker.ahead * walker.speed * free / self.fps
        if old * walker.v < 0 or (old != 0 and walker.v == 0):
            way = Direction.IN if walker.ahead > 0 else Direction.OUT
            self.events.append(Event("L1", way, frame, frame, frame, optional=False))

    def see(self) -> Detections:
        """What the detector makes of it."""
        rng, boxes, scores = self.rng, [], []
        for index in rng.permutation(len(self.walkers)):
            walker = self.walkers[index]
            if rng.random() < walker.missed:
                continue
            centre = np.array([SIZE[0] / 2 + HEAD * walker.u, SIZE[1] / 2 + HEAD * walker.v])
            centre += rng.normal(0, JITTER * HEAD, 2)
            box = np.hstack((centre - HEAD / 2, centre + HEAD / 2))
            box += rng.normal(0, JITTER * HEAD / 4, 4)
            hidden = any(_overlap(box, other) > OVERLAP for other in boxes)
            if not (hidden and rng.random() < 0.7):
                boxes.append(box)
                scores.append(rng.normal(0.75, 0.1))
        for _ in range(rng.poisson(FALSE)):
            centre = rng.uniform((0, 0), SIZE)
            boxes.append(np.hstack((centre - HEAD / 2, centre + HEAD / 2)))
            scores.append(rng.normal(0.4, 0.1))
        found = np.reshape(boxes, (-1, 4)) / (SIZE * 2)
        inside = np.clip(found, 0, 1)
        shown = (inside[:, 2:] - inside[:, :2]).prod(axis=1) > 0.3 * (HEAD**2 / SIZE[0] / SIZE[1])
        return Detections.of(inside[shown], np.clip(scores, 0.05, 1.0)[shown])


def crowd(rate: float, seed: int, fps: float = 10.0, minutes: float = 3.0) -> Crowd:
    """Some minutes of people who come at `rate` a minute, and half a minute in which they go."""
    hall = _Hall(np.random.default_rng(seed), fps)
    frames = []
    coming = round(minutes * 60 * fps)
    for frame in range(coming + round(30 * fps)):
        if frame < coming:
            hall.enter(rate)
        hall.step(frame)
        frames.append(hall.see())
    return Crowd(fps, tuple(frames), tuple(hall.events))


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    sides = np.maximum(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0)
    shared = float(sides.prod())
    areas = float((box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod())
    return shared / (areas - shared)
