"""Kill -9 at any moment: what was acknowledged is there, and nothing that was not counted."""

from __future__ import annotations

import datetime
import os
import random
import sys
from pathlib import Path

import pytest

from edge.contract.quality import Quality
from edge.ledger import BucketRow, Ledger, OutboxRow
from edge.periods import quarter_of
from edge.types import Crossing, Direction
from tests.processes import lines_until_kill
from tests.test_buckets import write_version_1

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
ROOT = Path(__file__).parent.parent.parent


def _killed_after(path: Path, seconds: float) -> int:
    """Let a process count into the ledger, kill it; the last seq that it acknowledged, or 0."""
    lines = lines_until_kill(Path(__file__), path, seconds, "count")
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
        crossings = [row for row in rows if isinstance(row, OutboxRow)]
        assert state.in_total == sum(row.direction == "in" for row in crossings)
        assert state.in_total == sum(line.in_total for line in state.lines.values())
        counted = state.seq
    assert 1 == len(epochs)
    assert counted > 12


def _sum(rows: list[BucketRow]) -> int:
    return sum(row.in_count + row.out_count for row in rows)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_in_no_bucket_or_in_two(tmp_path: Path, seed: int) -> None:
    """Killed while quarters and hours end at every third crossing: all add up to the totals."""
    path, randomness = tmp_path / "ledger.db", random.Random(seed)
    for _ in range(10):
        lines_until_kill(Path(__file__), path, randomness.uniform(0.0, 0.15), "buckets")
    with Ledger.open(path) as ledger:
        later = NOON + datetime.timedelta(days=10_000)
        ledger.turn(quarter_of(later), later, "off")
        state, rows = ledger.state(NOON), ledger.pending(1_000_000)
    told = [row for row in rows if isinstance(row, BucketRow)]
    quarters = [row for row in told if row.period == 900]

    assert list(range(1, state.seq + 1)) == [row.seq for row in rows]
    assert state.in_total + state.out_total == _sum(quarters)
    assert _sum(quarters) == _sum([row for row in told if row.period == 3600])
    assert len(quarters) == len({row.start for row in quarters}) > 10


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.005, 0.01, 0.02, None])
def test_a_kill_while_the_file_is_brought_to_this_version(
    tmp_path: Path, seconds: float | None
) -> None:
    """It is of one version or of the other; the next start has all that waits."""
    path = tmp_path / "ledger.db"
    write_version_1(path, 3000, 2500)
    lines_until_kill(Path(__file__), path, seconds, "open")
    with Ledger.open(path) as ledger:
        state, rows = ledger.state(NOON), ledger.pending(1_000_000)
        ledger.record(Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9), NOON)
        (last,) = ledger.pending(9, after=3000)

    assert (3000, 3000) == (state.seq, state.in_total)
    assert list(range(501, 3001)) == [row.seq for row in rows]
    assert (3001, 3001) == (last.id, last.seq)


def _count_in_quarters(path: Path) -> None:
    """Count until killed; each third crossing is in the next quarter."""
    with Ledger.open(path) as ledger:
        seq = ledger.state(NOON).seq
        os.write(1, b"begun\n")
        while True:
            moment = NOON + datetime.timedelta(minutes=5 * seq)
            quarter = quarter_of(moment)
            ledger.turn(quarter, moment, "off")
            ledger.keep(quarter, Quality(counted_s=300, people=1))
            crossing = Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9, moment)
            seq = ledger.record(crossing, moment).seq


def _open(path: Path) -> None:
    os.write(1, b"begun\n")
    Ledger.open(path).close()


def _count(path: Path) -> None:
    """Count until killed, telling each seq once it is in the ledger."""
    os.write(1, b"begun\n")
    with Ledger.open(path) as ledger:
        while True:
            for direction in (Direction.IN, Direction.IN, Direction.OUT):
                state = ledger.record(Crossing("L1", direction, 0, 0.0, 0, 1.0, 0.9), NOON)
                os.write(1, b"%d\n" % state.seq)


if __name__ == "__main__":
    work = {"count": _count, "buckets": _count_in_quarters, "open": _open}
    work[sys.argv[2]](Path(sys.argv[1]))
