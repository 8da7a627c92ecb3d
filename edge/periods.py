"""Quarters of an hour, and hours as the clock on the site's wall has them. Pure; times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

QUARTER_S = 900
HOUR_S = 3600

_QUARTER, _HOUR = timedelta(seconds=QUARTER_S), timedelta(seconds=HOUR_S)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of time, from `start` up to and without `end`."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()


def quarter_of(moment: datetime) -> Period:
    """The quarter of an hour that a moment lies in.

    All zones of today are apart by quarters, so that these are quarters on every wall.
    """
    start = _floor(moment.astimezone(UTC), _QUARTER)
    return Period(start, start + _QUARTER)


def hour_of(moment: datetime, zone: tzinfo | None) -> Period:
    """The hour on the wall that a moment lies in, as far as the wall's clock runs through it.

    Where the clock is put back, the hour that comes again is another one; where a zone moves by
    half an hour, an hour that it cuts is half as long.

    Args:
        moment: any, with a time zone.
        zone: of the wall; None for that of the machine.
    """
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    start = _floor(moment.astimezone(UTC) + offset, _HOUR) - offset
    quarters = [start + n * _QUARTER for n in range(4)]
    own = [each for each in quarters if (each.astimezone(zone).utcoffset() or offset) == offset]
    return Period(own[0], own[-1] + _QUARTER)


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step
