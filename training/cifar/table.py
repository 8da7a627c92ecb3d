"""What the arms came to, in one table: accuracy beside what is left of the network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from training.cifar.arms import ARMS, BASE
from training.cifar.running import RESULT

Results = Sequence[Mapping[str, Any]]

_HEAD = (
    "| arm | seeds | accuracy | against the base | parameters | MACs | MACs less | blocks gone "
    "| epochs |\n|---|---|---|---|---|---|---|---|---|"
)


def read_results(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Network to the results of its arms.

    Raises:
        DataError: there is none.
    """
    found = defaultdict(list)
    for path in sorted(out.glob(f"*/*/{RESULT}")):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[str(result["net"])].append(result)
    if not found:
        raise DataError(f"{out}: no arm was finished there")
    return dict(found)


def table(results: Results) -> str:
    """The arms of one network in Markdown: means, and the deviation where there are seeds."""
    bases = [result for result in results if result["arm"] == BASE]
    if not bases:
        raise DataError("there is no base to compare with")
    base = float(np.mean([result["test"] for result in bases]))
    rows = [_HEAD]
    for arm in ARMS:
        own = [result for result in results if result["arm"] == arm.name]
        if own:
            rows.append(_row(arm.title, own, base, bases[0]["macs"]))
    return "\n".join(rows)


def _row(title: str, own: Results, base: float, whole: int) -> str:
    test = np.array([result["test"] for result in own])
    spread = f" ± {100 * test.std(ddof=1):.2f}" if len(own) > 1 else ""
    macs = float(np.mean([result["macs"] for result in own]))
    parameters = float(np.mean([result["parameters"] for result in own]))
    blocks = float(np.mean([len(result["removed"]) for result in own]))
    epochs = min(result["epochs"] for result in own)
    return (
        f"| {title} | {len(own)} | {100 * test.mean():.2f}{spread} "
        f"| {100 * (test.mean() - base):+.2f} | {parameters / 1e6:.3f} M | {macs / 1e6:.1f} M "
        f"| {100 * (1 - macs / whole):.1f} % | {blocks:g} | {epochs:.1f} |"
    )
