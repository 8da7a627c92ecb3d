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

import numpy as np

from edge.contract.detections import Detections
from edge.types import Line

WIDTH, HEIGHT, HEAD = 640, 480, 60
ASPECT = WIDTH / HEIGHT
LINE = Line("L1", (160 / WIDTH, 0.5), (480 / WIDTH, 0.5), (0.5, 0.9))
EPISODES = 20
PAUSE = 45  # empty frames between two episodes

Heads = list[tuple[float, float]]  # centres of the heads in one frame, px
Walk = list[Heads]  # one episode


@dataclass(frozen=True, slots=True)
class Scenario:
    """One situation at a door; `truth` is (in, out) of all episodes."""

    name: str
    truth: tuple[int, int]
    walk: Callable[[float], Walk]  # x of the door crossed -> one episode
    jitter: float = 4.0  # px, one sigma
    dropped: float = 0.05
    fps: tuple[float, ...] = (10.0, 25.0)


def frames(
    scenario: Scenario,
    seed: int,
    *,
    dropped: float | None = None,
    false: float = 0.0,
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
        walk = scenario.walk(rng.uniform(230, 410))
        for heads in [*walk, *[[] for _ in range(PAUSE)]]:
            yield _look(heads, scenario.jitter, drop, false, rng)


def _look(
    heads: Heads, jitter: float, dropped: float, false: float, rng: np.random.Generator
) -> Detections:
    """What the detector makes of the heads in one frame."""
    boxes, scores = [], []
    for x, y in heads:
        if rng.random() < dropped:
            continue
        corners = np.array([x - HEAD / 2, y - HEAD / 2, x + HEAD / 2, y + HEAD / 2])
        # the centre trembles by `jitter`; the size by a little
        shift, size = rng.normal(0, jitter, 2), rng.normal(0, jitter / 4, 4)
        boxes.append(corners + np.tile(shift, 2) + size)
        scores.append(rng.normal(0.75, 0.1))
    for _ in range(rng.poisson(false)):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        side = rng.uniform(0.6, 1.4) * HEAD / 2
        boxes.append(np.array([x - side, y - side, x + side, y + side]))
        scores.append(rng.normal(0.4, 0.1))
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return Detections.of(np.reshape(boxes, (-1, 4)) / scale, np.clip(scores, 0.05, 1.0))


def _straight(
    start: float, stop: float, step: float, place: Callable[[float], float] = lambda x: x
) -> Callable[[float], Walk]:
    """Walk along y from start to stop."""
    sign = 1 if stop > start else -1

    def walk(x: float) -> Walk:
        return [[(place(x), y)] for y in np.arange(start, stop + sign, sign * step).tolist()]

    return walk


def _legs(*legs: tuple[float, float, float], wait: tuple[int, int] = (0, 0)) -> Callable[[float], Walk]:
    """Walk legs of (start, stop, step) one after the other; wait (after leg, frames)."""

    def walk(x: float) -> Walk:
        episode: Walk = []
        for index, leg in enumerate(legs):
            episode += _straight(*leg)(x)
            if index == wait[0]:
                episode += [episode[-1]] * wait[1]
        return episode

    return walk


def _hidden(low: float, high: float, walk: Callable[[float], Walk]) -> Callable[[float], Walk]:
    """Nothing is seen between two heights."""
    return lambda x: [[h for h in heads if not low <= h[1] <= high] for heads in walk(x)]


def _together(*walks: Callable[[float], Walk]) -> Callable[[float], Walk]:
    """Several people at once."""
    return lambda x: [sum(heads, []) for heads in zip(*(w(x) for w in walks), strict=True)]


SCENARIOS = (
    Scenario("clean in", (20, 0), _straight(100, 380, 8)),
    Scenario("slow", (20, 0), _straight(100, 380, 3), jitter=6.0),
    Scenario("stops on the line, goes in", (20, 0), _legs((100, 240, 8), (240, 380, 8), wait=(0, 200))),
    Scenario(
        "stops on the line, turns back", (0, 0), _legs((100, 240, 8), (240, 100, 8), wait=(0, 200))
    ),
    Scenario("peeks over, turns back", (0, 0), _legs((100, 255, 8), (255, 100, 8))),
    Scenario("in and out again", (20, 20), _legs((100, 380, 8), (380, 100, 8))),
    Scenario("fast, one head a frame", (20, 0), _straight(100, 460, 60), fps=(8.0,)),
    Scenario("hidden at the line", (20, 0), _hidden(218, 265, _straight(100, 380, 10))),
    Scenario("walks inside only", (0, 0), _legs((290, 400, 8), (400, 290, 8))),
    Scenario(
        "two abreast",
        (40, 0),
        _together(_straight(100, 380, 8), _straight(100, 380, 8, lambda x: x + 75)),
    ),
    Scenario(
        "two head-on",
        (20, 20),
        _together(_straight(100, 380, 8), _straight(380, 100, 8, lambda x: x + 80)),
    ),
    Scenario("passes beside the line", (0, 0), _straight(100, 380, 8, lambda _: 560)),
    Scenario("poster on the line", (0, 0), lambda x: [[(x, 238.0)]] * 150, dropped=0.6),
)
