"""A disk that takes no more, or nothing at all for a while: what was said to be written stays."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.ledger import Ledger
from edge.types import CountState, Crossing, Direction
from tests.disks import Card, card, fill, mount, small_disk

__all__ = ["card", "small_disk"]

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


def _count(ledger: Ledger, crossings: int) -> CountState:
    """Count so many in one picture."""
    each = Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9)
    return ledger.record_all([each] * crossings, NOON)[-1]


def test_a_disk_that_is_full_beyond_the_reserve(small_disk: Path) -> None:
    """Counting ends with the mend; what was counted is there, and goes on once there is room."""
    path = small_disk / "ledger.db"
    with Ledger.open(path) as ledger:
        last = _count(ledger, 10)
        fill(small_disk)
        while not ledger.disk_full:  # the log has room for a while
            last = _count(ledger, 100)
        # Somebody else takes what was kept for counting.
        (small_disk / "filler").rename(small_disk / "first")
        fill(small_disk)
        with pytest.raises(LedgerError, match="free some space") as refusal:
            while True:
                last = _count(ledger, 100)
        kept = ledger.state(NOON)
    for filler in (small_disk / "first", small_disk / "filler"):
        filler.unlink()
    with Ledger.open(path) as ledger:
        again = _count(ledger, 1)
        rows = [row.seq for row in ledger.pending(1_000_000)]
        full = ledger.disk_full

    assert str(path) in str(refusal.value)
    assert last == kept
    assert last.seq + 1 == again.seq == again.in_total
    assert list(range(1, again.seq + 1)) == rows
    assert not full
    assert not list(small_disk.glob("*.bad-*"))


def test_a_disk_that_is_read_only_for_a_while(card: Card) -> None:
    """Refused with the mend as often as it is tried; then all is there, and counting goes on."""
    card.insert()
    path = card.folder / "ledger.db"
    with Ledger.open(path) as ledger:
        before = _count(ledger, 10)
    for _ in range(2):
        mount("-o", "remount,ro", card.folder)
        for _ in range(2):
            with pytest.raises(LedgerError, match="read-only"):
                Ledger.open(path)
        mount("-o", "remount,rw", card.folder)
        with Ledger.open(path) as ledger:
            after = _count(ledger, 1)

    assert before.epoch == after.epoch
    assert (12, 12) == (after.seq, after.in_total)
    assert not list(card.folder.glob("*.bad-*"))
