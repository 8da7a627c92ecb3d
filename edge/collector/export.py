"""`headcount export`: what a store knows, by the quarter, the hour or the day on the site's wall.

    quarters of a device --> rows of the wall's hours or days, with how much of each is known

Quarters, which the devices tell with their coverage, are what all is added up from: of a time of
which nothing was told nothing is known, and its count is empty, never zero. Counts of a single line
are those of its crossings, which are told one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo

from edge.collector.database import Database
from edge.collector.history import (
    Gap,
    Quarter,
    devices,
    read_crossings,
    read_gaps,
    read_quarters,
)
from edge.collector.wall import MIDNIGHT, When, day_of, is_place, periods, quarters, zone_of
from edge.contract.quality import Quality
from edge.errors import CallError
from edge.periods import QUARTER_S, Period

_WEEK, _DAYS = timedelta(days=6), timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for.

    Args:
        by: quarter, hour or day.
        first: when it begins; None: with the day that was six days before the end.
        last: when it ends; a day is included; None: now.
        device: empty: all.
        line: empty: all of a device together.
        timezone: of the site; empty: as its device tells it.
        day_starts: when its days begin; with a quarter of an hour.
    """

    by: str
    first: When | None = None
    last: When | None = None
    device: str = ""
    line: str = ""
    timezone: str = ""
    day_starts: time = MIDNIGHT


@dataclass(frozen=True, slots=True)
class Counts:
    """A row. A count of None is not known, which is not zero.

    `coverage` is the share of the period in which people were counted, 0..1. `doubts` are those of
    `edge.contract.quality`; `reason` is why something is missing, where the device has told it.
    """

    device: str
    line: str  # empty: all
    start: datetime  # at the site
    end: datetime  # the first moment after it
    in_count: int | None
    out_count: int | None
    coverage: float
    doubts: tuple[str, ...]
    reason: str


def export(database: Database, query: Query, now: datetime) -> Iterator[Counts]:
    """The rows, by device and time, up to `now`.

    Raises:
        CallError: the query is wrong, or the time zone of a device is not known.
        WorldError: there is no such device or line.
        StoreError: the database is away.
    """
    for device in devices(database, query.device, query.line):
        yield from _of_device(database, device, query, now)


def _of_device(database: Database, device: str, query: Query, now: datetime) -> Iterator[Counts]:
    # Which day it is depends on the zone, which the rows tell: more is read than will be shown.
    rough = _span(query, UTC, now)
    wide = Period(rough.start - _DAYS, rough.end + _DAYS)
    told = read_quarters(database, device, wide)
    zone = zone_of(query.timezone) if query.timezone else _zone(device, told)
    span = _span(query, zone, now)
    by_start: dict[datetime, list[Quarter]] = defaultdict(list)
    for each in told:
        by_start[each.start].append(each)
    passed = read_crossings(database, device, query.line, wide) if query.line else None
    gaps = read_gaps(database, device, wide)
    for period in periods(query.by, span.start, span.end, zone, query.day_starts):
        starts = list(quarters(period))
        known = [each for start in starts for each in by_start.get(start, ())]
        counts = _sum(
            ((each.in_count, each.out_count) for each in known)
            if passed is None
            else (passed[start] for start in starts if start in passed)
        )
        quality = _quality(period, known)
        # Who was counted in a time without coverage was decided too late for the quarter before.
        is_known = quality.counted_s > 0 or any(counts)
        yield Counts(
            device,
            query.line,
            period.start.astimezone(zone),
            period.end.astimezone(zone),
            counts[0] if is_known else None,
            counts[1] if is_known else None,
            round(quality.coverage, 4),
            quality.doubts,
            _reason(period, gaps),
        )


def _span(query: Query, zone: tzinfo, now: datetime) -> Period:
    starts = query.day_starts
    end = min(now, query.last.end(zone, starts)) if query.last else now
    if query.first is None:
        day = day_of(end - timedelta(microseconds=1), zone, starts) - _WEEK
        return Period(When("", day=day).start(zone, starts), end)
    start = query.first.start(zone, starts)
    if start >= end:
        last = query.last.text if query.last and end < now else "now"
        raise CallError(f"--from {query.first.text} is not before --to, which is {last}")
    return Period(start, end)


def _zone(device: str, told: Sequence[Quarter]) -> tzinfo:
    """That of the latest bucket."""
    names = list(dict.fromkeys(each.tz for each in reversed(told)))
    places = [name for name in names if is_place(name)]
    if not places and len(names) > 1:
        raise CallError(
            f"device {device!r} tells {' and '.join(names)} and not where it is; set its "
            "[site] timezone, and give --timezone here, as Europe/Berlin"
        )
    return zone_of((places or names or ["UTC"])[0])


def _sum(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    into = out = 0
    for more_in, more_out in counts:
        into, out = into + more_in, out + more_out
    return into, out


def _quality(period: Period, known: Sequence[Quarter]) -> Quality:
    """Of the whole period; of a quarter that was told twice, no more than all was counted."""
    counted: dict[datetime, float] = defaultdict(float)
    for each in known:
        counted[each.start] = min(QUARTER_S, counted[each.start] + each.quality.counted_s)
    total = sum((each.quality for each in known), Quality())
    return replace(total, seconds=period.seconds, counted_s=sum(counted.values()))


def _reason(period: Period, gaps: Sequence[Gap]) -> str:
    found = (gap.reason for gap in gaps if gap.start < period.end and gap.end > period.start)
    return next(found, "")
