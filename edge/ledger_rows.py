"""What waits in the ledger for delivery: crossings, buckets and gaps, in the order of their ids.

A row that is not as it was written is never delivered: it is an error, which the next start mends.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge import ledger_checks
from edge.contract.messages import parse_utc
from edge.contract.quality import Quality


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A crossing, with the totals that include it."""

    id: int
    epoch: str
    seq: int
    line: str
    direction: str
    ts: datetime
    ts_source: str  # frame, ledger, unset, backfilled
    track_s: float
    confidence: float
    in_total: int
    out_total: int
    synced: bool  # whether the clock was synchronised, or the time was filled in when it was


@dataclass(frozen=True, slots=True)
class BucketRow:
    """What was counted in a period that is over."""

    id: int
    epoch: str
    seq: int
    ts: datetime
    ts_source: str  # ledger: the time of writing
    period: int  # 900 or 3600, seconds
    start: datetime
    end: datetime
    tz: str
    in_count: int
    out_count: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class GapRow:
    """Whole quarters of which nothing is known."""

    id: int
    epoch: str
    seq: int
    ts: datetime
    ts_source: str  # ledger: the time of writing
    start: datetime
    end: datetime
    reason: str  # off, clock


EventRow = OutboxRow | BucketRow | GapRow

_WAITING = "SELECT {columns} FROM outbox JOIN {table} USING (id) WHERE id BETWEEN ? AND ?"
# What the rows of each table are, and the columns that hold their fields after id, epoch and seq.
_KINDS: dict[str, tuple[Callable[..., EventRow], str]] = {
    "crossings": (
        OutboxRow,
        "line direction ts ts_source track_s confidence in_total out_total synced",
    ),
    "buckets": (BucketRow, "ts ts_source seconds start end tz in_count out_count figures"),
    "gaps": (GapRow, "ts ts_source start end reason"),
}
_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("ts", "start", "end"), parse_utc),
    "figures": lambda text: Quality.from_json(json.loads(text)),
    "synced": bool,
}


def waiting(db: sqlite3.Connection, limit: int, after: int) -> tuple[EventRow, ...]:
    """The oldest events that wait, at most `limit`, with an id above `after`.

    Raises:
        sqlite3.DatabaseError: one of them is damaged.
    """
    ids = db.execute(
        "SELECT id FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()
    if not ids:
        return ()
    bounds = ids[0][0], ids[-1][0]
    rows = [row for table in _KINDS for row in _of_table(db, table, bounds)]
    return tuple(sorted(rows, key=lambda row: row.id))


def _of_table(db: sqlite3.Connection, table: str, bounds: tuple[int, int]) -> Iterator[EventRow]:
    kind, listed = _KINDS[table]
    names = ["id", "epoch", "seq", *listed.split()]
    columns = ", ".join([*(f"{table}.{name}" for name in names), ledger_checks.sound(table)])
    for *row, sound in db.execute(_WAITING.format(columns=columns, table=table), bounds):
        if not sound:
            raise ledger_checks.damaged(f"event {row[0]} is not as it was written")
        yield kind(
            *(_READ.get(name, _as_it_is)(value) for name, value in zip(names, row, strict=True))
        )


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - a column of SQLite
    return value
