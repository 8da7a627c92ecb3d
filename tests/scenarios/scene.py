"""A scenario: a place, what people do there, and what a detector makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.contract.detections import Detections
from edge.line import LineCounter, LineSettings
from edge.tracker import Tracker, TrackerSettings
from edge.types import Crossing, Direction, Line

EPISODES = 20
SEEN = 0.3  # share of a head or body that must be in the picture for it to be seen


class Head(NamedTuple):
    """Somebody in one frame."""

    x: float  # of the centre, px
    y: float
    scale: float = 1.0  # size as a share of the place's
    who: int = 0  # of the people in an episode


Heads = list[Head]  # in one frame
Episode = list[Heads]
Script = Callable[[np.random.Generator, float], Episode]  # from randomness and frames/s


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scenario plays: the picture, the lines in it and how large people are."""

    size: tuple[int, int] = (640, 480)  # px
    lines: tuple[Line, ...] = (Line("L1", (0.25, 0.5), (0.75, 0.5), (0.5, 0.9)),)
    head: tuple[float, float] = (60, 60)  # width and height of what is detected, px

    @property
    def aspect(self) -> float:
        """Width of the picture over its height."""
        return self.size[0] / self.size[1]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One situation at a door, played over and over; `truth` is (in, out) of all episodes.

    `net` is the truth where people who come in and go out in one view are counted as nothing,
    None where it is the same.
    """

    name: str
    truth: tuple[int, int]
    script: Script
    place: Place = Place()
    jitter: float = 1 / 15  # of the centre, one sigma; shares of the box's smaller side
    dropped: float = 0.05  # share of the boxes that are missing
    in_a_row: bool = True  # whether boxes of one person may be missing twice running
    doubles: float = 0.0  # share of the people who have a second box, in or over the first
    false: float = 0.0  # mean number of false boxes in a frame, anywhere, scored around 0.4
    pause: float | None = None  # seconds between two episodes; None: 45 frames
    net: tuple[int, int] | None = None
    fps: tuple[float, ...] = (10.0, 25.0)


def frames(
    scenario: Scenario,
    seed: int,
    fps: float,
    *,
    dropped: float | None = None,
    false: float | None = None,
) -> Iterator[Detections]:
    """The detections of each frame of a scenario.

    Args:
        scenario: the situation.
        seed: of the jitter, the gaps, the scores and the places.
        fps: frames a second.
        dropped: share of the boxes that are missing, instead of the scenario's own.
        false: mean number of false boxes in a frame, instead of the scenario's own.
    """
    rng = np.random.default_rng(seed)
    eye = _Eye(scenario, dropped, false, rng)
    pause = 45 if scenario.pause is None else round(scenario.pause * fps)
    for _ in range(EPISODES):
        for heads in [*scenario.script(rng, fps), *[[] for _ in range(pause)]]:
            yield eye.see(heads)


def play(
    seen: Iterator[Detections],
    fps: float,
    settings: LineSettings | None = None,
    place: Place | None = None,
) -> list[Crossing]:
    """Count a scenario with the default tracker."""
    place = place or Place()
    tracker = Tracker(TrackerSettings(), place.aspect)
    counter = LineCounter(place.lines, settings or LineSettings(), place.aspect)
    crossings: list[Crossing] = []
    for index, detections in enumerate(seen):
        t = index / fps
        crossings += counter.update(tracker.update(detections, t), index, t)
    return [*crossings, *counter.finish()]


def totals(crossings: list[Crossing]) -> tuple[int, int]:
    """(in, out)."""
    ins = sum(crossing.direction is Direction.IN for crossing in crossings)
    return ins, len(crossings) - ins


class _Eye:
    """What the detector makes of the heads in one frame."""

    def __init__(
        self,
        scenario: Scenario,
        dropped: float | None,
        false: float | None,
        rng: np.random.Generator,
    ) -> None:
        self._scenario, self._rng = scenario, rng
        self._dropped = scenario.dropped if dropped is None else dropped
        self._false = scenario.false if false is None else false
        self._missed: set[int] = set()  # who was missed in the frame before

    def see(self, heads: Heads) -> Detections:
        """Boxes that tremble, some missing, some double, some false; normalised."""
        rng, place = self._rng, self._scenario.place
        boxes, scores = [], []
        before, self._missed = self._missed, set()
        for head in heads:
            may_miss = self._scenario.in_a_row or head.who not in before
            if rng.random() < self._dropped and may_miss:
                self._missed.add(head.who)
                continue
            boxes.append(self._box(head))
            scores.append(rng.normal(0.75, 0.1))
            if self._scenario.doubles and rng.random() < self._scenario.doubles:
                boxes.append(self._second(boxes[-1]))
                scores.append(rng.normal(0.5, 0.1))
        for _ in range(rng.poisson(self._false)):
            boxes.append(self._nothing())
            scores.append(rng.normal(0.4, 0.1))
        found = np.reshape(boxes, (-1, 4)) / (place.size * 2)
        return _in_picture(found, np.clip(scores, 0.05, 1.0))

    def _box(self, head: Head) -> np.ndarray:
        """A box whose centre trembles by the jitter, its sides by a little more."""
        x, y, scale, _ = head
        half = scale * np.array(self._scenario.place.head) / 2
        jitter = self._scenario.jitter * scale * min(self._scenario.place.head)
        corners = np.array([x - half[0], y - half[1], x + half[0], y + half[1]])
        trembling = np.tile(self._rng.normal(0, jitter, 2), 2)
        return corners + trembling + self._rng.normal(0, jitter / 4, 4)

    def _second(self, box: np.ndarray) -> np.ndarray:
        """A part of a box, or its double a little to the side."""
        side = box[2:] - box[:2]
        if self._rng.random() < 0.5:
            return np.hstack((box[:2], box[:2] + self._rng.uniform(0.4, 0.7) * side))
        return box + np.tile(self._rng.uniform(-0.15, 0.15, 2) * side, 2)

    def _nothing(self) -> np.ndarray:
        """A box where nobody is."""
        place = self._scenario.place
        x, y = self._rng.uniform(0, place.size[0]), self._rng.uniform(0, place.size[1])
        half = self._rng.uniform(0.6, 1.4) * np.array(place.head) / 2
        return np.array([x - half[0], y - half[1], x + half[0], y + half[1]])


def _in_picture(boxes: np.ndarray, scores: np.ndarray) -> Detections:
    """Boxes cut by the picture's edge, without those of which little is left."""
    inside = np.clip(boxes, 0, 1)
    area, left = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, inside))
    shown = left >= SEEN * area
    return Detections.of(inside[shown], scores[shown])
