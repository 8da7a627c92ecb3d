"""Print the model card of the shipped bundle from its manifest.

    python benchmarks/model_card.py > edge/models/default.md

The figures are those that `headcount-train evaluate --json` wrote and `bundle --metrics` packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.assembly import DEFAULT_BUNDLE
from edge.contract.bundle import read_bundle

SETS = {
    "heads/scut_head_partB:test": "SCUT-HEAD part B, test split (oblique, rooms full of people)",
    "heads/overhead_bus": "bus_overhead (straight above, very dark; never trained on)",
    "heads/overhead_footfall": "footfall_overhead (straight above; **trained on**)",
}

CARD = """# Model card: {name} {version}

An SSD-MobileNet v1 that finds heads, {width}x{height} pixels, one FP16 file ({size:.1f} MB, IR v10)
for every OpenVINO since 2021.3. It looks at a door from above or obliquely and gives boxes around
heads, hair included. Cluster pruning has cut it. A new person needs a score of {score:g}; an audit
may find better at a site.

## Made from
Backbone: MobileNet v1 1.0, ImageNet, from the Coral test data (Apache-2.0). Recipes: `heads`,
`doors`, `small`, `settled` (`training/recipes/`), which name every number and its reason. Training
data and licences:

{licences}

SCUT-HEAD may be used for research only, and so may these weights. A set of weights that is free of
it is planned.

## How good it is
AP by the COCO rules at IoU 0.5 (AP50) and 0.5 to 0.95 (AP); intervals are 95 % bootstrap intervals
over pictures. "16 px" counts only heads of at least 16 pixels in a picture of 300.

{table}

The overhead sets have 12 and 22 heads: one head is 0.05 to 0.08. Printed by
`headcount-train evaluate runs/settled/last.pt --data DIR`.

## What it does not see well
Heads under about 10 pixels of its input; dark hair on a dark floor without an outline; hats with a
broad brim. Buns, backpacks and hard shadows of heads may look like a second head.

## Not verified
No figure was measured on a Raspberry Pi or a Movidius stick.
"""


def table(metrics: Mapping[str, Any]) -> str:
    """The sets as a table."""
    rows = ["| set | heads | AP50 | AP | AP50, 16 px |", "|---|---|---|---|---|"]
    for key, name in SETS.items():
        found = metrics[key]
        all_heads, big_heads = interval(found, "ap50"), interval(found, "big_ap50")
        ap = f"{found['ap']:.3f}"
        rows.append(f"| {name} | {found['heads']} | {all_heads} | {ap} | {big_heads} |")
    return "\n".join(rows)


def interval(found: Mapping[str, Any], key: str) -> str:
    """A figure with its interval."""
    return f"{found[key]:.3f} [{found[f'{key}_low']:.2f}, {found[f'{key}_high']:.2f}]"


def card() -> str:
    """The whole card."""
    manifest = read_bundle(DEFAULT_BUNDLE).manifest
    return CARD.format(
        name=manifest.name,
        version=manifest.version,
        width=manifest.input.width,
        height=manifest.input.height,
        size=sum(entry.size for entry in manifest.files.values()) / 1e6,
        score=manifest.score,
        licences="\n".join(f"- {licence}" for licence in manifest.licences),
        table=table(manifest.metrics),
    )


if __name__ == "__main__":
    print(card(), end="")
