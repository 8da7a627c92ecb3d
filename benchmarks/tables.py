"""Tables that several pages share; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SETS = {
    "heads/scut_head_partB:test": "SCUT-HEAD test",
    "heads/overhead_bus": "bus",
    "heads/overhead_footfall": "footfall",
}


def headline_table(results: Mapping[str, Any]) -> str:
    """The pruned network beside dense ones, as `headline.py` has measured them."""
    lines = [
        f"| form | ms | faster | {' | '.join(SETS.values())} | to the first [95 %] | MACs "
        "| parameters |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results["pruning"]["rows"]:
        ahead, low, high = row["ahead"]
        aps = " | ".join(f"{row[name]:.1f}" for name in SETS)
        lines.append(
            f"| {row['form']} | {row['ms']:.2f} | {row['faster']:.2f}x | {aps} "
            f"| {ahead:+.1f} [{low:+.1f}, {high:+.1f}] "
            f"| {row['macs'] / 1e6:.0f} M | {row['parameters'] / 1e6:.2f} M |"
        )
    return "\n".join(lines)
