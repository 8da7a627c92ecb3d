"""The figures of the quarter of an hour that it is: readings of the meter, cut at its borders.

The meter knows seconds that pass, the wall clock says where a quarter begins; this brings them
together, keeps the figures in the ledger and has it tell of the quarters that are over. What is
measured before the clock is set belongs to the quarter in which it is.

    |--------- quarter ---------|--------- quarter -------
    ^ kept every half minute    ^ cut    ^ told, GRACE_S later: the last crossings
                                           of a quarter are decided in the next
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edge import clock
from edge.contract.quality import OK, Quality
from edge.ledger import Ledger
from edge.line import LineQuality
from edge.periods import Period, quarter_of
from edge.pipeline import Step
from edge.quality import GAP_S, QualityMeter

FRESH_S = 1.0  # how old the latest reading may be
KEEP_S = 30.0  # between two writings of the figures; a power cut costs no more of them
GRACE_S = 10.0
JUMP_S = 60.0  # a clock that moves by less is one that is brought to the time

OFF, CLOCK = "off", "clock"  # why whole quarters are missing


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
        ledger: where the figures are kept.
        t: second at which it begins.
    """

    def __init__(self, meter: QualityMeter, ledger: Ledger, t: float) -> None:
        self._meter = meter
        self._ledger = ledger
        self._period: Period | None = None  # None until the clock is set
        self._earlier = Quality()  # of this quarter, kept by the run before
        self._base = Quality()  # the meter's reading at its begin
        self._last: tuple[datetime, float] | None = None  # the clocks at the last picture
        self._keep_at = self._turn_at = float("inf")
        self._reason = OFF
        self.latest = Reading(Quality(), OK, t)  # any thread may read it

    def note(self, step: Step, lines: Mapping[str, LineQuality], utc: datetime, t: float) -> bool:
        """Take in a picture that was counted; whether doubts came or went with it.

        Args:
            step: its way through the corridor.
            lines: the figures of the line counter after it.
            utc: the wall clock now.
            t: monotonic seconds now.

        Raises:
            LedgerError: the figures, or what they came to, could not be written.
        """
        self._advance(utc, t)
        self._meter.note(step, lines, t)
        self._write(utc, t)
        before = self.latest
        if t - before.t < FRESH_S and self._meter.camera == before.camera:
            return False
        self.latest = self._reading(utc, t)
        return self.latest.words != before.words

    def end(self, lines: Mapping[str, LineQuality], utc: datetime, t: float) -> None:
        """Take in that no more pictures come: keep what there is for the next run."""
        self._meter.end(lines)
        self.latest = self._reading(utc, t)
        self._keep_at = t
        self._write(utc, t)

    def _advance(self, utc: datetime, t: float) -> None:
        if not clock.is_set(utc):
            return
        if self._period is None:
            self._begin(quarter_of(utc), Quality())
            self._keep_at = self._turn_at = t
        elif _has_left(self._period, utc):
            # A quarter ends between two pictures; a clock that jumped says nothing of when.
            border = t - (utc - self._period.end).total_seconds()
            cut = self._meter.reading(min(max(border, self._meter.last), t))
            self._ledger.keep(self._period, self._earlier + (cut - self._base))
            self._begin(quarter_of(utc), cut)
            self._keep_at, self._turn_at = t + KEEP_S, t + GRACE_S
            self._reason = CLOCK if self._has_jumped(utc, t) else OFF
        self._last = (utc, t)

    def _begin(self, quarter: Period, base: Quality) -> None:
        self._period, self._base = quarter, base
        self._earlier = self._ledger.kept(quarter)

    def _has_jumped(self, utc: datetime, t: float) -> bool:
        if self._last is None:
            return False
        passed = (utc - self._last[0]).total_seconds()
        return abs(passed - (t - self._last[1])) >= JUMP_S

    def _write(self, utc: datetime, t: float) -> None:
        """Tell of what is over, and keep what is not, when it is time for either."""
        if self._period is None or not clock.is_set(utc):
            return
        if t >= self._turn_at:
            self._ledger.turn(self._period, utc, self._reason)
            self._turn_at = float("inf")
        if t >= self._keep_at:
            figures = self._earlier + (self._meter.reading(t) - self._base)
            self._ledger.keep(self._period, figures)
            self._keep_at = t + KEEP_S

    def _reading(self, utc: datetime, t: float) -> Reading:
        """The figures of the quarter so far."""
        figures = self._earlier + (self._meter.reading(t) - self._base)
        if self._period is not None:
            gone = (utc - self._period.start).total_seconds()
            figures = replace(figures, seconds=min(max(gone, 0.0), self._period.seconds))
        return Reading(figures, self._meter.camera, t)


def _has_left(period: Period, utc: datetime) -> bool:
    return utc >= period.end or (period.start - utc).total_seconds() > JUMP_S
