"""A store in an SQLite file: one collector, every commit on the disk before it is told."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from edge.collector import schema
from edge.collector.database import Row
from edge.contract.messages import format_utc
from edge.errors import StoreError, WorldError

_APPLICATION = 0x68637374  # "hcst": tells our files from those of other programs
_BUSY_S = 5.0
_PASSES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT)


class SqliteDatabase:
    """An open file. `open` makes it where there is none."""

    shared = False
    for_update = ""
    quarter_number = "CAST(strftime('%s', ts) AS INTEGER) / 900"

    def __init__(self, path: Path, db: sqlite3.Connection, lock: int | None) -> None:
        self._path, self._db, self._lock = path, db, lock

    @classmethod
    def open(cls, name: str, *, only_read: bool = False) -> SqliteDatabase:
        """Open a file.

        Raises:
            WorldError: it is another program's, another collector's, or not to be written.
            StoreError: it cannot be read or written now.
        """
        path = Path(name).absolute()
        if only_read and not path.is_file():
            raise WorldError(f"store {path}: no such file; see --store of `headcount collect`")
        with contextlib.ExitStack() as undo:
            lock = None if only_read else _take_lock(path)
            if lock is not None:
                undo.callback(os.close, lock)
            with _told(path):
                db = _connect(path)
                undo.callback(db.close)
                _bring_up(db, path, only_read=only_read)
            undo.pop_all()
        return cls(path, db, lock)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all within a `with` block one whole."""
        with _told(self._path), _whole(self._db):
            yield

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a statement."""
        with _told(self._path):
            return self._db.execute(sql, _plain(values)).fetchall()

    def run(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement with each row."""
        with _told(self._path):
            return self._db.executemany(sql, map(_plain, rows)).rowcount

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if self._lock is not None:
            os.close(self._lock)


def _take_lock(path: Path) -> int:
    """Keep a second collector out: each would acknowledge what the other has not seen."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        kind = StoreError if error.errno in _PASSES else WorldError
        raise kind(f"store {path}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise WorldError(
            f"store {path}: another collector has it; several need PostgreSQL"
        ) from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    # Opened by one thread, used by another, never by two at once.
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        # FULL, because NORMAL may lose the last commits at a power cut.
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def _bring_up(db: sqlite3.Connection, path: Path, *, only_read: bool) -> None:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not only_read:
        with _whole(db):
            for statement in schema.statements(
                key="INTEGER PRIMARY KEY", time="TEXT", end=" WITHOUT ROWID"
            ):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise WorldError(f"store {path}: is no store of a collector; name another file")
    (found,) = db.execute("SELECT schema FROM headcount_store").fetchone()
    if found != schema.SCHEMA:
        raise WorldError(
            f"store {path}: has schema {found}, this version knows {schema.SCHEMA}; "
            "install the newer version again"
        )


@contextlib.contextmanager
def _whole(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has undone it already
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"store {path}: {error}") from error


def _plain(values: Sequence[object]) -> list[object]:
    return [format_utc(each) if isinstance(each, datetime) else each for each in values]
