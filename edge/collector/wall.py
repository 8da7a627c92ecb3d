"""Times as people at a site write them, and the periods on the clock of its wall. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from edge.errors import CallError
from edge.periods import Period, hour_of, quarter_of

QUARTER, HOUR, DAY = "quarter", "hour", "day"

MIDNIGHT = time()

_DAY = timedelta(days=1)
_YEARS = range(2000, 2200)  # within which all zones can be reckoned with


@dataclass(frozen=True, slots=True)
class When:
    """A day, or a moment, as it was written; without an offset it is the site's."""

    text: str
    day: date | None = None
    moment: datetime | None = None

    @classmethod
    def read(cls, text: str) -> When:
        """Read `2026-11-20`, `2026-11-20T08:00` or the latter with an offset or `Z`.

        Raises:
            CallError: it is none of them.
        """
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise CallError(f"{text!r}: write a day as 2026-11-20, or 2026-11-20T08:00") from error
        if moment.year not in _YEARS:
            raise CallError(f"{text!r}: write a year from {_YEARS[0]} on")
        if len(text) <= len("2026-11-20"):
            return cls(text, day=moment.date())
        return cls(text, moment=moment)

    def start(self, zone: tzinfo, starts: time = MIDNIGHT) -> datetime:
        """The moment, in UTC; of a day its first one, where days begin at `starts`."""
        if self.day is not None:
            return begin(self.day, zone, starts)
        assert self.moment is not None
        own = self.moment if self.moment.tzinfo else self.moment.replace(tzinfo=zone)
        return own.astimezone(UTC)

    def end(self, zone: tzinfo, starts: time = MIDNIGHT) -> datetime:
        """The moment, in UTC; of a day the first one after it."""
        if self.day is None:
            return self.start(zone)
        return begin(self.day + _DAY, zone, starts)


def read_day_starts(text: str) -> time:
    """Read when days begin, as `04:00`.

    Raises:
        CallError: it is none, or in the midst of a quarter of an hour, which are what is added up.
    """
    try:
        starts = time.fromisoformat(text)
    except ValueError as error:
        raise CallError(f"{text!r}: write when days begin as 04:00") from error
    if starts.minute % 15 or starts.second or starts.microsecond or starts.tzinfo:
        raise CallError(f"{text!r}: days begin with a quarter of an hour, as 04:00 or 04:15")
    return starts


def day_of(moment: datetime, zone: tzinfo, starts: time = MIDNIGHT) -> date:
    """The day that a moment lies in, called by the date on which it begins."""
    day = moment.astimezone(zone).date()
    return day if begin(day, zone, starts) <= moment else day - _DAY


def begin(day: date, zone: tzinfo, starts: time = MIDNIGHT) -> datetime:
    """When a day begins, in UTC; an hour later, where the clock is put ahead over that time."""
    return datetime.combine(day, starts, zone).astimezone(UTC)


def zone_of(name: str) -> tzinfo:
    """The zone of a bucket's `tz`: "Europe/Berlin", or "+01:00".

    Raises:
        CallError: this machine knows none of that name.
    """
    try:
        if name[:1] in ("+", "-"):
            return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo or UTC
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfo knows many ways to fail
        raise CallError(
            f"time zone {name!r}: is not known here; give --timezone, as Europe/Berlin"
        ) from error


def is_place(name: str) -> bool:
    """Whether a bucket's `tz` tells when the clocks are changed, which an offset does not."""
    return name[:1] not in ("+", "-")


def periods(
    by: str, start: datetime, end: datetime, zone: tzinfo, starts: time = MIDNIGHT
) -> Iterator[Period]:
    """All quarters, hours or days on the wall that begin before `end`, from that of `start` on."""
    period = _period(by, start, zone, starts)
    while period.start < end:
        yield period
        period = _period(by, period.end, zone, starts)


def quarters(period: Period) -> Iterator[datetime]:
    """When the quarters within a period begin."""
    quarter = quarter_of(period.start)
    while quarter.start < period.end:
        yield quarter.start
        quarter = quarter_of(quarter.end)


def _period(by: str, moment: datetime, zone: tzinfo, starts: time) -> Period:
    if by == QUARTER:
        return quarter_of(moment)
    if by == HOUR:
        return hour_of(moment, zone)
    day = day_of(moment, zone, starts)
    return Period(begin(day, zone, starts), begin(day + _DAY, zone, starts))
