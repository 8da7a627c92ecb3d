"""Kill -9 at any moment: what was acknowledged is there, and nothing that was not counted."""

from __future__ import annotations

import datetime
import os
import random
import sys
from pathlib import Path

import pytest

from edge.ledger import Ledger
from edge.types import Crossing, Direction
from tests.processes import lines_until_kill

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
ROOT = Path(__file__).parent.parent.parent


def _killed_after(path: Path, seconds: float) -> int:
    """Let a process count into the ledger, kill it; the last seq that it acknowledged, or 0."""
    lines = lines_until_kill(Path(__file__), path, seconds)
    return int(lines[-1]) if lines else 0


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    """Over many kills: totals, rows, outbox and line totals agree with what was acknowledged."""
    path, randomness = tmp_path / "ledger.db", random.Random(seed)
    counted, epochs = 0, set()
    for _ in range(12):
        # From the first write of the file's tables to the middle of a busy minute.
        acknowledged = _killed_after(path, randomness.uniform(0.0, 0.12))
        with Ledger.open(path) as ledger:
            state = ledger.state(NOON)
            rows = ledger.pending(1_000_000)
        epochs.add(state.epoch)

        assert max(counted, acknowledged) <= state.seq <= max(counted, acknowledged) + 1
        assert list(range(1, state.seq + 1)) == [row.seq for row in rows]
        assert state.seq == state.in_total + state.out_total == state.in_today + state.out_today
        assert state.in_total == sum(row.direction == "in" for row in rows)
        assert state.in_total == sum(line.in_total for line in state.lines.values())
        counted = state.seq
    assert 1 == len(epochs)
    assert counted > 12


def _count(path: Path) -> None:
    """Count until killed, telling each seq once it is in the ledger."""
    os.write(1, b"begun\n")
    with Ledger.open(path) as ledger:
        while True:
            for direction in (Direction.IN, Direction.IN, Direction.OUT):
                state = ledger.record(Crossing("L1", direction, 0, 0.0, 0, 1.0, 0.9), NOON)
                os.write(1, b"%d\n" % state.seq)


if __name__ == "__main__":
    _count(Path(sys.argv[1]))
