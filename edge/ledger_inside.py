"""How many are inside, in the ledger's file, and the commands that change it.

Occupancy is in - out + `inside`. A counter that misses somebody now and then drifts, so a person
can set it, and a night can begin at which nobody is inside; totals stay as they are. `inside_day`
is the day for which that holds: a later one begins at 0, an earlier one is a clock that was put
back. Each function works within a transaction of its caller's.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

from edge.contract.commands import Command, CommandResult

_KEPT = 1000  # answers; a sender asks again within minutes, not after so many others


def now(db: sqlite3.Connection, today: str | None) -> int:
    """How many are inside; never below 0. `today` is None where nothing is reset at night."""
    inside, day = db.execute(
        "SELECT in_total - out_total + inside, inside_day FROM ledger"
    ).fetchone()
    over = today is not None and day is not None and today > day
    return 0 if over else max(0, int(inside))


def begin_day(db: sqlite3.Connection, today: str | None) -> None:
    """Empty the place if a night has begun since somebody was counted last."""
    if today is None:
        return
    (day,) = db.execute("SELECT inside_day FROM ledger").fetchone()
    if day is not None and today > day:
        set_to(db, 0, today)
    elif day != today:  # the first day, or a clock that was put back
        db.execute("UPDATE ledger SET inside_day = ?", (today,))


def set_to(db: sqlite3.Connection, people: int, today: str | None) -> None:
    """So many are inside now."""
    db.execute(
        "UPDATE ledger SET inside = ? - (in_total - out_total),"
        " inside_day = coalesce(?, inside_day)",
        (people, today),
    )


def answered(db: sqlite3.Connection, command_id: str) -> CommandResult | None:
    """What was answered to a command of this id, if there was one."""
    row = db.execute("SELECT answer FROM commands WHERE id = ?", (command_id,)).fetchone()
    return replace(CommandResult.from_json(row[0]), repeated=True) if row else None


def answer(db: sqlite3.Connection, command: Command, utc: datetime) -> CommandResult:
    """Keep that a command was done, and say so."""
    done = CommandResult(command.name, command.id, ok=True, error=None, ts=utc)
    db.execute(
        "INSERT INTO commands (id, name, answer) VALUES (?, ?, ?)",
        (command.id, command.name, done.to_json()),
    )
    db.execute(
        "DELETE FROM commands WHERE rowid <= (SELECT max(rowid) FROM commands) - ?", (_KEPT,)
    )
    return done
