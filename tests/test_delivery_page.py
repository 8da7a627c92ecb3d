"""The delivery part of docs/benchmarks.md says what the kept results say, and adds up rightly."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

SETTING = {"device": "a machine", "load": "0.1"}
RESULTS: dict[str, Any] = {
    "rate": 100.0,
    "down_s": 0.2,
    "outage_s": 30.0,
    "settings": {"kills": SETTING, "outages": SETTING, "commits": SETTING},
    "kills": [
        {"seed": seed, "seconds": 30.0, "kills": 15}
        | {
            "ways": {
                "plain": {"counted": 3000, "lost": 100 * seed, "doubled": seed},
                "trusting": {"counted": 2900, "lost": 7, "doubled": 0},
                "headcount": {"counted": 2900, "lost": 0, "doubled": 0},
            }
        }
        for seed in (1, 2)
    ],
    "outages": [
        {"waiting": 12000, "first_s": 1.5, "all_s": 9.9},
        {"waiting": 12000, "first_s": 2.5, "all_s": 12.1},
        {"waiting": 900, "first_s": 0.5, "all_s": 3.0},
    ],
    "commits": {"commits": 2000, "p50_ms": 3.25, "p99_ms": 9.5},
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which lies among the benchmarks."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("delivery_page")


def cells(table: str, name: str) -> list[str]:
    """The cells of a table's row that begins so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return next(row[1:] for row in rows if row[0].startswith(name))


def test_the_page_is_printed_from_the_results(page: Any) -> None:
    """Nobody has written a figure into it by hand."""
    results = json.loads((ROOT / "benchmarks" / "results" / "delivery.json").read_text())
    text = (ROOT / "docs" / "benchmarks.md").read_text()

    assert page.renew(text, results) == text


def test_only_the_part_between_the_marks_is_renewed(page: Any) -> None:
    """What stands around it is another program's."""
    old = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"

    assert f"before\n{page.BEGIN}\n{page.section(RESULTS)}{page.END}\nafter\n" == page.renew(
        old, RESULTS
    )


def test_losses_are_told_by_run_and_added_up(page: Any) -> None:
    """Lost and counted twice in each run, then of how many in all."""
    table = page.kills(RESULTS["kills"])

    assert ["100 / 1", "200 / 2", "6000", "300", "3"] == cells(table, "paho")
    assert ["7 / 0", "7 / 0", "5800", "14", "0"] == cells(table, "an outbox")
    assert ["0 / 0", "0 / 0", "5800", "0", "0"] == cells(table, "headcount")


def test_outages_are_held_against_what_is_asked_for(page: Any) -> None:
    """The first within 2 s; all within 10 s, where there were as many as asked for."""
    told = page.outages(RESULTS)

    assert ["12000", "1.50", "9.90"] == cells(told, "1")
    assert "the first was in 2 of 3 outages, all were in 1" in told


def test_without_root_it_says_that_nothing_was_run(page: Any) -> None:
    """No figures, rather than old ones."""
    assert "Not run" in page.outages({**RESULTS, "outages": None})
