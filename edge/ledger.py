"""The truth: every crossing, the totals, the buckets and the outbox.

One transaction writes the crossings of one picture, the totals that include them, their quarter of
an hour and their places in the outbox, and is on the disk when `record_all` returns. Buckets and
gaps are events as crossings are, and written as they are. An event leaves the outbox only by
`acknowledge`. Above `max_mb` the oldest delivered ones are dropped, never one that waits, and never
by the clock. Sending is left to the publisher, the file to `ledger_file`, periods to
`ledger_periods`.

    epoch   32 random hex digits, made with the file; a file that wakes up on another machine
            gets a new one, and its totals go on
    seq     1, 2, 3 ... within an epoch, over events of all types
    id      1, 2, 3 ... within a file: the order of the outbox, also across epochs

Each row has a checksum (`ledger_checks`), and a crossing the shift of the wall's clock, so that its
time is filled in once the clock is synchronised, if the machine was not off between.

One thread records; all other threads share a second connection, so that reading and freeing
hold up a crossing for no longer than a commit. They write in turns: people who come without a
pause do not hold up the freeing for longer either. SQLite before 3.51.3 (its "WAL-reset bug") may
also damage a file whose log is copied back by two connections at the same instant; here only the
one whose turn it is writes, and so copies.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge import clock, ledger_file, ledger_inside, ledger_periods, ledger_rows, ledger_times
from edge.clock import Clocks, LocalDay
from edge.contract.commands import OF_THE_LEDGER, RESET_TODAY, Command, CommandResult
from edge.contract.messages import format_utc
from edge.contract.quality import Quality
from edge.errors import LedgerError
from edge.identity import boot_identity, machine_identity
from edge.ledger_rows import BucketRow, EventRow, GapRow, OutboxRow
from edge.periods import Period
from edge.reserve import Reserve
from edge.turns import Turns
from edge.types import CountState, Crossing, Direction, LineTotals

__all__ = ["BucketRow", "EventRow", "GapRow", "Ledger", "OutboxRow"]

T = TypeVar("T")

_INSERT = """
INSERT INTO crossings (id, epoch, seq, line, direction, ts, ts_source, monotonic, boot, frame,
  track, track_s, confidence, in_total, out_total, shift, synced)
VALUES (:id, :epoch, :seq, :line, :direction, :ts, :ts_source, :monotonic, :boot, :frame, :track,
  :track_s, :confidence, :in_total, :out_total, :shift, :synced)
"""
_ADD = """
INSERT INTO {} (name, in_total, out_total) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
  in_total = in_total + excluded.in_total, out_total = out_total + excluded.out_total
"""
_ADD_TO_LINE, _ADD_TO_DAY = _ADD.format("lines"), _ADD.format("days")


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
        night: LocalDay | None,
        max_mb: float,
        boot: str,
        clocks: Clocks,
        reserve: Reserve,
    ) -> None:
        self._path = path
        self._reserve = reserve
        self._file_lock = lock
        self._recorder, self._recorder_lock = recorder, threading.Lock()
        self._shared, self._shared_lock = shared, threading.Lock()
        self._turns = Turns()  # to write
        self._day, self._night = day, night
        self._clocks = clocks
        self._undated = True  # whether crossings of this boot may wait for their time
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
        night: LocalDay | None = None,
        max_mb: float = 256,
        machine: str | None = None,
        boot: str | None = None,
        clocks: Clocks | None = None,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> Ledger:
        """Open the ledger at `path`; file and folder are made when missing.

        Args:
            path: the SQLite file; `-wal`, `-shm`, `.lock` and `.reserve` lie beside it.
            lines: lines to show with zero totals before their first crossing.
            day: when today begins; at midnight of the machine without it.
            night: at whose begin nobody is inside; occupancy is never reset without it.
            max_mb: size from which on the oldest delivered crossings are dropped.
            machine: what the epoch is bound to; this machine without it.
            boot: what monotonic times are bound to; this boot without it.
            clocks: those of the machine; ones that nobody synchronises without it.
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
        return cls(
            path,
            lock,
            *both,
            day=day or LocalDay(),
            night=night,
            max_mb=max_mb,
            boot=boot or boot_identity(),
            clocks=clocks or Clocks(synchronised=lambda: False),
            reserve=reserve,
        )

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
        """As `record_all`, of one crossing."""
        return self.record_all((crossing,), utc)[0]

    def record_all(self, crossings: Sequence[Crossing], utc: datetime) -> tuple[CountState, ...]:
        """Write the crossings of one picture; they are on the disk when this returns.

        Args:
            crossings: what the line counter saw.
            utc: the wall clock now, for a crossing that carries none and for "today".

        Returns:
            The counts after each of them.

        Raises:
            LedgerError: they could not be written, and no total includes one of them.
        """
        return self._write(lambda db: tuple(self._record(db, each, utc) for each in crossings), utc)

    def _record(self, db: sqlite3.Connection, crossing: Crossing, utc: datetime) -> CountState:
        ts = crossing.utc or utc
        into = int(crossing.direction is Direction.IN)
        step = (into, 1 - into)
        ledger_inside.begin_day(db, self._tonight(utc))
        (head,) = db.execute(
            "UPDATE ledger SET seq = seq + 1, in_total = in_total + ?,"
            " out_total = out_total + ?, last_id = last_id + 1"
            " RETURNING last_id, epoch, seq, in_total, out_total, told_until",
            step,
        ).fetchall()
        db.execute(_INSERT, self._row(crossing, ts, utc, head))
        db.execute("INSERT INTO outbox (id, epoch, seq) VALUES (?, ?, ?)", head[:3])
        db.execute(_ADD_TO_LINE, (crossing.line, *step))
        dated = ts if clock.is_set(ts) else None
        ledger_periods.add_crossing(db, dated, step, head[-1])
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
        self,
        crossing: Crossing,
        ts: datetime,
        utc: datetime,
        head: tuple[int, str, int, int, int, str | None],
    ) -> dict[str, object]:
        number, epoch, seq, in_total, out_total, _ = head
        return {
            "id": number,
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
            "shift": self._clocks.shift(utc),
            "synced": int(not self._undated),
        }

    def keep(self, quarter: Period, quality: Quality) -> None:
        """Write the figures of a quarter of an hour so far; for the thread that records.

        Raises:
            LedgerError: they could not be written.
        """
        self._write(lambda db: ledger_periods.keep(db, quarter, quality))

    def kept(self, quarter: Period) -> Quality:
        """The figures of a quarter that this run or an earlier one has kept.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db:
            return ledger_periods.kept(db, quarter)

    def turn(self, quarter: Period, utc: datetime, reason: str) -> int:
        """Write buckets and gaps of all periods but those of `quarter`, which it is now.

        For the thread that records. All of them are written or none.

        Args:
            quarter: in which counting goes on.
            utc: the wall clock now; it is set.
            reason: why quarters may be missing: `off` or `clock`.

        Returns:
            How many events that made.

        Raises:
            LedgerError: they could not be written.
        """
        now = ledger_periods.Turn(quarter, utc, self._day.zone, reason)
        return self._write(lambda db: ledger_periods.turn(db, now))

    def _write(self, write: Callable[[sqlite3.Connection], T], utc: datetime | None = None) -> T:
        now = utc or self._clocks.utc()

        def whole() -> T:
            with ledger_file.transaction(self._recorder) as db:
                self._undated = not self._is_synchronised(now) or ledger_times.fill_in(
                    db, self._boot, self._clocks.shift(now)
                )
                return write(db)

        with self._recorder_lock, self._turns, ledger_file.told(self._path):
            written = ledger_file.lasting(self._reserve, whole)
        self._reserve.keep()
        return written

    def check(self) -> None:
        """Write what is written already, to know before a crossing comes that one can be.

        For the thread that records.

        Raises:
            LedgerError: it could not be written.
        """
        if ledger_file.is_suspect(self._path):
            raise LedgerError(f"{self._path}: is damaged; start again, which mends what can be")
        self._write(_rewrite)

    def _is_synchronised(self, utc: datetime) -> bool:
        return clock.is_set(utc) and self._clocks.synchronised()

    def _tonight(self, utc: datetime) -> str | None:
        """The day that began when nobody was inside; None where no day does, or none is known."""
        return self._night.of(utc) if self._night and clock.is_set(utc) else None

    def obey(
        self, command: Command, utc: datetime, other: Callable[[Command], None] | None = None
    ) -> CommandResult:
        """Do what a command asks, unless it was done before; on the disk when this returns.

        Args:
            command: one that the contract knows.
            utc: the wall clock now.
            other: does it, where it is not about the counts, which do not wait for that; after a
                fault it may be called again.

        Raises:
            LedgerError: it could not be written, and nothing is changed.
            HeadcountError: whatever `other` raises.
        """
        if other is not None:
            with self._sharing() as db:
                earlier = ledger_inside.answered(db, command.id)
            if earlier is not None:
                return earlier
            other(command)
        with self._sharing() as db, self._turns:
            return ledger_file.lasting(self._reserve, lambda: self._obey(db, command, utc))

    def _obey(self, db: sqlite3.Connection, command: Command, utc: datetime) -> CommandResult:
        with ledger_file.transaction(db):
            earlier = ledger_inside.answered(db, command.id)
            if earlier is not None:
                return earlier
            if command.name == RESET_TODAY:
                today = self._day.of(utc) if clock.is_set(utc) else self._dayless
                db.execute("DELETE FROM days WHERE name IN (?, ?)", (today, self._dayless))
            elif command.name in OF_THE_LEDGER:  # all others are done
                ledger_inside.set_to(db, command.value or 0, self._tonight(utc))
            return ledger_inside.answer(db, command, utc)

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
        inside = ledger_inside.now(db, self._tonight(utc))
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
            occupancy=inside,
            lines={name: LineTotals(went_in, went_out) for name, went_in, went_out in lines},
        )

    def pending(self, limit: int, after: int = 0) -> tuple[EventRow, ...]:
        """The oldest events that wait, at most `limit`, with an id above `after`.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db, ledger_file.transaction(db, "DEFERRED"):
            return ledger_rows.waiting(db, limit, after)

    def backlog(self) -> int:
        """How many events wait for delivery.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._sharing() as db:
            return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def acknowledge(self, epoch: str, seq: int) -> int:
        """Free the events of `epoch` up to and including `seq`; returns how many that were.

        Raises:
            LedgerError: the file cannot be written; they stay, and are sent again.
        """
        with self._sharing() as db, self._turns:
            return ledger_file.lasting(self._reserve, lambda: self._free(db, epoch, seq))

    def _free(self, db: sqlite3.Connection, epoch: str, seq: int) -> int:
        with ledger_file.transaction(db):
            freed = db.execute(
                "DELETE FROM outbox WHERE epoch = ? AND seq <= ?", (epoch, seq)
            ).rowcount
            if freed:
                ledger_file.shrink(db, self._max_mb)
        return freed

    @contextlib.contextmanager
    def _sharing(self) -> Iterator[sqlite3.Connection]:
        with self._shared_lock, ledger_file.told(self._path):
            yield self._shared


def _rewrite(db: sqlite3.Connection) -> None:
    db.execute("UPDATE ledger SET seq = seq + 1")
    db.execute("UPDATE ledger SET seq = seq - 1")  # a row that never changed is not written


def _source_of(ts: datetime, crossing: Crossing) -> str:
    if not clock.is_set(ts):
        return "unset"
    return "ledger" if crossing.utc is None else "frame"
