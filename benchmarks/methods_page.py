"""The published methods' part of docs/benchmarks.md, from the comparisons that are kept.

    python benchmarks/methods_page.py --take runs/arms45 [runs/arms60 ...]

copies comparisons that `headcount-train bench` made into `benchmarks/results/methods.json`;
`benchmarks/pruning.py` prints them with the rest of its page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.comparison import Row, from_json, table

RESULTS = Path(__file__).parent / "results" / "methods.json"


def views(kept: Sequence[Mapping[str, Any]]) -> str:
    """For each comparison its setting and the rows that were run."""
    return "\n\n".join(_view(each) for each in kept)


def _view(kept: Mapping[str, Any]) -> str:
    rows = [row for row in from_json(kept["rows"]) if isinstance(row, Row)]
    setting = "\n".join(f"- {key}: {value}" for key, value in kept["setting"].items())
    return f"{setting}\n\n{table(rows)}"


def main() -> None:
    """Take comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", type=Path, nargs="+", metavar="RUNS", required=True)
    args = parser.parse_args()
    kept = [json.loads((runs / "comparison.json").read_text()) for runs in args.take]
    RESULTS.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
