"""Reads from a store what an export is added up from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge.collector.database import Database, Row, moment
from edge.contract.quality import Quality
from edge.errors import WorldError
from edge.periods import QUARTER_S, Period

_DEVICES = "SELECT DISTINCT device FROM headcount_ledgers ORDER BY device"
_OF_DEVICE = "FROM headcount_events JOIN headcount_ledgers ON id = ledger WHERE device = ?"
_QUARTERS = (
    f"SELECT begins, tz, in_count, out_count, quality {_OF_DEVICE} AND type = 'bucket' "
    f"AND period = {QUARTER_S} AND begins >= ? AND begins < ? ORDER BY begins, ledger, seq"
)
_GAPS = (
    f"SELECT begins, ends, reason {_OF_DEVICE} AND type = 'gap' "
    "AND begins < ? AND ends > ? ORDER BY begins, ledger, seq"
)
_CROSSINGS = (
    f"SELECT {{quarter}}, direction, count(*) {_OF_DEVICE} AND type = 'crossing' AND line = ? "
    "AND ts_source <> 'unset' AND ts >= ? AND ts < ? GROUP BY 1, 2"
)
_HAS_LINE = f"SELECT 1 {_OF_DEVICE} AND type = 'crossing' AND line = ? LIMIT 1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Quarter:
    """A bucket of 15 minutes; two may begin at the same time, where a clock was put back."""

    start: datetime
    tz: str
    in_count: int
    out_count: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which a device has told that nothing is known."""

    start: datetime
    end: datetime
    reason: str


def devices(database: Database, device: str, line: str) -> list[str]:
    """The devices that are asked for.

    Args:
        database: the store.
        device: its id, or empty for all.
        line: leave out devices without it; empty: none.

    Raises:
        WorldError: there is none.
        StoreError: the database is away.
    """
    known = [row[0] for row in database.query(_DEVICES)]
    if device and device not in known:
        raise WorldError(f"device {device!r} is not in the store; {_names(known)} are")
    asked = [device] if device else known
    if line:
        asked = [each for each in asked if database.query(_HAS_LINE, (each, line))]
    if not asked and known:
        raise WorldError(f"nobody has crossed a line {line!r} yet")
    return asked


def read_quarters(database: Database, device: str, span: Period) -> list[Quarter]:
    """The buckets of 15 minutes that begin within a span, in order.

    Raises:
        StoreError: the database is away.
    """
    rows = database.query(_QUARTERS, (device, span.start, span.end))
    return [
        Quarter(_time(begins), tz, into, out, Quality.from_json(json.loads(quality)))
        for begins, tz, into, out, quality in rows
    ]


def read_gaps(database: Database, device: str, span: Period) -> list[Gap]:
    """The gaps that overlap a span, in order.

    Raises:
        StoreError: the database is away.
    """
    rows = database.query(_GAPS, (device, span.end, span.start))
    return [Gap(_time(begins), _time(ends), reason) for begins, ends, reason in rows]


def read_crossings(
    database: Database, device: str, line: str, span: Period
) -> dict[datetime, tuple[int, int]]:
    """In and out over a line, by the start of the quarter, of the crossings whose time is known.

    Raises:
        StoreError: the database is away.
    """
    sql = _CROSSINGS.format(quarter=database.quarter_number)
    return _by_quarter(database.query(sql, (device, line, span.start, span.end)))


def _by_quarter(rows: Iterable[Row]) -> dict[datetime, tuple[int, int]]:
    found: dict[datetime, tuple[int, int]] = {}
    for number, direction, count in rows:
        start = _EPOCH + timedelta(seconds=QUARTER_S) * int(number)
        into, out = found.get(start, (0, 0))
        is_in = direction == "in"
        found[start] = (into + count * is_in, out + count * (not is_in))
    return found


def _time(value: object) -> datetime:
    found = moment(value)
    assert found is not None
    return found.astimezone(UTC)


def _names(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") if names else "none"
