"""The room that is kept for a full disk: truly kept, given up, kept again; no crossing is lost."""

from __future__ import annotations

import datetime
import logging
import os
import sys
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.ledger import Ledger
from edge.reserve import SIZE, Reserve
from edge.types import Crossing, Direction
from tests.disks import fill, small_disk
from tests.processes import lines_until_kill

__all__ = ["small_disk"]

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
CROSSING = Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9)


def test_the_room_is_truly_taken(tmp_path: Path) -> None:
    """Its blocks belong to the file, which is not only said to be long; twice is as once."""
    for _ in range(2):
        reserve = Reserve(tmp_path / "ledger.db")
        reserve.keep()
        status = (tmp_path / "ledger.db.reserve").stat()

        assert SIZE <= min(status.st_size, 512 * status.st_blocks)
        assert not reserve.spent


def test_what_a_power_cut_left_half_made_is_made_whole(tmp_path: Path) -> None:
    """A shorter file is no reserve."""
    (tmp_path / "ledger.db.reserve").write_bytes(bytes(4096))
    Reserve(tmp_path / "ledger.db").keep()

    assert SIZE == (tmp_path / "ledger.db.reserve").stat().st_size


def test_it_is_given_up_and_kept_again(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given up it makes room; it is kept again when as much would still be free, not before."""
    reserve = Reserve(small_disk / "ledger.db")
    reserve.keep()
    filler = fill(small_disk)
    full = reserve.would_help()
    with caplog.at_level(logging.INFO):
        reserve.give_up()
        roomy = reserve.would_help()
        reserve.keep()
        still = reserve.spent
        filler.unlink()
        reserve.keep()

    given_up, again = caplog.messages

    assert (True, False, True, False) == (full, roomy, still, reserve.spent)
    assert "counting goes on" in given_up
    assert "there is room on the disk again" in again


def test_a_disk_that_is_nearly_full_at_the_start_is_told_once(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be kept: one warning, however often it is tried; counting begins all the same."""
    (small_disk / "filler").write_bytes(bytes(28_000_000))
    with Ledger.open(small_disk / "ledger.db") as ledger:
        for _ in range(3):
            state = ledger.record(CROSSING, NOON)
        full = ledger.disk_full

    assert (3, True) == (state.seq, full)
    assert 1 == caplog.text.count("free at least 16 MB")


@pytest.mark.parametrize("seconds", [0.2, 0.6, None], ids=["soon", "later", "used up"])
def test_no_crossing_is_lost_on_a_full_disk(small_disk: Path, seconds: float | None) -> None:
    """Ten thousand and more fit; after kill -9, or when none fits any more, the truth is exact."""
    path = small_disk / "ledger.db"
    Ledger.open(path).close()
    filler = fill(small_disk)
    lines = lines_until_kill(Path(__file__), path, seconds)
    counted, killed = int(lines[-1]), seconds is not None
    filler.unlink()
    with Ledger.open(path) as ledger:
        state, rows = ledger.state(NOON), ledger.pending(1_000_000)

    assert counted <= state.seq <= counted + killed
    assert list(range(1, state.seq + 1)) == [row.seq for row in rows]
    assert state.seq == state.in_total == state.lines["L1"].in_total == state.in_today
    assert counted > (0 if killed else 10_000)


def _count(path: Path) -> None:
    """Count until killed or the disk takes no more, telling each seq once it is in the ledger."""
    with Ledger.open(path) as ledger:
        os.write(1, b"begun\n")
        try:
            while True:
                os.write(1, b"%d\n" % ledger.record(CROSSING, NOON).seq)
        except LedgerError:
            return


if __name__ == "__main__":
    _count(Path(sys.argv[1]))
