"""Door scenes with exact truth: what a detector would see, without pictures.

A head of 60 px walks through a picture of 640x480 with a line across the middle. The boxes
tremble, 5 % of them are missing, the scores are spread around 0.75. Each scenario plays 20
episodes, 45 empty frames apart. Steps are per frame, so that the frame rate only changes the
times: what is a stroll at 8 frames a second is a run at 25.

            x=160            x=480
              |                |
        ------a=======line=====b------  y=240      in = downwards
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge.contract.detections import Detections
from edge.line import LineCounter, LineSettings
from edge.tracker import Tracker, TrackerSettings
from edge.types import Crossing, Direction, Line

WIDTH, HEIGHT, HEAD = 640, 480, 60  # px
ASPECT = WIDTH / HEIGHT
LINE = Line("L1", (160 / WIDTH, 0.5), (480 / WIDTH, 0.5), (0.5, 0.9))
EPISODES = 20
PAUSE = 45  # empty frames between two episodes
LEFT, RIGHT = 230, 410  # px; the door is crossed between them

Heads = list[tuple[float, float]]  # centres of the heads in one frame, px
Episode = list[Heads]
Script = Callable[[float], Episode]  # from x of the door crossed, px


@dataclass(frozen=True, slots=True)
class Scenario:
    """One situation at a door; `truth` is (in, out) of all episodes."""

    name: str
    truth: tuple[int, int]
    script: Script
    jitter: float = 4.0  # px, one sigma
    dropped: float = 0.05  # share of the boxes
    fps: tuple[float, ...] = (10.0, 25.0)


def frames(
    scenario: Scenario, seed: int, *, dropped: float | None = None, false: float = 0.0
) -> Iterator[Detections]:
    """The detections of each frame of a scenario.

    Args:
        scenario: the situation.
        seed: of the jitter, the gaps, the scores and the places.
        dropped: share of the boxes that are missing, instead of the scenario's own.
        false: mean number of false boxes in a frame, anywhere, scored around 0.4.
    """
    rng = np.random.default_rng(seed)
    drop = scenario.dropped if dropped is None else dropped
    for _ in range(EPISODES):
        episode = scenario.script(rng.uniform(LEFT, RIGHT))
        for heads in [*episode, *[[] for _ in range(PAUSE)]]:
            yield _see(heads, scenario.jitter, drop, false, rng)


def play(
    seen: Iterator[Detections], fps: float, settings: LineSettings | None = None
) -> list[Crossing]:
    """Count a scenario with the default tracker."""
    tracker = Tracker(TrackerSettings(), ASPECT)
    counter = LineCounter([LINE], settings or LineSettings(), ASPECT)
    crossings: list[Crossing] = []
    for index, detections in enumerate(seen):
        t = index / fps
        crossings += counter.update(tracker.update(detections, t), index, t)
    return [*crossings, *counter.finish()]


def totals(crossings: list[Crossing]) -> tuple[int, int]:
    """(in, out)."""
    ins = sum(crossing.direction is Direction.IN for crossing in crossings)
    return ins, len(crossings) - ins


def _see(
    heads: Heads, jitter: float, dropped: float, false: float, rng: np.random.Generator
) -> Detections:
    """What the detector makes of the heads in one frame."""
    boxes, scores = [], []
    for x, y in heads:
        if rng.random() < dropped:
            continue
        corners = np.array([x - HEAD / 2, y - HEAD / 2, x + HEAD / 2, y + HEAD / 2])
        # the centre trembles by `jitter`, the sides by a little more
        boxes.append(corners + np.tile(rng.normal(0, jitter, 2), 2) + rng.normal(0, jitter / 4, 4))
        scores.append(rng.normal(0.75, 0.1))
    for _ in range(rng.poisson(false)):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        half = rng.uniform(0.6, 1.4) * HEAD / 2
        boxes.append(np.array([x - half, y - half, x + half, y + half]))
        scores.append(rng.normal(0.4, 0.1))
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return Detections.of(np.reshape(boxes, (-1, 4)) / scale, np.clip(scores, 0.05, 1.0))


def _steps(start: float, stop: float, step: float) -> list[float]:
    """From start to stop, both included; the last step is the shorter one."""
    way = step if stop > start else -step
    return [*np.arange(start, stop, way).tolist(), stop]


def _walk(*stops: float, step: float = 8.0, wait: int = 0, shift: float = 0.0) -> Script:
    """Walk from stop to stop along y, waiting at each inner one; x is moved by `shift`."""

    def script(x: float) -> Episode:
        ys: list[float] = []
        for start, stop in pairwise(stops):
            ys += ([ys[-1]] * wait if ys else []) + _steps(start, stop, step)
        return [[(x + shift, y)] for y in ys]

    return script


def _run(x: float) -> Episode:
    """One head a frame, in view for six or seven frames, at whatever phase."""
    phase = HEAD * (x - LEFT) / (RIGHT - LEFT)
    return [[(x, y)] for y in np.arange(100 + phase, 461, HEAD).tolist()]


def _behind(low: float, high: float, script: Script) -> Script:
    """Nothing is seen between two heights."""
    return lambda x: [[head for head in heads if not low <= head[1] <= high] for heads in script(x)]


def _together(*scripts: Script) -> Script:
    """Several people at once."""
    return lambda x: [
        [head for heads in frame for head in heads]
        for frame in zip(*(script(x) for script in scripts), strict=True)
    ]


def _beside(x: float) -> Episode:
    """Past the end of the line, whatever x."""
    return [[(560, y)] for heads in _walk(100, 380)(x) for _, y in heads]


SCENARIOS = (
    Scenario("clean in", (20, 0), _walk(100, 380)),
    Scenario("slow", (20, 0), _walk(100, 380, step=3), jitter=6.0),
    Scenario("stops on the line, goes in", (20, 0), _walk(100, 240, 380, wait=200)),
    Scenario("stops on the line, turns back", (0, 0), _walk(100, 240, 100, wait=200)),
    Scenario("peeks over, turns back", (0, 0), _walk(100, 255, 100)),
    Scenario("in and out again", (20, 20), _walk(100, 380, 100)),
    Scenario("fast, one head a frame", (20, 0), _run, fps=(8.0,)),
    Scenario("hidden at the line", (20, 0), _behind(218, 265, _walk(100, 380, step=10))),
    Scenario("walks inside only", (0, 0), _walk(290, 400, 290)),
    Scenario("two abreast", (40, 0), _together(_walk(100, 380), _walk(100, 380, shift=75))),
    Scenario("two head-on", (20, 20), _together(_walk(100, 380), _walk(380, 100, shift=80))),
    Scenario("passes beside the line", (0, 0), _beside),
    Scenario("poster on the line", (0, 0), lambda x: [[(x, 238.0)]] * 150, dropped=0.6),
)
