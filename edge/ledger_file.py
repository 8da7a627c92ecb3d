"""The SQLite file under the ledger: opening, transactions, what to do with a bad one.

What the tables mean is the ledger's.

A file that is damaged or no database at all is set aside as `<path>.bad-N`, never deleted, and
a fresh one takes its place, with the totals of the last sound row and what waits for delivery, so
that counting goes on. A database of another program or of a newer version is refused: it is sound,
and somebody's.

    opened         the small tables and the newest events are looked at, row by row, and the
                   structure of the former
    after a crash  (a `-wal` is left) SQLite's own structure, too, unless the file is large
                   and the log itself, of which SQLite would leave out the rest without a word
    after damage   (`.suspect` is left) nothing is looked at: what was met in use is damage
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

from edge import ledger_checks
from edge.errors import LedgerError
from edge.ledger_log import LogState, judge
from edge.ledger_rescue import Rescue, rescue, restore
from edge.ledger_schema import APPLICATION, SCHEMA, STEPS
from edge.reserve import Reserve

_SHRINK = """
DELETE FROM {} WHERE id IN (SELECT id FROM {} WHERE id <
  coalesce((SELECT min(id) FROM outbox), (SELECT last_id FROM ledger)) ORDER BY id LIMIT 1000)
"""
_BUSY_S = 10.0
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SOON_LOOKED_AT = 64_000_000  # bytes of a file: a few seconds of a card, in which nobody is counted
_SQLITE_HEADER = 100  # bytes
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # the latter where an error quotes the damage
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
    db = _open_bound(path, machine, new_epoch, None)
    if db is None:
        aside = _set_aside(path)
        saved = rescue(aside)
        _tell_rescue(path, aside, saved)
        db = _open_bound(path, machine, new_epoch, saved)
    if db is None:
        raise LedgerError(f"{path}: a fresh file is damaged at once; check the disk")
    with contextlib.suppress(OSError):
        _suspect(path).unlink(missing_ok=True)
    return db


def _open_bound(
    path: Path, machine: str | None, new_epoch: Callable[[], str], saved: Rescue | None
) -> sqlite3.Connection | None:
    """Open the file, fill it with what was saved, bind it; None says that it is damaged."""
    log = _judge_log(path)  # before SQLite reads it
    db = None if log is LogState.DAMAGED else _open_checked(path)
    if db is None:
        return None
    try:
        ledger_checks.arm(db)
        with transaction(db):
            if saved is not None:
                restore(db, saved)
            _bind(db, path, machine, new_epoch, torn=log is LogState.TORN)
    except _UNREADABLE as error:
        db.close()
        _judge(path, error)
        return None
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
            recorder.executemany(
                "INSERT OR IGNORE INTO lines (name, in_total, out_total) VALUES (?, 0, 0)", names
            )
            shared = connect(path)
            ledger_checks.arm(shared)
            return recorder, shared
    except BaseException:
        recorder.close()
        raise


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any one thread at a time may use; every commit reaches the disk."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        ledger_checks.register(db)
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
    """Translate SQLite's errors into one line with the mend; damage is looked for at a restart."""
    try:
        yield
    except sqlite3.Error as error:
        if _code(error) in _DAMAGE:
            with contextlib.suppress(OSError):
                _suspect(path).touch()
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
    for table in ledger_checks.EVENTS:
        db.execute(_SHRINK.format(table, table))


def is_suspect(path: Path) -> bool:
    """Whether damage was met in the file since it was opened."""
    return _suspect(path).exists()


def _suspect(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")


def _open_checked(path: Path) -> sqlite3.Connection | None:
    """Open and look at the file; None says that it is damaged."""
    if _is_version_spoilt(path):
        _log.error("%s: is damaged: SQLite takes it for a file of a later version", path)
        return None
    if is_suspect(path):
        # No look finds all that SQLite may meet: a second one would end the next run as the last.
        _log.error("%s: is damaged, as was found while it was in use", path)
        return None
    crashed = _is_left(path) and _size(path) <= _SOON_LOOKED_AT
    try:
        db = connect(path)
    except _UNREADABLE as error:
        _judge(path, error)
        return None
    try:
        _check_schema(db, path)
        damage = ledger_checks.damage(db, structure=crashed)
    except _UNREADABLE as error:
        db.close()
        _judge(path, error)
        return None
    except LedgerError:
        db.close()
        raise
    if damage is not None:
        db.close()
        _log.error("%s: is damaged: %s", path, damage)
        return None
    return db


def _is_version_spoilt(path: Path) -> bool:
    """Whether SQLite would only read our file, at which nothing but each write would fail.

    Bytes 18 and 19 of the header are the versions that it takes to write and to read it.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_SQLITE_HEADER)
    except OSError:  # it is not there, or what opens it will tell
        return False
    ours = header[68:72] == APPLICATION.to_bytes(4, "big")
    return ours and header[18:20] not in (b"\1\1", b"\2\2")


def _judge_log(path: Path) -> LogState:
    log = path.with_name(path.name + "-wal")
    try:
        state = judge(log.read_bytes()) if _size(log) <= _SOON_LOOKED_AT else LogState.SOUND
    except OSError:  # it is not there, or what opens it will tell
        return LogState.SOUND
    if state is LogState.DAMAGED:
        _log.error("%s: is damaged: %s is not as it was written", path, log.name)
    return state


def _is_left(path: Path) -> bool:
    """Whether a write-ahead log is there, which an orderly end takes away."""
    return _size(path.with_name(path.name + "-wal")) > 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _judge(path: Path, error: Exception) -> None:
    """Return for a damaged file, raise for anything else."""
    # SQLITE_ERROR: what our tables must have is not there.
    known = (*_DAMAGE, sqlite3.SQLITE_ERROR)
    if isinstance(error, sqlite3.Error) and _code(error) not in known:
        raise _translated(path, error) from error
    _log.error("%s: is damaged or no ledger: %s", path, error)


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _bring_up(db, 0)
    elif _is_of_this_version(db):
        _stamp(db)  # a flipped bit in the header would make the file look like somebody's
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise LedgerError(f"{path}: is the database of another program; set ledger.path elsewhere")
    (schema,) = db.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise LedgerError(
            f"{path}: has schema {schema}, this version knows {SCHEMA}; "
            "install the newer version again or move the file away"
        )
    if db.execute("SELECT count(*) FROM ledger").fetchone()[0] != 1:
        raise ledger_checks.damaged("it has no totals")
    if schema < SCHEMA:
        _log.info("%s: is brought from schema %d to %d", path, schema, SCHEMA)
        _bring_up(db, schema)


def _bring_up(db: sqlite3.Connection, schema: int) -> None:
    """Make the file's tables those of this version: all in one transaction, or as they were."""
    with transaction(db):
        for step in STEPS[schema:]:
            for statement in step:
                db.execute(statement)
        _stamp(db)


def _stamp(db: sqlite3.Connection) -> None:
    stamp = {"application_id": APPLICATION, "user_version": SCHEMA}
    for name, value in stamp.items():
        if db.execute(f"PRAGMA {name}").fetchone()[0] != value:
            db.execute(f"PRAGMA {name} = {value}")


def _is_of_this_version(db: sqlite3.Connection) -> bool:
    """Whether the totals say so under their checksum, whatever the header says."""
    try:
        found = db.execute(
            f"SELECT 1 FROM ledger WHERE schema = {SCHEMA} AND {ledger_checks.sound('ledger')}"  # noqa: S608
        ).fetchone()
    except sqlite3.OperationalError:  # no such table, no such column
        return False
    return found is not None


def _bind(
    db: sqlite3.Connection,
    path: Path,
    machine: str | None,
    new_epoch: Callable[[], str],
    *,
    torn: bool,
) -> None:
    epoch, bound = db.execute("SELECT epoch, machine FROM ledger").fetchone()
    moved = bool(epoch and bound and machine and bound != machine)
    if moved:
        _log.warning("%s: comes from another machine: a new epoch begins, totals go on", path)
    if torn:  # what was in it may have been told to the world, under a seq that comes again
        _log.warning(
            "%s: its last commit is not whole, as after a power cut: a new epoch begins, totals go "
            "on without it",
            path,
        )
    if moved or torn or not epoch:
        db.execute("UPDATE ledger SET epoch = ?, seq = 0", (new_epoch(),))
    if machine and machine != bound:
        db.execute("UPDATE ledger SET machine = ?", (machine,))


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.bad-{number}")).exists():
        number += 1
    try:
        _suspect(path).unlink(missing_ok=True)
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise LedgerError(
            f"{path}: is damaged and cannot be set aside: {error.strerror}; move it away"
        ) from error
    return aside


def _tell_rescue(path: Path, aside: Path, saved: Rescue | None) -> None:
    if saved is None:
        _log.error(
            "%s: set aside as %s; counting begins anew at zero; keep that file, or delete it",
            path,
            aside.name,
        )
        return
    _log.error(
        "%s: set aside as %s; totals go on from in %d, out %d, in a new epoch, and %d events still "
        "wait for delivery; keep that file, or delete it",
        path,
        aside.name,
        saved.totals["in_total"],
        saved.totals["out_total"],
        saved.waiting,
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
