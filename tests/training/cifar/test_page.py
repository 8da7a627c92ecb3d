"""docs/classifiers.md says what the kept results say."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import importlib
import json
from pathlib import Path

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[3]


def test_the_page_is_printed_from_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has written a figure into it by hand."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    page = importlib.import_module("cifar_page")
    kept = json.loads(page.RESULTS.read_text())

    assert page.page(kept) == (ROOT / "docs" / "classifiers.md").read_text()
