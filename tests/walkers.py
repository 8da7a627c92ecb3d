"""People who walk through a picture one after another: what a detector sees of them.

A way is a list of stops (x, y, seconds that the person stays there); between them the person walks.
Heads are a tenth of the picture's height. Places are normalised; the picture is 640x480.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edge.contract.detections import Detections
from edge.line import LineCounter, LineSettings
from edge.tracker import Tracker, TrackerSettings
from edge.trails import Trail, Trails
from edge.types import Direction, Frame, Line, Point, Sighting

WIDTH, HEIGHT = 640, 480
ASPECT = WIDTH / HEIGHT
HEAD = 0.1  # picture heights
SPEED = 0.4  # picture heights a second: a slow walk of four heads
FPS = 10.0
PAUSE = 15  # frames between two people: longer than anybody stays hidden

Stop = tuple[float, float, float]
Way = Sequence[Stop]


def through(*points: Point) -> Way:
    """A way without a stop."""
    return [(x, y, 0.0) for x, y in points]


def sightings(
    ways: Sequence[Way], *, seen: Callable[[Point], bool] = lambda _: True, seed: int = 1
) -> Iterator[Sighting]:
    """The ways one after another, trembling by a twentieth of a head; only `seen` places show."""
    rng = np.random.default_rng(seed)
    index = 0
    for way in ways:
        for place in [*_places(way), *[None] * PAUSE]:
            boxes = [_box(place, rng)] if place is not None and seen(place) else []
            detections = Detections.of(boxes, [0.9] * len(boxes))
            yield Sighting(Frame(np.empty((0, 0, 3), np.uint8), index, index / FPS), detections, 0)
            index += 1


def trails(seen: Iterator[Sighting]) -> tuple[Trail, ...]:
    """Follow everybody with the default tracker."""
    tracker, collected = Tracker(TrackerSettings(), ASPECT), Trails(ASPECT)
    for sighting in seen:
        collected.take(tracker.update(sighting.detections, sighting.frame.t), sighting.frame.t)
    return collected.finish()


def count(seen: Iterator[Sighting], line: Line) -> tuple[int, int]:
    """(in, out) over a line, with the default tracker and line counter."""
    tracker = Tracker(TrackerSettings(), ASPECT)
    counter = LineCounter([line], LineSettings(), ASPECT)
    crossings = []
    for sighting in seen:
        frame = sighting.frame
        tracks = tracker.update(sighting.detections, frame.t)
        crossings += counter.update(tracks, frame.index, frame.t)
    crossings += counter.finish()
    ins = sum(crossing.direction is Direction.IN for crossing in crossings)
    return ins, len(crossings) - ins


def _places(way: Way) -> Iterator[Point]:
    for i, (x, y, stay) in enumerate(way):
        yield from [(x, y)] * (1 + round(stay * FPS))
        if i + 1 < len(way):
            to_x, to_y, _ = way[i + 1]
            steps = round(math.hypot((to_x - x) * ASPECT, to_y - y) / SPEED * FPS)
            for step in range(1, steps):
                yield x + (to_x - x) * step / steps, y + (to_y - y) * step / steps


def _box(place: Point, rng: np.random.Generator) -> list[float]:
    """The box of a head; the picture's edge cuts it."""
    x, y = np.array(place) + rng.normal(0, HEAD / 20, 2) / (ASPECT, 1)
    half = HEAD / 2
    corners = (x - half / ASPECT, y - half, x + half / ASPECT, y + half)
    return [min(max(float(corner), 0.0), 1.0) for corner in corners]
