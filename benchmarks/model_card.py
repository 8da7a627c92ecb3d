"""Print the model card of a shipped bundle from its manifest.

    python benchmarks/model_card.py default > edge/models/default.md
    python benchmarks/model_card.py small > edge/models/small.md
    python benchmarks/model_card.py permissive > edge/models/permissive.md

The figures are those that `headcount-train evaluate --json` wrote and `bundle --metrics` packed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from edge.assembly import MODELS
from edge.contract.bundle import read_bundle

SETS = {
    "heads/scut_head_partB:test": "SCUT-HEAD part B, test split (oblique, rooms full of people)",
    "heads/overhead_bus": "bus_overhead (straight above, very dark; never trained on)",
    "heads/overhead_footfall": "footfall_overhead (straight above; **trained on**)",
}


RESEARCH = "SCUT-HEAD may be used for research only, and so may these weights."
GIVEN_AWAY = """No picture is for research only, and none is under copyleft: these weights may be
used, and sold within a product, with the notices of the data named above. The backbone began with
weights that others trained on ImageNet and published under Apache-2.0."""


class Made(NamedTuple):
    """What a manifest does not tell: by which recipes, from which run, and what to know of it."""

    recipes: str
    run: str
    note: str
    use: str = RESEARCH


BUNDLES = {
    "default": Made(
        "`heads`, then `doors`",
        "runs/doors/last.pt",
        "",
    ),
    "small": Made(
        "`heads`, `doors`, `small`, `settled`",
        "runs/settled/last.pt",
        """
## Beside `default`
Cluster pruning left 0.44 of the latency at equal input (AVX2, steps of 8 channels), and the larger
input takes some of that back: 17.6 ms a picture against 23.5 (median inference of three runs of
each in turn, `headcount bench --model small --seconds 6`, two cores of an AMD EPYC).

It sees smaller heads. With equal settings it counted, found/missed/false: intel_one_by_one 10/2/0,
opencv_vtest 14/21/1, footfall_overhead 4/0/0, bus_overhead 11/3/0 (`benchmarks/audit_videos.py
edge/models/small`); with a score of 0.2, 12/0/1, 26/9/4, 4/0/0 and 12/2/0 (`benchmarks/scores.py`).

On simulated doors it is the worse one: of seeds 1 and 101 to 105 it counts four exactly, `default`
all (`benchmarks/scores.py --model edge/models/small --scenes 1 101 102 103 104 105`). Buns and
backpacks are more often heads to it.
""",
    ),
    "permissive": Made(
        "`permissive`, `permissive_small`, `permissive_settled`",
        "runs/permissive_settled/last.pt",
        """
## Beside the others
It is for doors. No photograph of a crowd taught it, and of heads far away it finds a fraction of
what `default` finds. With its score of 0.35 it counted, found/missed/false: intel_one_by_one 11/1/0
(its pictures, labelled automatically, are training data), opencv_vtest 1/34/0 (people 12 to 35
pixels wide), footfall_overhead 4/0/0, bus_overhead 9/5/0. With 0.2 it finds 12, 4, 4 and 9 of them
and counts 2 too many; on simulated door 101 it takes one thing for a person, with 0.2 seven
(`benchmarks/scores.py --model edge/models/permissive --scenes 1 101 102`): an audit of the door
decides.
""",
        GIVEN_AWAY,
    ),
}

CARD = """# Model card: {name} {version}

An SSD-MobileNet v1 that finds heads, {width}x{height} pixels, one FP16 file ({size:.1f} MB, IR v10)
for every OpenVINO since 2021.3. It looks at a door from above or obliquely and gives boxes around
heads, hair included. A new person needs a score of {score:g}; an audit may find better at a site.

## Made from
Backbone: MobileNet v1 1.0, ImageNet, from the Coral test data (Apache-2.0). Recipes of
`training/recipes/`, which name every number and its reason: {recipes}.
Training data and licences:

{licences}

{use}

## How good it is
AP by the COCO rules at IoU 0.5 (AP50) and 0.5 to 0.95 (AP); intervals are 95 % bootstrap intervals
over pictures. "16 px" counts only heads of at least 16 pixels in a picture of 300.

{table}

The overhead sets have 12 and 22 heads: one head is 0.05 to 0.08. Printed by
`headcount-train evaluate {run} --data DIR`.
{note}
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


def card(bundle: str) -> str:
    """The whole card of a shipped bundle."""
    manifest, made = read_bundle(MODELS / bundle).manifest, BUNDLES[bundle]
    return CARD.format(
        recipes=made.recipes,
        use=made.use,
        run=made.run,
        note=made.note,
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
    print(card(sys.argv[1]), end="")
