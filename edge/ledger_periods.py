"""Periods in the ledger's file: what is open, and how it becomes buckets and gaps.

    crossing --> quarter --+--> bucket        a quarter is open while it lasts, and a moment longer
                           |
                           +--> hour --> bucket

A crossing belongs to the quarter of its own time. If that is told already, or the clock is not
set, it belongs to the first one that is not: nothing is counted in no bucket. Quarters of which
nothing was kept are a gap. Each function works within a transaction of its caller's.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import pairwise

from edge.contract.messages import format_utc, parse_utc
from edge.contract.quality import Quality
from edge.ledger_checks import columns
from edge.periods import HOUR_S, QUARTER_S, Period, hour_of, quarter_of

_CLOCKLESS = ""  # start of the row of what was counted while the clock was not set
_ADD = """
INSERT INTO periods (seconds, start, end, in_count, out_count, figures)
  VALUES (:seconds, :start, :end, :in_count, :out_count, :figures)
ON CONFLICT (seconds, start) DO UPDATE SET in_count = in_count + excluded.in_count,
  out_count = out_count + excluded.out_count
"""
_INSERT = "INSERT INTO {} ({}) VALUES ({})"
_HEAD = "UPDATE ledger SET seq = seq + 1, last_id = last_id + 1 RETURNING last_id, epoch, seq"


@dataclass(frozen=True, slots=True)
class Turn:
    """A moment at which all periods but those that it lies in are told.

    `quarter` is the one that it is, `ts` the wall clock, `zone` the wall's (None: the machine's),
    `reason` why quarters may be missing.
    """

    quarter: Period
    ts: datetime
    zone: tzinfo | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Open:
    """A row of `periods`."""

    seconds: int
    period: Period
    counts: tuple[int, int]  # in, out
    quality: Quality


def add_crossing(
    db: sqlite3.Connection, ts: datetime | None, step: tuple[int, int], told_until: str | None
) -> None:
    """Count a crossing in its quarter.

    Args:
        db: within a transaction.
        ts: its time; None where the clock is not set.
        step: in, out.
        told_until: up to when buckets and gaps are told, None before the first.
    """
    if ts is None:
        period, start = None, _CLOCKLESS
    else:
        first = parse_utc(told_until) if told_until else ts
        period = quarter_of(max(ts, first))
        start = format_utc(period.start)
    _add(db, QUARTER_S, start, format_utc(period.end) if period else "", step)


def keep(db: sqlite3.Connection, quarter: Period, quality: Quality) -> None:
    """Keep the figures of a quarter so far, instead of those before."""
    start, end = format_utc(quarter.start), format_utc(quarter.end)
    _add(db, QUARTER_S, start, end, (0, 0))
    db.execute(
        "UPDATE periods SET figures = ? WHERE seconds = ? AND start = ?",
        (json.dumps(quality.figures()), QUARTER_S, start),
    )


def kept(db: sqlite3.Connection, quarter: Period) -> Quality:
    """The figures of a quarter that were kept; none where nothing was."""
    row = db.execute(
        "SELECT figures FROM periods WHERE seconds = ? AND start = ?",
        (QUARTER_S, format_utc(quarter.start)),
    ).fetchone()
    return Quality.from_json(json.loads(row[0])) if row else Quality()


def turn(db: sqlite3.Connection, now: Turn) -> int:
    """Tell of all that is over; returns how many events that made."""
    before = db.execute("SELECT last_id FROM ledger").fetchone()[0]
    (told,) = db.execute("SELECT told_until FROM ledger").fetchone()
    until = parse_utc(told) if told else None
    over = [each for each in _open(db, QUARTER_S) if each.period != now.quarter]
    starts = [*(each.period.start for each in over), now.quarter.start]
    for quarter, (start, following) in zip(over, pairwise(starts), strict=True):
        _tell_gap(db, now, until, start)
        _tell_quarter(db, now, quarter)
        _tell_hours(db, now, following)
        until = quarter.period.end
    _tell_hours(db, now, now.quarter.start)
    _tell_gap(db, now, until, now.quarter.start)
    db.execute("UPDATE ledger SET told_until = ?", (format_utc(now.quarter.start),))
    _give_clockless(db, now.quarter)
    return int(db.execute("SELECT last_id FROM ledger").fetchone()[0]) - int(before)


def _tell_quarter(db: sqlite3.Connection, now: Turn, quarter: _Open) -> None:
    """A bucket, which its hour takes in."""
    _tell_bucket(db, now, quarter)
    hour = hour_of(quarter.period.start, now.zone)
    start, end = format_utc(hour.start), format_utc(hour.end)
    _add(db, HOUR_S, start, end, quarter.counts)
    (figures,) = db.execute(
        "SELECT figures FROM periods WHERE seconds = ? AND start = ?", (HOUR_S, start)
    ).fetchone()
    total = Quality.from_json(json.loads(figures)) + _whole(quarter)
    db.execute(
        "UPDATE periods SET figures = ? WHERE seconds = ? AND start = ?",
        (json.dumps(total.figures()), HOUR_S, start),
    )


def _tell_hours(db: sqlite3.Connection, now: Turn, following: datetime) -> None:
    """Buckets of all hours but the one in which counting goes on."""
    hour = hour_of(following, now.zone)
    for each in _open(db, HOUR_S):
        if each.period != hour:
            _tell_bucket(db, now, each)


def _tell_bucket(db: sqlite3.Connection, now: Turn, over: _Open) -> None:
    start, end = format_utc(over.period.start), format_utc(over.period.end)
    tz = _name(now.zone, over.period.start)
    figures = json.dumps(_whole(over).figures())
    _tell(db, "buckets", now, (over.seconds, start, end, tz, *over.counts, figures))
    db.execute("DELETE FROM periods WHERE seconds = ? AND start = ?", (over.seconds, start))


def _tell_gap(db: sqlite3.Connection, now: Turn, start: datetime | None, end: datetime) -> None:
    if start is not None and start < end:
        _tell(db, "gaps", now, (format_utc(start), format_utc(end), now.reason))


def _tell(db: sqlite3.Connection, table: str, now: Turn, values: tuple[object, ...]) -> None:
    """An event and its place in the outbox."""
    (head,) = db.execute(_HEAD).fetchall()
    row = (*head, format_utc(now.ts), "ledger", *values)
    named = ", ".join(columns(table))
    db.execute(_INSERT.format(table, named, ", ".join("?" * len(row))), row)
    db.execute("INSERT INTO outbox (id, epoch, seq) VALUES (?, ?, ?)", head)


def _give_clockless(db: sqlite3.Connection, quarter: Period) -> None:
    rows = db.execute(
        "DELETE FROM periods WHERE start = ? RETURNING in_count, out_count", (_CLOCKLESS,)
    ).fetchall()
    for counts in rows:
        start, end = format_utc(quarter.start), format_utc(quarter.end)
        _add(db, QUARTER_S, start, end, counts)


def _add(
    db: sqlite3.Connection, seconds: int, start: str, end: str, counts: tuple[int, int]
) -> None:
    row = {"seconds": seconds, "start": start, "end": end, "figures": "{}"}
    db.execute(_ADD, {**row, "in_count": counts[0], "out_count": counts[1]})


def _open(db: sqlite3.Connection, seconds: int) -> list[_Open]:
    rows = db.execute(
        "SELECT start, end, in_count, out_count, figures FROM periods"
        " WHERE seconds = ? AND start != ? ORDER BY start",
        (seconds, _CLOCKLESS),
    ).fetchall()
    return [
        _Open(
            seconds,
            Period(parse_utc(start), parse_utc(end)),
            (went_in, went_out),
            Quality.from_json(json.loads(figures)),
        )
        for start, end, went_in, went_out, figures in rows
    ]


def _whole(over: _Open) -> Quality:
    """The figures of the whole period, of which no more than all was counted.

    More was where counting began before the clock was set.
    """
    whole = over.period.seconds
    return replace(over.quality, seconds=whole, counted_s=min(over.quality.counted_s, whole))


def _name(zone: tzinfo | None, moment: datetime) -> str:
    key = getattr(zone, "key", None)
    return str(key) if key else moment.astimezone(zone).isoformat()[-6:]
