"""Whether the machine's clock can be believed, that it jumped, and which day is today.

A clock is set when it says what can be; it is synchronised when the network's time is behind it.

A Raspberry Pi has no clock that runs while it is off: until the network tells the time it says
1970, or when it was last switched off. Nothing waits for the time and nothing is ordered by it; it
says to which day a crossing belongs, and no more.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from pathlib import Path

from edge.config import SiteConfig

_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # this program is younger than that
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_TIME_ERROR, _STA_UNSYNC = 5, 0x40
_JUMP = timedelta(minutes=1)  # less is no jump, but a clock that is brought to the time

_log = logging.getLogger(__name__)


def is_set(moment: datetime) -> bool:
    """Whether a clock that says this can have been set."""
    return moment >= _EARLIEST


def is_synchronised(mark: Path = _SYNCHRONISED) -> bool:
    """Whether this machine's clock goes by the network's, as systemd or the kernel says.

    Where neither says so it does not. In the service's sandbox only systemd's mark can be seen.
    """
    return mark.exists() or _kernel_says_so()


def _kernel_says_so() -> bool:
    """adjtimex(2), which any NTP client makes say so; asking changes nothing."""
    # struct timex: modes, 4 bytes of padding, offset, freq, maxerror, esterror, status, ...
    words = (ctypes.c_long * 64)()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(words)
    except (OSError, AttributeError):
        return False
    status = int(ctypes.c_int(words[5] & 0xFFFFFFFF).value)
    return state not in (-1, _TIME_ERROR) and not status & _STA_UNSYNC


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a machine: what its wall says, seconds that pass, and who keeps the wall's."""

    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    synchronised: Callable[[], bool] = is_synchronised

    def shift(self, utc: datetime) -> float:
        """Seconds from the monotonic clock to the wall's, which says `utc` now."""
        return utc.timestamp() - self.monotonic()


@dataclass(frozen=True, slots=True)
class LocalDay:
    """When "today" begins at the site: `starts` after midnight in `zone` (None: the machine's)."""

    zone: tzinfo | None = None
    starts: timedelta = timedelta()

    @classmethod
    def at(cls, site: SiteConfig) -> LocalDay:
        """The day of a configured site."""
        return cls(site.zone(), _after_midnight(site.day_starts))

    @classmethod
    def night_of(cls, site: SiteConfig) -> LocalDay | None:
        """The day at whose begin nobody is inside; None where that is never so."""
        if site.occupancy_reset is None:
            return None
        return cls(site.zone(), _after_midnight(site.occupancy_reset))

    def of(self, moment: datetime) -> str:
        """The day, as 2026-11-20, that a moment belongs to."""
        wall = moment.astimezone(self.zone).replace(tzinfo=None)
        return (wall - self.starts).date().isoformat()


def _after_midnight(moment: time_of_day) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute)


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
