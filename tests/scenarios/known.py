"""Thirteen situations at a door, which have been counted with other programs as well.

A head of 60 px walks through a picture of 640x480 with a line across the middle. The boxes
tremble, 5 % of them are missing, the scores are spread around 0.75. Each scenario plays 20
episodes, 45 empty frames apart. Steps are per frame, so that the frame rate only changes the
times: what is a stroll at 8 frames a second is a run at 25.

            x=160            x=480
              |                |
        ------a=======line=====b------  y=240      in = downwards
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tests.scenarios.scene import Episode, Head, Scenario, Script

HEAD = 60  # px
PAUSE = 45  # empty frames between two episodes
LEFT, RIGHT = 230, 410  # px; the door is crossed between them

Way = Callable[[float], Episode]  # from x of the door crossed, px


def _at_random(way: Way) -> Script:
    """Cross the door anywhere."""
    return lambda rng, _: way(rng.uniform(LEFT, RIGHT))


def _steps(start: float, stop: float, step: float) -> list[float]:
    """From start to stop, both included; the last step is the shorter one."""
    way = step if stop > start else -step
    return [*np.arange(start, stop, way).tolist(), stop]


def _walk(*stops: float, step: float = 8.0, wait: int = 0, shift: float = 0.0) -> Way:
    """Walk from stop to stop along y, waiting at each inner one; x is moved by `shift`."""

    def way(x: float) -> Episode:
        ys: list[float] = []
        for start, stop in pairwise(stops):
            ys += ([ys[-1]] * wait if ys else []) + _steps(start, stop, step)
        return [[Head(x + shift, y)] for y in ys]

    return way


def _run(x: float) -> Episode:
    """One head a frame, in view for six or seven frames, at whatever phase."""
    phase = HEAD * (x - LEFT) / (RIGHT - LEFT)
    return [[Head(x, y)] for y in np.arange(100 + phase, 461, HEAD).tolist()]


def _behind(low: float, high: float, way: Way) -> Way:
    """Nothing is seen between two heights."""
    return lambda x: [[head for head in heads if not low <= head.y <= high] for heads in way(x)]


def _together(*ways: Way) -> Way:
    """Several people at once."""
    return lambda x: [
        [head for heads in frame for head in heads]
        for frame in zip(*(way(x) for way in ways), strict=True)
    ]


def _beside(x: float) -> Episode:
    """Past the end of the line, whatever x."""
    return [[head._replace(x=560) for head in heads] for heads in _walk(100, 380)(x)]


def _known(name: str, truth: tuple[int, int], way: Way, **more: object) -> Scenario:
    return Scenario(name, truth, _at_random(way), **more)  # type: ignore[arg-type]


KNOWN = (
    _known("clean in", (20, 0), _walk(100, 380)),
    _known("slow", (20, 0), _walk(100, 380, step=3), jitter=0.1),
    _known("stops on the line, goes in", (20, 0), _walk(100, 240, 380, wait=200)),
    _known("stops on the line, turns back", (0, 0), _walk(100, 240, 100, wait=200)),
    _known("peeks over, turns back", (0, 0), _walk(100, 255, 100)),
    _known("in and out again", (20, 20), _walk(100, 380, 100), net=(0, 0)),
    _known("fast, one head a frame", (20, 0), _run, fps=(8.0,)),
    _known("hidden at the line", (20, 0), _behind(218, 265, _walk(100, 380, step=10))),
    _known("walks inside only", (0, 0), _walk(290, 400, 290)),
    _known("two abreast", (40, 0), _together(_walk(100, 380), _walk(100, 380, shift=75))),
    _known("two head-on", (20, 20), _together(_walk(100, 380), _walk(380, 100, shift=80))),
    _known("passes beside the line", (0, 0), _beside),
    _known("poster on the line", (0, 0), lambda x: [[Head(x, 238.0)]] * 150, dropped=0.6),
)
