"""The clock: not believed before it is set, and a jump is told once."""

from __future__ import annotations

import datetime
import logging
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from edge.clock import Clocks, ClockWatch, is_set, is_synchronised
from edge.ledger import Ledger
from edge.types import Crossing, Direction

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=UTC)
NEVER_SET = datetime.datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC)


def test_a_clock_that_is_older_than_the_program_was_never_set() -> None:
    """1970, or a year before this program was written; any later one may be right."""
    assert not is_set(NEVER_SET)
    assert not is_set(datetime.datetime(2025, 12, 31, tzinfo=UTC))
    assert is_set(NOON)


@pytest.mark.parametrize(
    ("moments", "words"),
    [
        ([NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)], []),
        ([NOON, NOON + timedelta(seconds=31), NOON + timedelta(seconds=2)], []),
        ([NEVER_SET, NEVER_SET + timedelta(seconds=1)], ["never set"]),
        ([NEVER_SET, NOON, NOON + timedelta(seconds=1)], ["never set", "is set, to 2026-11-20"]),
        ([NOON, NOON + timedelta(days=400), NOON + timedelta(days=400)], ["jumped from"]),
        ([NOON, NOON - timedelta(hours=1), NOON], ["jumped from", "jumped from"]),
        ([NOON, NEVER_SET, NOON], ["jumped from", "is set"]),
    ],
    ids=["walks", "is adjusted", "unset", "is set", "ahead", "back and again", "is lost"],
)
def test_a_jump_is_told_once(
    moments: list[datetime.datetime], words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The wall clock against the monotonic one, of which a second passes between two looks."""
    watch = ClockWatch()
    with caplog.at_level(logging.INFO):
        for second, moment in enumerate(moments):
            watch.note(moment, float(second))

    assert len(words) == len(caplog.messages)
    assert all(word in said for word, said in zip(words, caplog.messages, strict=True))


def count(ledger: Ledger, utc: datetime.datetime) -> tuple[int, int]:
    """Count one in at a moment; today and in all."""
    state = ledger.record(Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9, utc), utc)
    return state.in_today, state.in_total


def test_what_is_counted_before_the_clock_is_set_is_of_the_day_of_setting(tmp_path: Path) -> None:
    """Before, today is what this boot has counted; after, it is of that day and of no later one."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, boot="one") as ledger:
        count(ledger, NOON)
    with Ledger.open(path, boot="two") as ledger:
        before = [count(ledger, NEVER_SET + timedelta(days=day)) for day in (0, 0, 40)]
        seen = ledger.state(NOON).in_today
        after = count(ledger, NOON)
        tomorrow = count(ledger, NOON + timedelta(days=1))
        rows = [(row.seq, row.ts_source) for row in ledger.pending(9)]

    assert [(1, 2), (2, 3), (3, 4)] == before
    assert (4, (5, 5), (1, 6)) == (seen, after, tomorrow)
    assert [(1, "frame"), *((n, "unset") for n in (2, 3, 4)), (5, "frame"), (6, "frame")] == rows


def test_a_boot_without_the_time_counts_its_own_today(tmp_path: Path) -> None:
    """A machine that never learns the time begins today at each start, and loses no total."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, boot="one") as ledger:
        count(ledger, NEVER_SET)
    with Ledger.open(path, boot="two") as ledger:
        fresh = ledger.state(NEVER_SET)
        second = count(ledger, NEVER_SET)
    with Ledger.open(path, boot="two") as ledger:  # the service alone was started again
        again = ledger.state(NEVER_SET)

    assert (0, 1) == (fresh.in_today, fresh.in_total)
    assert (1, 2) == second == (again.in_today, again.in_total)


def test_a_clock_is_synchronised_where_systemd_or_the_kernel_says_so(tmp_path: Path) -> None:
    """The mark of systemd is enough; without it the kernel is asked, which changes nothing."""
    mark = tmp_path / "synchronized"
    said = is_synchronised(mark), is_synchronised(mark)
    mark.touch()

    assert is_synchronised(mark)
    assert said[0] == said[1]


def test_the_shift_between_the_clocks_is_what_the_wall_is_ahead() -> None:
    """The same while the wall's clock walks, and another after it was set."""
    seconds = iter([100.0, 130.0, 130.0])
    clocks = Clocks(monotonic=lambda: next(seconds))
    first, walked = clocks.shift(NOON), clocks.shift(NOON + timedelta(seconds=30))
    put_ahead = clocks.shift(NOON + timedelta(hours=1, seconds=30))

    assert first == walked == put_ahead - 3600
