"""Whether the machine's clock can be believed, that it jumped, and which day is today.

A Raspberry Pi has no clock that runs while it is off: until the network tells the time it says
1970, or when it was last switched off. Nothing waits for the time and nothing is ordered by it; it
says to which day a crossing belongs, and no more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from edge.config import SiteConfig

_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # this program is younger than that
_JUMP = timedelta(minutes=1)  # less is no jump, but a clock that is brought to the time

_log = logging.getLogger(__name__)


def is_set(moment: datetime) -> bool:
    """Whether a clock that says this can have been set."""
    return moment >= _EARLIEST


@dataclass(frozen=True, slots=True)
class LocalDay:
    """When "today" begins at the site: `starts` after midnight in `zone` (None: the machine's)."""

    zone: tzinfo | None = None
    starts: timedelta = timedelta()

    @classmethod
    def at(cls, site: SiteConfig) -> LocalDay:
        """The day of a configured site."""
        starts = timedelta(hours=site.day_starts.hour, minutes=site.day_starts.minute)
        return cls(site.zone(), starts)

    def of(self, moment: datetime) -> str:
        """The day, as 2026-11-20, that a moment belongs to."""
        wall = moment.astimezone(self.zone).replace(tzinfo=None)
        return (wall - self.starts).date().isoformat()


class ClockWatch:
    """Tells in the log when the wall clock is not set, is set, or jumps."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def note(self, utc: datetime, monotonic: float) -> None:
        """Take note that it is `utc` at monotonic second `monotonic`."""
        last, self._last = self._last, (utc, monotonic)
        if last is None:
            if not is_set(utc):
                _log.warning(
                    "the clock says %s and was never set: what is counted belongs to no day until "
                    "it is; see timedatectl",
                    _shown(utc),
                )
            return
        expected = last[0] + timedelta(seconds=monotonic - last[1])
        if is_set(utc) and not is_set(expected):
            _log.info("the clock is set, to %s: what was counted before is of today", _shown(utc))
        elif abs(utc - expected) >= _JUMP:
            _log.warning(
                "the clock jumped from %s to %s: counts of a day may be those of another, order "
                "and totals are right",
                _shown(expected),
                _shown(utc),
            )


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
