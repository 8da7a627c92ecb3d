"""The counting part of docs/benchmarks.md says what the kept results say, and adds up rightly."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

ARMS = [["ours", "headcount", "a"], ["deferred", "deferred", "b"], ["byte", "ByteTrack", "c"]]
RESULTS = {
    "setting": {"others": "trackers 2.1.0"},
    "arms": ARMS,
    "doors": [
        {"name": "slow", "fps": fps, "seed": seed, "truth": [20, 0], "usual": fps == 10}
        | {"counted": {"ours": [20, 0], "deferred": [20, 1], "byte": byte}}
        for fps, seed, byte in ((10, 1, [18, 3]), (25, 1, [20, 0]), (10, 2, [20, 0]))
    ],
    "crowds": [
        {"rate": 30.0, "seed": seed, "true": 50}
        | {"counted": {"ours": [48, 0], "deferred": [49, 1], "byte": [49, 0]}}
        for seed in (1, 2)
    ],
    "videos": [
        {"detector": "shipped", "video": "door", "true": 12}
        | {"counted": {"ours": [11, 1], "deferred": [11, 0], "byte": [12, 1]}}
    ],
    "speed": {"5": {"ours": 100.0, "deferred": 90.0, "byte": 1234.0}},
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which lies among the benchmarks."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("counting_page")


def cells(table: str, name: str) -> list[str]:
    """The cells of a table's row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return next(row[1:] for row in rows if row[0] == name)


def test_the_page_is_printed_from_the_results(page: Any) -> None:
    """Nobody has written a figure into it by hand."""
    results = json.loads((ROOT / "benchmarks" / "results" / "counting.json").read_text())
    text = (ROOT / "docs" / "benchmarks.md").read_text()

    assert page.renew(text, results) == text


def test_only_the_part_between_the_marks_is_renewed(page: Any) -> None:
    """What stands around it is another program's."""
    old = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"

    assert f"before\n{page.BEGIN}\n{page.section(RESULTS)}{page.END}\nafter\n" == page.renew(
        old, RESULTS
    )


def test_a_page_without_marks_is_refused(page: Any) -> None:
    """Rather than losing what stands on it."""
    with pytest.raises(ValueError, match="marks"):
        page.renew("no marks", RESULTS)


def test_a_door_tells_each_rate_once_and_errors_in_bold(page: Any) -> None:
    """Rates that agree give one figure."""
    table = page.doors(RESULTS, 1)

    assert ["10, 25", "20/0", "20/0", "**20/1**", "**18/3** 20/0"] == cells(table, "slow")
    assert ["", "", "0", "2", "5"] == cells(table, "**sum of errors**")
    assert ["", "", "2", "0", "1"] == cells(table, "**exact of 2**")


def test_seeds_are_compared_at_one_rate(page: Any) -> None:
    """Only the first seed has been counted at all rates."""
    assert ["5", "0", "5", "1 of 2"] == cells(page.seeds(RESULTS), "ByteTrack")


def test_crowds_are_added_up_over_the_seeds(page: Any) -> None:
    """Recall and precision of all people together."""
    table = page.crowds(RESULTS)

    assert ["30 a minute (100 people)"] == cells(table, "recall / precision, %")
    assert ["98.0 / 98.0"] == cells(table, "deferred")


def test_recordings_end_with_their_sum(page: Any) -> None:
    """Found/false, then what is wrong in all."""
    table = page.videos(RESULTS)

    assert ["", "12", "11/1", "11/0", "12/1"] == cells(table, "**all**")
    assert ["", "", "2", "1", "1"] == cells(table, "**missed and false**")


def test_times_are_told_beside_ours(page: Any) -> None:
    """As a multiple."""
    assert ["1234", "12.3 x"] == cells(page.speed(RESULTS), "ByteTrack")


def test_rows_that_are_lost_are_told(page: Any) -> None:
    """By how much and to whom; our own other mode is nobody to lose to."""
    assert [
        "- crowd of 30 a minute: missed and false 4, ByteTrack 2",
        "- door, shipped: missed and false 2, ByteTrack 1",
    ] == page.lost(RESULTS)
