"""The time of following and counting, a frame, with a fixed number of people in view."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np
from counters import Arm, View

from edge.contract.detections import Detections
from edge.types import Line

SIZE, HEAD = (640, 480), 40.0  # px
STEP, JITTER, DROPPED = 4.0, 2.0, 0.05  # px a frame, px, share of the boxes
VIEW = View((Line("L1", (0.0, 0.5), (1.0, 0.5), (0.5, 0.9)),), SIZE, 10.0, 0.3)
FRAMES, WARM = 120, 20  # the first ones, in which tracks are confirmed, are not timed


def walkers(people: int, seed: int = 1) -> list[Detections]:
    """People who walk about in all directions and turn at the picture's edges."""
    rng = np.random.default_rng(seed)
    room = np.array(SIZE) - HEAD
    start, turn = rng.uniform(0, room, (people, 2)), rng.uniform(0, 2 * np.pi, people)
    step = STEP * np.stack([np.cos(turn), np.sin(turn)], 1)
    frames = []
    for index in range(FRAMES):
        way = (start + index * step) % (2 * room)
        corner = np.minimum(way, 2 * room - way) + rng.normal(0, JITTER, (people, 2))
        boxes = np.hstack([corner, corner + HEAD]) / np.tile(SIZE, 2)
        seen = rng.random(people) >= DROPPED
        scores = np.clip(rng.normal(0.75, 0.1, people), 0.05, 1.0)
        frames.append(Detections.of(boxes[seen], scores[seen]))
    return frames


def medians(arms: Sequence[Arm], frames: Sequence[Detections], rounds: int) -> Mapping[str, float]:
    """Microseconds a frame by arm: the median of all frames of all rounds, arms in turn."""
    times: dict[str, list[float]] = {arm.key: [] for arm in arms}
    for _ in range(rounds):
        for arm in arms:
            times[arm.key] += _time(arm, frames)
    return {key: statistics.median(found) * 1e6 for key, found in times.items()}


def _time(arm: Arm, frames: Sequence[Detections]) -> list[float]:
    """Seconds of each frame but the first ones; bringing the boxes into form is not timed."""
    follower, rule = arm.follow(VIEW), arm.rule(VIEW)
    ready = [follower.prepare(seen, i, i / VIEW.fps) for i, seen in enumerate(frames)]
    times = []
    for index, each in enumerate(ready):
        begun = time.perf_counter()
        rule.judge(follower.follow(each), index, index / VIEW.fps)
        times.append(time.perf_counter() - begun)
    return times[WARM:]
