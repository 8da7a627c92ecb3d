"""What a collector has stored, and how far it may say so.

    batch --> one transaction --> what to acknowledge, for each (device, epoch)
              new rows, once by (device, epoch, seq)
              stored_to: the largest seq up to which no row is missing

An acknowledgement frees all events up to it at the device, so it is reckoned from the rows of the
database, whichever collector wrote them: several collectors each see but a part. The transaction
first locks the ledgers of its batch, so that of two that commit one after the other the second
sees the rows of the first, and every gap is seen as closed by whoever closes it.

    rows     1 2 3 . 5 6      stored_to = 3: 5 and 6 are stored and wait for 4
             [kept from 5]    stored_to = 6: the device has let go of 4, it will not come again
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.collector.database import Database, Row, moment
from edge.collector.records import COLUMNS, Record
from edge.errors import StoreError

Ledger = tuple[str, str]  # device, epoch

_INSERT = (
    f"INSERT INTO headcount_events (ledger, seq, {', '.join(COLUMNS)}) "  # noqa: S608 - constants
    f"VALUES (?, ?, {', '.join('?' for _ in COLUMNS)}) ON CONFLICT (ledger, seq) DO NOTHING"
)
_BEGIN_LEDGER = (
    "INSERT INTO headcount_ledgers (device, epoch, stored_to, heard) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (device, epoch) DO NOTHING"
)
_FIND_LEDGER = "SELECT id FROM headcount_ledgers WHERE device = ? AND epoch = ?"
_LOCK = "SELECT id, stored_to FROM headcount_ledgers WHERE id IN ({}) ORDER BY id"
# Rows without a gap after stored_to: their seq and their number among those beyond it grow alike.
_ADVANCE = """
SELECT ledger, max(seq) FROM (
  SELECT ledger, seq, stored_to,
    seq - row_number() OVER (PARTITION BY ledger ORDER BY seq) AS origin
  FROM headcount_events JOIN headcount_ledgers ON id = ledger
  WHERE ledger IN ({}) AND seq > stored_to) AS beyond
WHERE origin = stored_to GROUP BY ledger
"""
_UPDATE = "UPDATE headcount_ledgers SET stored_to = ?, heard = ? WHERE id = ?"
_LATEST = "SELECT device, epoch, stored_to, heard FROM headcount_ledgers ORDER BY heard, id"
_PROBE = "UPDATE headcount_store SET schema = schema"
_MOST_KNOWN = 10_000  # ledgers whose ids are kept in memory

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a batch came to: new rows, rows that were there before, and what to acknowledge."""

    stored: int
    duplicates: int
    stored_to: Mapping[Ledger, int]


@dataclass(frozen=True, slots=True)
class Heard:
    """The latest ledger of a device; `at`: when its last event was stored."""

    epoch: str
    stored_to: int
    at: datetime


class Store:
    """Takes in batches, for one thread. `clock` gives the wall clock, with a time zone."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids: dict[Ledger, int] = {}

    @property
    def shared(self) -> bool:
        """Whether other collectors may write to it, too."""
        return self._database.shared

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def check(self) -> None:
        """Write what is written already, to know before events come that they can be.

        Raises:
            StoreError: they could not.
        """
        with self._database.transaction():
            self._database.run(_PROBE, [()])

    def latest(self) -> dict[str, Heard]:
        """The ledger of each device that was heard last.

        Raises:
            StoreError: the database is away.
        """
        rows = self._database.query(_LATEST)
        return {
            device: Heard(epoch, stored_to, moment(at) or datetime.now(UTC))
            for device, epoch, stored_to, at in rows
        }

    def take(self, batch: Sequence[Record]) -> Receipt:
        """Store a batch; it is on the disk when this returns.

        Raises:
            StoreError: nothing of it was stored.
        """
        try:
            with self._database.transaction():
                return self._take(batch)
        except BaseException:
            self._ids.clear()  # they may be of rows that were undone
            raise

    def _take(self, batch: Sequence[Record]) -> Receipt:
        floors = _floors(batch)
        ids = {ledger: self._id(ledger, floor) for ledger, floor in sorted(floors.items())}
        before = self._lock(sorted(ids.values()))
        rows = {(ids[each.ledger], each.seq): each.values for each in batch}
        stored = self._database.run(_INSERT, [(*key, *rows[key]) for key in sorted(rows)])
        stored_to = {**before, **self._advanced(ids.values())}
        held = {ids[ledger]: floor for ledger, floor in _tops(batch).items()}
        skipped = {each: to for each, to in held.items() if to > stored_to[each]}
        if skipped:
            self._tell_skipped(skipped, stored_to, {id_: name for name, id_ in ids.items()})
            self._set(skipped)
            stored_to = {**stored_to, **skipped, **self._advanced(skipped)}
        self._set(stored_to)
        told = {ledger: stored_to[number] for ledger, number in ids.items()}
        return Receipt(stored, len(batch) - stored, told)

    def _id(self, ledger: Ledger, floor: int) -> int:
        known = self._ids.get(ledger)
        if known is not None:
            return known
        if len(self._ids) >= _MOST_KNOWN:
            self._ids.clear()
        self._database.run(_BEGIN_LEDGER, [(*ledger, floor, self._clock())])
        ((found,),) = self._database.query(_FIND_LEDGER, ledger)
        self._ids[ledger] = found
        return int(found)

    def _lock(self, ids: Sequence[int]) -> dict[int, int]:
        sql = _LOCK.format(_marks(ids)) + self._database.for_update
        found = _as_numbers(self._database.query(sql, ids))
        if len(found) < len(ids):
            raise StoreError("store: rows of headcount_ledgers were deleted; they must stay")
        return found

    def _advanced(self, ids: Iterable[int]) -> dict[int, int]:
        ids = list(ids)
        return _as_numbers(self._database.query(_ADVANCE.format(_marks(ids)), ids))

    def _set(self, stored_to: Mapping[int, int]) -> None:
        now = self._clock()
        self._database.run(_UPDATE, [(to, now, number) for number, to in stored_to.items()])

    def _tell_skipped(
        self, skipped: Mapping[int, int], stored_to: Mapping[int, int], names: Mapping[int, Ledger]
    ) -> None:
        for number, to in skipped.items():
            device, epoch = names[number]
            _log.warning(
                "%s: events %d to %d of epoch %s are not all here, and the device keeps them no "
                "longer: does its mqtt.stores name this store?",
                device,
                stored_to[number] + 1,
                to,
                epoch,
            )


def _floors(batch: Iterable[Record]) -> dict[Ledger, int]:
    """What a device had let go of before the first of its events in a batch."""
    floors: dict[Ledger, int] = {}
    for each in batch:
        floors[each.ledger] = min(each.kept_from - 1, floors.get(each.ledger, each.seq))
    return floors


def _tops(batch: Iterable[Record]) -> dict[Ledger, int]:
    """What a device has let go of by the last of its events in a batch."""
    tops: dict[Ledger, int] = {}
    for each in batch:
        tops[each.ledger] = max(each.kept_from - 1, tops.get(each.ledger, 0))
    return tops


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def _as_numbers(rows: Iterable[Row]) -> dict[int, int]:
    return {int(first): int(second) for first, second in rows}
