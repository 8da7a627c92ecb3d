"""The published methods' part of docs/benchmarks.md, from the comparisons that are kept.

    python benchmarks/methods_page.py --take runs/arms45 [runs/arms60 ...]

copies comparisons that `headcount-train bench` made into `benchmarks/results/methods.json`, and
draws them; `benchmarks/pruning.py` prints them with the rest of its page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.comparison import Row, from_json, table

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "methods.json"
FIGURE = HERE.parent / "docs" / "figures" / "methods.png"
LEAST = 20.0  # points; below it a method left no detector


def views(kept: Sequence[Mapping[str, Any]]) -> str:
    """What is the same in all comparisons, then for each what was aimed at, and its rows."""
    settings = [each["setting"] for each in kept]
    common = {
        key: value
        for key, value in settings[0].items()
        if all(setting.get(key) == value for setting in settings)
    }
    lines = "\n".join(f"- {key}: {value}" for key, value in common.items())
    return "\n\n".join([lines, *(_view(each, common) for each in kept)])


def _view(kept: Mapping[str, Any], common: Mapping[str, str]) -> str:
    rows = [row for row in from_json(kept["rows"]) if isinstance(row, Row)]
    own = [f"{key}: {value}" for key, value in kept["setting"].items() if key not in common]
    return f"### By {'; '.join(own)}\n\n{table(rows)}"


def draw(kept: Sequence[Mapping[str, Any]]) -> None:
    """AP50 against measured latency, a line for each method."""
    import matplotlib  # noqa: PLC0415 - drawing alone needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    points: dict[str, list[tuple[float, float]]] = {}
    for row in (row for each in kept for row in from_json(each["rows"])):
        if isinstance(row, Row) and row.mean > LEAST:
            points.setdefault(row.title, []).append((100 * row.latency, row.mean))
    figure, axis = plt.subplots(figsize=(7.5, 4.8))
    for title, found in points.items():
        axis.plot(*zip(*sorted(found), strict=True), "o-", markersize=4, label=title)
    axis.set_xlabel("latency, % of the dense network's")
    axis.set_ylabel("AP50")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """Take comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", type=Path, nargs="+", metavar="RUNS", required=True)
    args = parser.parse_args()
    kept = [json.loads((runs / "comparison.json").read_text()) for runs in args.take]
    RESULTS.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")
    draw(kept)


if __name__ == "__main__":
    main()
