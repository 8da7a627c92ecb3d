"""The SQLite file under the ledger: schema, opening, transactions, what to do with a bad one.

What the tables mean is the ledger's.

A file that is damaged or no database at all is set aside as `<path>.bad-N`, never deleted, and
a fresh one takes its place, so that counting goes on. A database of another program or of a
newer version is refused: it is sound, and somebody's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from edge.errors import LedgerError
from edge.reserve import Reserve

_APPLICATION = 0x68636E74  # "hcnt": tells our files from those of other programs
_CROSSINGS = """
CREATE TABLE ledger (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch TEXT NOT NULL, machine TEXT, seq INTEGER NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL);
CREATE TABLE lines (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE days (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE crossings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  line TEXT NOT NULL, direction TEXT NOT NULL, ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  monotonic REAL NOT NULL, boot TEXT NOT NULL, frame INTEGER NOT NULL, track INTEGER NOT NULL,
  track_s REAL NOT NULL, confidence REAL NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL, UNIQUE (epoch, seq));
CREATE TABLE outbox (id INTEGER PRIMARY KEY REFERENCES crossings (id));
INSERT INTO ledger VALUES (1, '', NULL, 0, 0, 0);
"""
# The ledger's row gives out ids for events of all types; the table that has it tells the type.
_PERIODS = """
ALTER TABLE ledger ADD COLUMN last_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN told_until TEXT;
UPDATE ledger SET last_id = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'crossings'), 0);
ALTER TABLE outbox RENAME TO old_outbox;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL, UNIQUE (epoch, seq));
INSERT INTO outbox SELECT id, epoch, seq FROM old_outbox JOIN crossings USING (id);
DROP TABLE old_outbox;
CREATE TABLE periods (
  seconds INTEGER NOT NULL, start TEXT NOT NULL, end TEXT NOT NULL,
  in_count INTEGER NOT NULL, out_count INTEGER NOT NULL, figures TEXT NOT NULL,
  PRIMARY KEY (seconds, start)) WITHOUT ROWID;
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  seconds INTEGER NOT NULL, start TEXT NOT NULL, end TEXT NOT NULL, tz TEXT NOT NULL,
  in_count INTEGER NOT NULL, out_count INTEGER NOT NULL, figures TEXT NOT NULL);
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  start TEXT NOT NULL, end TEXT NOT NULL, reason TEXT NOT NULL);
"""
_STEPS = (_CROSSINGS, _PERIODS)  # each brings a file from one schema to the next
SCHEMA = len(_STEPS)
_SHRINK = """
DELETE FROM {} WHERE id IN (SELECT id FROM {} WHERE id <
  coalesce((SELECT min(id) FROM outbox), (SELECT last_id FROM ledger)) ORDER BY id LIMIT 1000)
"""
_EVENTS = ("crossings", "buckets", "gaps")  # tables whose rows are sent

_BUSY_S = 10.0
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MENDS = {
    sqlite3.SQLITE_FULL: "free some space on the disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make its folder exist and be writable for this user",
    sqlite3.SQLITE_IOERR: "check the disk, its space and its cable or card",
    sqlite3.SQLITE_BUSY: "end the other program that holds the file",
}
_READ_ONLY = (
    "its file system is read-only, as it is after a fault of the disk or card; look at dmesg, then "
    "reboot, which checks it; replace a card that does this again"
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


def open_sound(path: Path, machine: str | None, new_epoch: Callable[[], str]) -> sqlite3.Connection:
    """Open the file, made when missing, with an epoch that is bound to `machine`.

    Raises:
        LedgerError: it cannot be opened, or is not ours to open.
    """
    db = _open_checked(path)
    if db is None:
        _set_aside(path)
        db = _open_checked(path)
    if db is None:
        raise LedgerError(f"{path}: a fresh file is damaged at once; check the disk")
    try:
        with told(path), transaction(db):
            _bind(db, path, machine, new_epoch)
    except BaseException:
        db.close()
        raise
    return db


def connect_twice(
    path: Path, lines: Iterable[str], machine: str | None, new_epoch: Callable[[], str]
) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Two connections: one to record, and one for all else.

    Args:
        path: of the file, made when missing.
        lines: begin with zero totals where they are new.
        machine, new_epoch: as for `open_sound`.

    Raises:
        LedgerError: it cannot be opened, or is not ours to open.
    """
    recorder = open_sound(path, machine, new_epoch)
    try:
        with told(path):
            names = [(name,) for name in lines]
            recorder.executemany("INSERT OR IGNORE INTO lines VALUES (?, 0, 0)", names)
            return recorder, connect(path)
    except BaseException:
        recorder.close()
        raise


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any one thread at a time may use; every commit reaches the disk."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        # FULL, because NORMAL may lose the last commits at a power cut.
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, mode: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """All or nothing; mode DEFERRED for reading what belongs to one moment."""
    db.execute(f"BEGIN {mode}")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.rollback()
        raise


def lasting(reserve: Reserve, write: Callable[[], T]) -> T:
    """Do what writes. If the disk is full the reserve is given up for it, and it is done once more.

    Args:
        reserve: the ledger's.
        write: a transaction, of which nothing is left where it fails.
    """
    try:
        return write()
    except (sqlite3.Error, LedgerError) as error:
        # A log or an index that cannot grow is not always told as a full disk.
        if _code(error) != sqlite3.SQLITE_FULL and not reserve.would_help():
            raise
    reserve.give_up()
    return write()


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Translate SQLite's errors into one line with the mend."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error


def take_lock(path: Path) -> int:
    """Lock the ledger for this process, making its folder; closing the result frees it.

    Raises:
        LedgerError: another process holds it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        mend = "make its folder writable for this user or set ledger.path"
        if error.errno == errno.EROFS:
            mend = _READ_ONLY
        if error.errno == errno.ENOSPC:
            mend = _MENDS[sqlite3.SQLITE_FULL]
        raise LedgerError(f"{path}: cannot be written: {error.strerror}; {mend}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LedgerError(f"{path}: another headcount counts into it; end that one") from error
    return lock


def shrink(db: sqlite3.Connection, max_mb: float) -> None:
    """Drop a thousand delivered events of a type, the oldest, when the file is above `max_mb`.

    Their pages are used again, so the file stops growing. Rows that wait are never touched.
    """
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size <= max_mb * 1e6:
        return
    for table in _EVENTS:
        db.execute(_SHRINK.format(table, table))


def _open_checked(path: Path) -> sqlite3.Connection | None:
    """Open and look at the file; None says that it is damaged."""
    try:
        db = connect(path)
    except sqlite3.Error as error:
        _judge(path, error)
        return None
    try:
        _check_schema(db, path)
    except sqlite3.Error as error:
        db.close()
        _judge(path, error)
        return None
    except LedgerError:
        db.close()
        raise
    return db


def _judge(path: Path, error: sqlite3.Error) -> None:
    """Return for a damaged file, raise for anything else."""
    if _code(error) not in _DAMAGE:
        raise _translated(path, error) from error
    _log.error("%s: is damaged or no ledger: %s", path, error)


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _bring_up(db, 0)
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise LedgerError(f"{path}: is the database of another program; set ledger.path elsewhere")
    (schema,) = db.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise LedgerError(
            f"{path}: has schema {schema}, this version knows {SCHEMA}; "
            "install the newer version again or move the file away"
        )
    if db.execute("SELECT count(*) FROM ledger").fetchone()[0] != 1:
        raise LedgerError(f"{path}: has no totals; move the file away")
    if schema < SCHEMA:
        _log.info("%s: is brought from schema %d to %d", path, schema, SCHEMA)
        _bring_up(db, schema)


def _bring_up(db: sqlite3.Connection, schema: int) -> None:
    """Make the file's tables those of this version: all in one transaction, or as they were."""
    with transaction(db):
        for step in _STEPS[schema:]:
            for statement in step.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {SCHEMA}")


def _bind(
    db: sqlite3.Connection, path: Path, machine: str | None, new_epoch: Callable[[], str]
) -> None:
    epoch, bound = db.execute("SELECT epoch, machine FROM ledger").fetchone()
    moved = bool(epoch and bound and machine and bound != machine)
    if moved:
        _log.warning("%s: comes from another machine: a new epoch begins, totals go on", path)
    if moved or not epoch:
        db.execute("UPDATE ledger SET epoch = ?, seq = 0", (new_epoch(),))
    if machine and machine != bound:
        db.execute("UPDATE ledger SET machine = ?", (machine,))


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.bad-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise LedgerError(
            f"{path}: is damaged and cannot be set aside: {error.strerror}; move it away"
        ) from error
    _log.error(
        "%s: set aside as %s; counting begins anew at zero; keep that file, or delete it",
        path,
        aside.name,
    )


def _translated(path: Path, error: sqlite3.Error) -> LedgerError:
    mend = _MENDS.get(_code(error), "move the file away if this stays")
    if _is_read_only(path.parent):
        mend = _READ_ONLY
    return LedgerError(f"{path}: counts cannot be read or written: {error}; {mend}")


def _is_read_only(folder: Path) -> bool:
    """Asked by trying: one that a fault has made read-only is not always said to be."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits tell details
