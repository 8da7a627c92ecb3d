"""The meter: what pictures, tracks and lines tell of how far the count can be trusted.

Its figures only grow; those of a stretch of time are the difference of two readings. Which
stretch, and what the figures mean, is left to others. Time is an argument, in seconds on one clock
that never runs backwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from edge.contract.quality import COVERED, DARK, FROZEN, OK, Quality
from edge.line import LineQuality
from edge.pipeline import Step
from edge.types import Point, Track, TrackUpdate
from edge.view import LOOK_S, View

GAP_S = 1.0  # between two counted pictures; of a longer gap no more than this is covered
FAST = 1.0  # sizes between two counted pictures; the tracker promises to follow 1.3
STILL = 0.15  # sizes: less is the jitter of a box and no step


class QualityMeter:
    """Measures from `begun` on.

    Args:
        aspect: width of the picture over its height.
        view: judges the pictures; None where there are none, only boxes.
        begun: second from which on pictures are expected.
    """

    def __init__(self, aspect: float, view: View | None, begun: float) -> None:
        self._pace = _Pace(aspect)
        self._view = view
        self._begun = begun
        self._last: float | None = None  # second of the last picture
        self._living: tuple[Track, ...] = ()
        self._lines: Mapping[str, LineQuality] = {}  # as the line counter told them last
        self._rest = Quality()  # all other figures but the length

    @property
    def camera(self) -> str:
        """How the camera is now: `ok`, `covered`, `dark` or `frozen`."""
        return self._view.state if self._view else OK

    @property
    def last(self) -> float:
        """Second of the last picture; where there was none, the begin."""
        return self._begun if self._last is None else self._last

    def note(self, step: Step, lines: Mapping[str, LineQuality], t: float) -> None:
        """Take in a picture that was counted at second `t`.

        Args:
            step: its way through the corridor.
            lines: the figures of the line counter after it.
            t: when that was.
        """
        self._look(step, t)
        people, fast = self._pace.note(step.tracks)
        self._rest += Quality(counted_s=self._credit(t), pictures=1, people=people, fast=fast)
        self._last, self._lines, self._living = t, lines, step.tracks.active

    def end(self, lines: Mapping[str, LineQuality]) -> None:
        """Take in that no more pictures come: the tracks that live end here."""
        people, fast = self._pace.note(TrackUpdate(ended=self._living))
        self._rest += Quality(people=people, fast=fast)
        self._lines, self._living = lines, ()

    def reading(self, t: float) -> Quality:
        """The figures at second `t`, not before the last picture."""
        lines = sum((_of_line(line) for line in self._lines.values()), Quality())
        total = self._rest + lines + Quality(counted_s=self._credit(t))
        return replace(total, seconds=max(t - self._begun, 0.0))

    def _credit(self, t: float) -> float:
        """Seconds from the last picture to `t` that count as covered."""
        return 0.0 if self._last is None else min(max(t - self._last, 0.0), GAP_S)

    def _look(self, step: Step, t: float) -> None:
        if self._view is None:
            return
        state = self._view.state
        if state != OK:
            self._rest += _blind(state, min(t - self.last, LOOK_S))
        self._view.look(step.sighting.frame.image, t)


class _Pace:
    """How far people move from one counted picture to the next, in sizes of their own boxes.

    A person is fast where more than half of the steps are: of two steps both, so that no single
    jump of a box makes one. Standing still is no step. People who are faster than can be followed
    are not seen as people at all; where some are, others are at the limit.
    """

    def __init__(self, aspect: float) -> None:
        self._aspect = aspect
        self._steps: dict[int, tuple[Point, int, int]] = {}  # anchor if just seen; steps, fast ones
        self._seen: set[int] = set()  # in the picture before

    def note(self, tracks: TrackUpdate) -> tuple[int, int]:
        """Take in a picture; how many people it ended, and how many of them were fast."""
        for track in tracks.active:
            if track.seen:
                self._follow(track)
        self._seen = {track.id for track in tracks.active if track.seen}
        people = fast = 0
        for track in tracks.ended:
            _, steps, quick = self._steps.pop(track.id, (track.anchor, 0, 0))
            people += track.confirmed
            fast += track.confirmed and steps >= 2 and 2 * quick > steps
        return people, fast

    def _follow(self, track: Track) -> None:
        before, steps, quick = self._steps.get(track.id, (track.anchor, 0, 0))
        if track.id in self._seen:
            x1, y1, x2, y2 = track.box
            size = min((x2 - x1) * self._aspect, y2 - y1)
            dx = (track.anchor[0] - before[0]) * self._aspect
            moved = math.hypot(dx, track.anchor[1] - before[1]) / size
            steps += moved > STILL
            quick += moved > FAST
        self._steps[track.id] = (track.anchor, steps, quick)


def _blind(state: str, seconds: float) -> Quality:
    return Quality(
        covered_s=seconds * (state == COVERED),
        dark_s=seconds * (state == DARK),
        frozen_s=seconds * (state == FROZEN),
    )


def _of_line(line: LineQuality) -> Quality:
    return Quality(dwelled=line.dwelled, born_past=line.born_past, undecided=line.undecided)
