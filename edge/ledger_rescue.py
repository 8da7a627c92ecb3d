"""What can be had from a damaged ledger: totals, what waits for delivery, and little else.

A row is believed if its checksum is right, and no other. Totals come from the ledger's own row, or
from the last crossing that is sound, for each carries the totals with it. Events that wait are
taken over with their epoch and seq, so that a store which has one already knows it again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from edge import ledger_checks
from edge.ledger_checks import EVENTS, NEWEST, columns, sound
from edge.ledger_log import LogState, judge, mended
from edge.ledger_schema import STEPS

Row = tuple[Any, ...]

_PAGE = 4096  # bytes, of every file that this program makes
_COPIED = ("lines", "days", "periods", "commands")  # what belongs to the totals, row by row
_TOTALS = ("in_total", "out_total", "last_id", "told_until", "inside", "inside_day")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rescue:
    """What is sound in a damaged file. `totals` are the columns of the row of `ledger`."""

    totals: dict[str, Any]
    rows: dict[str, list[Row]] = field(default_factory=dict)  # table -> rows, without checksum

    @property
    def waiting(self) -> int:
        """How many events wait for delivery."""
        return len(self.rows.get("outbox", ()))


def rescue(path: Path) -> Rescue | None:
    """Read what is sound from a file, which is left as it is.

    None where there are no totals to go on from, as in one of a version without checksums.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            return _best(_readings(path, Path(folder)))
    except OSError as error:
        _log.warning("%s: nothing can be read from it: %s", path, error)
        return None


def _readings(path: Path, folder: Path) -> Iterator[Rescue | None]:
    """What can be had from the file as it is, and as it may have been meant."""
    found = _read_out(path)
    yield found
    log = _content(path.with_name(path.name + "-wal"))
    if judge(log) is not LogState.SOUND:
        # A bit may have flipped in a page, which is worth having, or in what says which one it is.
        for drop in (False, True):
            yield _read_out(_copied(path, folder, mended(log, drop=drop)))
    elif found is None:
        yield _read_out(_with_fresh_tables(_copied(path, folder, log), folder))


def _best(readings: Iterable[Rescue | None]) -> Rescue | None:
    """The one that goes on from the latest moment, and that has most of it."""
    found = [each for each in readings if each is not None]
    return max(found, key=lambda each: (each.totals["last_id"], each.waiting), default=None)


def _copied(path: Path, folder: Path, log: bytes) -> Path:
    copy = folder / "copy.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(path, copy)
    if log:
        Path(f"{copy}-wal").write_bytes(log)
    return copy


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _read_out(path: Path) -> Rescue | None:
    try:
        # For reading alone; what the write-ahead log holds is read with it.
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as db:
            ledger_checks.register(db)
            totals = _totals(db)
            return None if totals is None else Rescue(totals, _rows(db))
    except sqlite3.Error as error:
        _log.warning("%s: cannot be read: %s", path, error)
        return None


def _with_fresh_tables(copy: Path, folder: Path) -> Path:
    """A copy, of which the pages that tell of the tables become those of a new file.

    In a file that this version has made, all tables begin where they do in a new one. In any other
    nothing sound is found there, and nothing is believed.
    """
    fresh = folder / "fresh.db"
    begins = _make_fresh(fresh)
    new = fresh.read_bytes()
    with copy.open("r+b") as file:
        pages = file.seek(0, os.SEEK_END) // _PAGE
        for number in range(1, min(pages, len(new) // _PAGE) + 1):
            if number not in begins:
                file.seek((number - 1) * _PAGE)
                file.write(new[(number - 1) * _PAGE : number * _PAGE])
        file.seek(28)
        file.write(pages.to_bytes(4, "big") + bytes(8))  # pages of the file, none of them free
    return copy


def _make_fresh(path: Path) -> set[int]:
    """Make a new file; the pages at which its tables and indexes begin."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        ledger_checks.register(db)
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        for step in STEPS:
            for statement in step:
                db.execute(statement)
        return {int(row[0]) for row in db.execute("SELECT rootpage FROM sqlite_master")}


def restore(db: sqlite3.Connection, saved: Rescue) -> None:
    """Write what was saved into a fresh file, within a transaction of the caller's."""
    put = ", ".join(f"{name} = ?" for name in _TOTALS)
    db.execute(f"UPDATE ledger SET {put}", [saved.totals[name] for name in _TOTALS])  # noqa: S608
    for table, rows in saved.rows.items():
        names = columns(table)
        marks = ", ".join("?" * len(names))
        db.executemany(
            f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
            rows,
        )


def _totals(db: sqlite3.Connection) -> dict[str, Any] | None:
    """Those of the ledger's own row, or of the last crossing, whichever is of the later moment."""
    own = next(
        (
            dict(zip(_TOTALS, row, strict=True))
            for row in _read(db, f"SELECT {', '.join(_TOTALS)} FROM ledger WHERE {sound('ledger')}")  # noqa: S608
        ),
        None,
    )
    last = max(_last_crossings(db), default=None)
    if last is None or (own is not None and own["last_id"] >= last[0]):
        return own
    number, in_total, out_total = last
    if own is not None:
        return {**own, "last_id": number, "in_total": in_total, "out_total": out_total}
    # What else the row of the ledger held is lost: nobody is inside, and no quarter was told of.
    values = (in_total, out_total, number, None, out_total - in_total, None)
    return dict(zip(_TOTALS, values, strict=True))


def _last_crossings(db: sqlite3.Connection) -> Iterator[tuple[int, int, int]]:
    """Id and totals of sound crossings, the last among them; read from either end."""
    query = f"SELECT id, in_total, out_total FROM crossings WHERE {sound('crossings')} ORDER BY id"  # noqa: S608
    yield from _read(db, f"{query} DESC LIMIT 1")
    yield from _read(db, query)


def _rows(db: sqlite3.Connection) -> dict[str, list[Row]]:
    rows = {table: list(_sound_rows(db, table)) for table in _COPIED}
    # Where the outbox is damaged, too, all that may wait is sent: a store knows what it has.
    waits = {row[0] for row in _sound_rows(db, "outbox")} if _is_whole(db, "outbox") else None
    for table in EVENTS:
        rows[table] = _events(db, table, waits)
    rows["outbox"] = [row[:3] for table in EVENTS for row in rows[table]]
    return rows


def _events(db: sqlite3.Connection, table: str, waits: set[Any] | None) -> list[Row]:
    """Those that wait, or the latest where that is not known; read from either end."""
    latest = _sound_rows(db, table, f"ORDER BY id DESC LIMIT {NEWEST}")
    wanted = (
        row for row in chain(_sound_rows(db, table), latest) if waits is None or row[0] in waits
    )
    kept = deque(wanted, maxlen=2 * NEWEST if waits is None else None)
    return list({row[0]: row for row in kept}.values())


def _is_whole(db: sqlite3.Connection, table: str) -> bool:
    query = f"SELECT count(*) FROM {table} WHERE NOT {sound(table)}"  # noqa: S608
    return list(_read(db, query)) == [(0,)]


def _sound_rows(db: sqlite3.Connection, table: str, order: str = "ORDER BY 1") -> Iterator[Row]:
    named = ", ".join(columns(table))
    return _read(db, f"SELECT {named} FROM {table} WHERE {sound(table)} {order}")  # noqa: S608


def _read(db: sqlite3.Connection, query: str) -> Iterator[Row]:
    """The rows up to where the file cannot be read any further."""
    try:
        yield from db.execute(query)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        return
