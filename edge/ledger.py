"""The truth: every crossing, the totals and the outbox.

One transaction writes a crossing, the totals that include it and its place in the outbox, and
is on the disk when `record` returns. A crossing leaves the outbox only by `acknowledge`. Above
`max_mb` the oldest delivered crossings are dropped, never one that waits, and never by the
clock. Sending is left to the publisher, the file itself to `ledger_file`.

    epoch   32 random hex digits, made with the file; a file that wakes up on another machine
            gets a new one, and its totals go on
    seq     1, 2, 3 ... within an epoch
    id      1, 2, 3 ... within a file: the order of the outbox, also across epochs

One thread records; all other threads share a second connection, so that reading and freeing
hold up a crossing for no longer than a commit.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from edge import clock, ledger_file
from edge.clock import LocalDay
from edge.contract.messages import format_utc, parse_utc
from edge.identity import boot_identity, machine_identity
from edge.reserve import Reserve
from edge.types import CountState, Crossing, Direction, LineTotals

_INSERT = """
INSERT INTO crossings (epoch, seq, line, direction, ts, ts_source, monotonic, boot, frame, track,
  track_s, confidence, in_total, out_total)
VALUES (:epoch, :seq, :line, :direction, :ts, :ts_source, :monotonic, :boot, :frame, :track,
  :track_s, :confidence, :in_total, :out_total)
"""
_ADD = """
INSERT INTO {} (name, in_total, out_total) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
  in_total = in_total + excluded.in_total, out_total = out_total + excluded.out_total
"""
_ADD_TO_LINE, _ADD_TO_DAY = _ADD.format("lines"), _ADD.format("days")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A crossing that waits for delivery, with the totals that include it."""

    id: int
    epoch: str
    seq: int
    line: str
    direction: str
    ts: datetime
    ts_source: str  # frame: the picture's clock; ledger: that of writing; unset: of a wrong clock
    track_s: float
    confidence: float
    in_total: int
    out_total: int


class Ledger:
    """An open ledger: `Ledger.open` makes it, `close` or the end of a `with` block ends it."""

    def __init__(
        self,
        path: Path,
        lock: int,
        recorder: sqlite3.Connection,
        shared: sqlite3.Connection,
        *,
        day: LocalDay,
        max_mb: float,
        boot: str,
        reserve: Reserve,
    ) -> None:
        self._path = path
        self._reserve = reserve
        self._file_lock = lock
        self._recorder, self._recorder_lock = recorder, threading.Lock()
        self._shared, self._shared_lock = shared, threading.Lock()
        self._day = day
        self._max_mb = max_mb
        self._boot = boot
        # Holds what is counted while the clock is not set; a day that is, takes it over.
        self._dayless = f"boot {boot}"

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        lines: Iterable[str] = (),
        day: LocalDay | None = None,
        max_mb: float = 256,
        machine: str | None = None,
        boot: str | None = None,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> Ledger:
        """Open the ledger at `path`; file and folder are made when missing.

        Args:
            path: the SQLite file; `-wal`, `-shm`, `.lock` and `.reserve` lie beside it.
            lines: lines to show with zero totals before their first crossing.
            day: when today begins; at midnight of the machine without it.
            max_mb: size from which on the oldest delivered crossings are dropped.
            machine: what the epoch is bound to; this machine without it.
            boot: what monotonic times are bound to; this boot without it.
            new_epoch: draws an epoch.

        Raises:
            LedgerError: the folder cannot be written, or the file belongs to another program, to
                a newer version or to a headcount that runs.
        """
        path = path.absolute()
        reserve = Reserve(path)
        connect = partial(
            ledger_file.connect_twice, path, tuple(lines), machine or machine_identity(), new_epoch
        )
        with contextlib.ExitStack() as undo:
            lock = ledger_file.take_lock(path)
            undo.callback(os.close, lock)
            both = ledger_file.lasting(reserve, connect)
            undo.pop_all()
        reserve.keep()
        day, boot = day or LocalDay(), boot or boot_identity()
        return cls(path, lock, *both, day=day, max_mb=max_mb, boot=boot, reserve=reserve)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. What `record` returned is on the disk with or without this."""
        with self._recorder_lock, self._shared_lock:
            self._shared.close()
            self._recorder.close()
            os.close(self._file_lock)

    def record(self, crossing: Crossing, utc: datetime) -> CountState:
        """Write a crossing; it is on the disk when this returns.

        Args:
            crossing: what the line counter saw.
            utc: the wall clock now, for a crossing that carries none and for "today".

        Raises:
            LedgerError: it could not be written, and no total includes it.
        """
        with self._recorder_lock, ledger_file.told(self._path):
            state = ledger_file.lasting(self._reserve, lambda: self._record(crossing, utc))
        self._reserve.keep()
        return state

    def _record(self, crossing: Crossing, utc: datetime) -> CountState:
        ts = crossing.utc or utc
        into = int(crossing.direction is Direction.IN)
        step = (into, 1 - into)
        with ledger_file.transaction(self._recorder) as db:
            (head,) = db.execute(
                "UPDATE ledger SET seq = seq + 1, in_total = in_total + ?,"
                " out_total = out_total + ? RETURNING epoch, seq, in_total, out_total",
                step,
            ).fetchall()
            inserted = db.execute(_INSERT, self._row(crossing, ts, head))
            db.execute("INSERT INTO outbox VALUES (?)", (inserted.lastrowid,))
            db.execute(_ADD_TO_LINE, (crossing.line, *step))
            self._add_to_day(db, ts, step)
            return self._read_state(db, utc)

    def _add_to_day(self, db: sqlite3.Connection, ts: datetime, step: tuple[int, int]) -> None:
        if not clock.is_set(ts):
            db.execute(_ADD_TO_DAY, (self._dayless, *step))
            return
        earlier = db.execute(
            "DELETE FROM days WHERE name = ? RETURNING in_total, out_total", (self._dayless,)
        ).fetchall()
        for counts in (*earlier, step):
            db.execute(_ADD_TO_DAY, (self._day.of(ts), *counts))

    def _row(
        self, crossing: Crossing, ts: datetime, head: tuple[str, int, int, int]
    ) -> dict[str, object]:
        epoch, seq, in_total, out_total = head
        return {
            "epoch": epoch,
            "seq": seq,
            "line": crossing.line,
            "direction": crossing.direction.value,
            "ts": format_utc(ts),
            "ts_source": _source_of(ts, crossing),
            "monotonic": float(crossing.t),
            "boot": self._boot,
            "frame": int(crossing.frame),
            "track": int(crossing.track),
            "track_s": float(crossing.track_s),
            "confidence": float(crossing.confidence),
            "in_total": in_total,
            "out_total": out_total,
        }

    def check(self) -> None:
        """Write what is written already, to know before a crossing comes that one can be.

        For the thread that records.

        Raises:
            LedgerError: it could not be written.
        """
        with self._recorder_lock, ledger_file.told(self._path):
            ledger_file.lasting(self._reserve, self._rewrite)
        self._reserve.keep()

    def _rewrite(self) -> None:
        with ledger_file.transaction(self._recorder) as db:
            db.execute("UPDATE ledger SET seq = seq + 1")
            db.execute("UPDATE ledger SET seq = seq - 1")  # a row that never changed is not written

    @property
    def disk_full(self) -> bool:
        """Whether the room that is kept for a full disk is used, or could not be kept."""
        return self._reserve.spent

    def state(self, utc: datetime) -> CountState:
        """The counts; `utc`, the wall clock now, says which day is today.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db, ledger_file.transaction(db, "DEFERRED"):
            return self._read_state(db, utc)

    def _read_state(self, db: sqlite3.Connection, utc: datetime) -> CountState:
        epoch, seq, in_total, out_total = db.execute(
            "SELECT epoch, seq, in_total, out_total FROM ledger"
        ).fetchone()
        # When a clock is set, what was counted before it has no day until the next crossing.
        today = self._day.of(utc) if clock.is_set(utc) else self._dayless
        in_today, out_today = db.execute(
            "SELECT coalesce(sum(in_total), 0), coalesce(sum(out_total), 0) FROM days"
            " WHERE name IN (?, ?)",
            (today, self._dayless),
        ).fetchone()
        lines = db.execute("SELECT name, in_total, out_total FROM lines ORDER BY name").fetchall()
        return CountState(
            epoch=epoch,
            seq=seq,
            in_total=in_total,
            out_total=out_total,
            in_today=in_today,
            out_today=out_today,
            occupancy=max(0, in_total - out_total),
            lines={name: LineTotals(went_in, went_out) for name, went_in, went_out in lines},
        )

    def pending(self, limit: int, after: int = 0) -> tuple[OutboxRow, ...]:
        """The oldest crossings that wait, at most `limit`, with an id above `after`.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db:
            rows = db.execute(
                "SELECT id, epoch, seq, line, direction, ts, ts_source, track_s, confidence,"
                " in_total, out_total FROM outbox JOIN crossings USING (id)"
                " WHERE id > ? ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return tuple(_outbox_row(row) for row in rows)

    def backlog(self) -> int:
        """How many crossings wait for delivery.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db:
            return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def acknowledge(self, epoch: str, seq: int) -> int:
        """Free the crossings of `epoch` up to and including `seq`; returns how many that were.

        Raises:
            LedgerError: the file cannot be written; they stay, and are sent again.
        """
        with self._sharing() as db:
            return ledger_file.lasting(self._reserve, lambda: self._free(db, epoch, seq))

    def _free(self, db: sqlite3.Connection, epoch: str, seq: int) -> int:
        with ledger_file.transaction(db):
            # The bound on id keeps this short when much more waits than was acknowledged.
            freed = db.execute(
                "DELETE FROM outbox WHERE id <= (SELECT id FROM crossings"
                " WHERE epoch = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1)"
                " AND (SELECT epoch FROM crossings WHERE id = outbox.id) = ?1",
                (epoch, seq),
            ).rowcount
            if freed:
                ledger_file.shrink(db, self._max_mb)
        return freed

    @contextlib.contextmanager
    def _sharing(self) -> Iterator[sqlite3.Connection]:
        with self._shared_lock, ledger_file.told(self._path):
            yield self._shared


def _source_of(ts: datetime, crossing: Crossing) -> str:
    if not clock.is_set(ts):
        return "unset"
    return "ledger" if crossing.utc is None else "frame"


def _outbox_row(row: Sequence[Any]) -> OutboxRow:
    values = list(row)
    values[5] = parse_utc(values[5])
    return OutboxRow(*values)
