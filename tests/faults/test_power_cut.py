"""Power cuts: what was acknowledged before one is on the card, and the ledger opens.

A cut is ext4's own shutdown, on a file system made for the test: what was not written by then never
is, and the journal is replayed when it is mounted again. It knows nothing of the faults of real
cards, which may tear a sector, or say that they have written what they have not.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.ledger import Ledger, OutboxRow
from tests import counting
from tests.brokers import wait_until
from tests.disks import Card, card
from tests.processes import ROOT

__all__ = ["card"]

CUTS_OF_A_LEDGER = 20  # then another begins, so that some are cut while they are made
FULL, NORMAL = "FULL", "NORMAL"


def _cut(card: Card, path: Path, more: int, seconds: float, sync: str = FULL) -> int:
    """Count on the card, cut its power; the last seq that was acknowledged before, or 0.

    It is cut so many seconds after so many more were acknowledged.
    """
    told, teller = os.pipe()
    os.set_blocking(told, False)
    command = [sys.executable, counting.__file__, str(path), sync]
    child = subprocess.Popen(
        command,
        stdout=teller,
        stderr=subprocess.DEVNULL,  # that the disk is gone
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(teller)
    heard = b""

    def listen() -> bytes:
        nonlocal heard
        try:
            while more := os.read(told, 1 << 16):
                heard += more
        except BlockingIOError:
            pass
        return heard

    try:
        wait_until(lambda: listen().count(b"\n") > more, "the child is at work", 60)
        time.sleep(seconds)
        listen()  # what is acknowledged while the power goes may be on either side
        card.cut_power()
    finally:
        child.kill()
        child.wait()
        os.close(told)
    card.again()
    lines = heard.split(b"\n")[1:-1]
    return int(lines[-1]) if lines else 0


def _check(path: Path, acknowledged: int) -> int:
    """The ledger is readable and agrees with itself; how many acknowledged crossings it lacks."""
    with Ledger.open(path) as ledger:
        state, rows = ledger.state(counting.NOON), ledger.pending(1_000_000)
    crossings = [row for row in rows if isinstance(row, OutboxRow)]

    assert list(range(1, state.seq + 1)) == [row.seq for row in crossings]
    assert state.in_total == sum(row.direction == "in" for row in crossings)
    assert state.seq == state.in_total + state.out_total == state.in_today + state.out_today
    return max(0, acknowledged - state.seq)


def _survives(card: Card, seed: int, cuts: int) -> None:
    randomness = random.Random(seed)
    card.insert()
    lost = unreadable = acknowledged = 0
    for number in range(cuts):
        path = card.folder / f"ledger-{number // CUTS_OF_A_LEDGER}.db"
        # From the first write of the file's tables to the middle of a busy moment.
        more = 0 if number % 5 == 0 else randomness.randrange(30)
        before = acknowledged if number % CUTS_OF_A_LEDGER else 0
        acknowledged = max(before, _cut(card, path, more, randomness.uniform(0.0, 0.03)))
        lost += _check(path, acknowledged)
        unreadable += bool(list(card.folder.glob("*.bad-*")))
        if number % CUTS_OF_A_LEDGER == CUTS_OF_A_LEDGER - 1:
            print(f"seed {seed}: {number + 1} cuts, lost {lost}, unreadable {unreadable}")
    print(f"seed {seed}: {cuts} cuts, lost {lost}, unreadable {unreadable}, last {acknowledged}")

    assert (0, 0) == (lost, unreadable)
    assert acknowledged > 0


def test_power_cuts(card: Card) -> None:
    """0 lost of those acknowledged before the cut, 0 ledgers that cannot be read."""
    _survives(card, seed=1, cuts=5)


def test_a_cut_takes_what_was_not_synced(card: Card) -> None:
    """The control: with `synchronous = NORMAL` acknowledged rows are lost, so a cut is a cut."""
    card.insert()
    path = card.folder / "ledger.db"
    acknowledged = _cut(card, path, 20, 0.0, NORMAL)

    assert 0 < _check(path, acknowledged) <= acknowledged


@pytest.mark.proof
@pytest.mark.parametrize("seed", [2, 3])
def test_many_power_cuts(card: Card, seed: int) -> None:
    """The same with a hundred cuts each."""
    _survives(card, seed, cuts=100)
