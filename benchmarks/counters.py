"""Ways to count, in one form: a tracker follows the boxes of a frame, a rule judges at the lines.

Arms that have a tracker in common share its work; only the stopwatch runs each of them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edge.assembly import build_corridor
from edge.config import CountingConfig
from edge.contract.detections import Detections
from edge.line import Mode
from edge.types import Crossing, Frame, Line, Sighting

_NO_PICTURE = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class View:
    """What every arm is told of a recording before it begins."""

    lines: tuple[Line, ...]
    size: tuple[int, int]  # width, height; pixels
    fps: float
    score: float  # lowest of a new person, 0..1; weaker boxes only go on with a known one


class Follower(Protocol):
    """A tracker. What it returns only the rules beside it read."""

    def prepare(self, seen: Detections, index: int, t: float) -> Any:  # noqa: ANN401
        """The boxes of a frame in the tracker's own form, which costs none of its time."""

    def follow(self, ready: Any) -> Any:  # noqa: ANN401
        """Take one frame."""


class Rule(Protocol):
    """A counting rule at the lines of one picture."""

    def judge(self, followed: Any, index: int, t: float) -> Sequence[Crossing]:  # noqa: ANN401
        """The crossings that became certain with this frame."""

    def finish(self) -> Sequence[Crossing]:
        """Those that the end of the recording decides."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A tracker and a rule. `tracker` is one name for all arms that follow alike."""

    key: str
    title: str
    what: str  # packages and settings, as Markdown
    tracker: str
    follow: Callable[[View], Follower]
    rule: Callable[[View], Rule]


def count(
    arms: Sequence[Arm], view: View, frames: Iterable[Detections]
) -> Mapping[str, tuple[Crossing, ...]]:
    """Count one recording with every arm; crossings by the arm's key."""
    followers = {arm.tracker: arm.follow(view) for arm in arms}
    rules = [(arm, arm.rule(view)) for arm in arms]
    crossings: dict[str, list[Crossing]] = {arm.key: [] for arm in arms}
    for index, seen in enumerate(frames):
        t = index / view.fps
        followed = {
            name: each.follow(each.prepare(seen, index, t)) for name, each in followers.items()
        }
        for arm, rule in rules:
            crossings[arm.key] += rule.judge(followed[arm.tracker], index, t)
    for arm, rule in rules:
        crossings[arm.key] += rule.finish()
    return {key: tuple(found) for key, found in crossings.items()}


class OurTracker:
    """This project's tracker, as `headcount replay` builds it."""

    def __init__(self, view: View) -> None:
        self._tracker = build_corridor(view.lines, CountingConfig(), view.score, view.size).tracker

    def prepare(self, seen: Detections, index: int, t: float) -> Sighting:
        """Boxes come as they are."""
        return Sighting(Frame(_NO_PICTURE, index, t), seen, 0.0)

    def follow(self, ready: Sighting) -> Any:  # noqa: ANN401
        """Take one frame."""
        return self._tracker.update(ready.detections, ready.frame.t)


class OurRule:
    """This project's line counter."""

    def __init__(self, view: View, mode: Mode) -> None:
        # With u_turns the truth of both modes is the same, also where people turn round.
        config = CountingConfig(mode=mode, u_turns=True)
        self._counter = build_corridor(view.lines, config, view.score, view.size).counter

    def judge(self, followed: Any, index: int, t: float) -> Sequence[Crossing]:  # noqa: ANN401
        """The crossings that became certain with this frame."""
        return self._counter.update(followed, index, t)

    def finish(self) -> Sequence[Crossing]:
        """Who is still in view."""
        return self._counter.finish()


OURS = Arm(
    "ours",
    "headcount",
    "this project, defaults",
    "headcount",
    OurTracker,
    lambda view: OurRule(view, "immediate"),
)
DEFERRED = Arm(
    "deferred",
    "headcount, deferred",
    "this project, `mode = deferred` with `u_turns`, whose truth is that of all the others",
    "headcount",
    OurTracker,
    lambda view: OurRule(view, "deferred"),
)
OWN = (OURS, DEFERRED)
