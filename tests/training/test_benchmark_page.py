"""Pages of figures say what the kept results say."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import importlib
import json
from pathlib import Path

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "name"), [("pruning", "benchmarks.md"), ("cifar_page", "classifiers.md")]
)
def test_a_page_is_printed_from_the_results(
    monkeypatch: pytest.MonkeyPatch, script: str, name: str
) -> None:
    """Nobody has written a figure into it by hand."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    page = importlib.import_module(script)

    assert page.page(json.loads(page.RESULTS.read_text())) == (ROOT / "docs" / name).read_text()
