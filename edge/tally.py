"""The figures of the quarter of an hour that it is: readings of the meter, cut at its borders.

The meter knows seconds that pass, the wall clock says where a quarter begins; this brings them
together. What is measured before the clock is set belongs to the quarter in which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edge import clock
from edge.contract.quality import OK, Quality
from edge.line import LineQuality
from edge.periods import Period, quarter_of
from edge.pipeline import Step
from edge.quality import GAP_S, QualityMeter

FRESH_S = 1.0  # how old the latest reading may be
BACK_S = 60.0  # a clock that is put back by less is one that is brought to the time


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures of the quarter up to second `t`, and how the camera is."""

    quality: Quality
    camera: str
    t: float

    @property
    def words(self) -> tuple[str, ...]:
        """The camera's state and the doubts: what is news where it changes."""
        doubts = self.quality.doubts
        blind = self.camera != OK and "camera" not in doubts
        return (self.camera, *doubts, "camera") if blind else (self.camera, *doubts)

    def at(self, t: float) -> dict[str, Any]:
        """What the state tells at second `t`, if no picture has come since."""
        later = max(t - self.t, 0.0)
        quality = self.quality + Quality(seconds=later, counted_s=min(later, GAP_S))
        now = replace(self, quality=quality)
        return {**quality.to_json(), "camera": now.camera, "doubts": list(now.words[1:])}


class Tally:
    """Follows the wall clock from quarter to quarter.

    Args:
        meter: of the pictures; told of them by this.
        t: second at which it begins.
    """

    def __init__(self, meter: QualityMeter, t: float) -> None:
        self._meter = meter
        self._period: Period | None = None  # None until the clock is set
        self._base = Quality()  # the meter's reading at its begin
        self.latest = Reading(Quality(), OK, t)  # any thread may read it

    def note(self, step: Step, lines: Mapping[str, LineQuality], utc: datetime, t: float) -> bool:
        """Take in a picture that was counted; whether doubts came or went with it.

        Args:
            step: its way through the corridor.
            lines: the figures of the line counter after it.
            utc: the wall clock now.
            t: monotonic seconds now.
        """
        self._advance(utc, t)
        self._meter.note(step, lines, t)
        before = self.latest
        if t - before.t < FRESH_S and self._meter.camera == before.camera:
            return False
        self.latest = self._reading(utc, t)
        return self.latest.words != before.words

    def end(self, lines: Mapping[str, LineQuality], utc: datetime, t: float) -> None:
        """Take in that no more pictures come."""
        self._meter.end(lines)
        self.latest = self._reading(utc, t)

    def _advance(self, utc: datetime, t: float) -> None:
        if not clock.is_set(utc):
            return
        if self._period is None:
            self._period = quarter_of(utc)
        elif _has_left(self._period, utc):
            # A quarter ends between two pictures; a clock that jumped says nothing of when.
            border = t - (utc - self._period.end).total_seconds()
            self._base = self._meter.reading(min(max(border, self._meter.last), t))
            self._period = quarter_of(utc)

    def _reading(self, utc: datetime, t: float) -> Reading:
        """The figures of the quarter so far."""
        figures = self._meter.reading(t) - self._base
        if self._period is not None:
            gone = (utc - self._period.start).total_seconds()
            figures = replace(figures, seconds=min(max(gone, 0.0), self._period.seconds))
        return Reading(figures, self._meter.camera, t)


def _has_left(period: Period, utc: datetime) -> bool:
    return utc >= period.end or (period.start - utc).total_seconds() > BACK_S
