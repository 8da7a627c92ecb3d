"""The times of crossings that were counted while nobody had set the clock right.

    wall clock   12:00        12:05 | 17:05 | 17:06      it is synchronised at the bar
    monotonic      100          400 | 400     460
    shift        11:58        11:58 | 16:58              wall - monotonic: late by 5 hours

Seconds of the monotonic clock are right within one boot. So a crossing keeps the shift between the
two clocks at its writing, and once the wall's is right, what the shift has grown by since is added.
Order is that of the ids, before and after.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from edge.contract.messages import format_utc, parse_utc

BATCH = 1000  # rows in one transaction, so that counting never waits long


def fill_in(db: sqlite3.Connection, boot: str, shift: float) -> bool:
    """Reckon times of this boot again, within a transaction; whether there may be more of them.

    Args:
        db: within a transaction.
        boot: whose crossings they are.
        shift: seconds from the monotonic clock to the wall's, which is right now.
    """
    rows = db.execute(
        "SELECT id, ts, shift FROM crossings WHERE boot = ? AND synced = 0 AND shift IS NOT NULL"
        " LIMIT ?",
        (boot, BATCH),
    ).fetchall()
    for number, ts, before in rows:
        right = parse_utc(ts) + timedelta(seconds=shift - before)
        db.execute(
            "UPDATE crossings SET ts = ?, ts_source = 'backfilled', synced = 1 WHERE id = ?",
            (format_utc(right), number),
        )
    return len(rows) == BATCH
