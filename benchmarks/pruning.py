"""Print docs/benchmarks.md and draw its figures from the results that are kept beside this file.

    python benchmarks/pruning.py > docs/benchmarks.md
    python benchmarks/pruning.py --take runs/arms runs/profile/profile.json

`headcount-train bench` makes the results; `--take` copies what the page needs of them into
`benchmarks/results/`, so that the page can be printed again, and is tested, without the runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import counting_page
import delivery_page
import methods_page
from tables import headline_table

from training.arms import ARMS, DENSE, OURS, SWEEPS, Arm
from training.comparison import Row, from_json, table
from training.config import load_recipe

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "pruning.json"
HEADLINE = HERE / "results" / "headline.json"
# Made by counting.py and delivery.py, each of which renews its part alone.
COUNTING = HERE / "results" / "counting.json"
DELIVERY = HERE / "results" / "delivery.json"
ALIGNMENT = HERE / "results" / "alignment.md"
FIGURES = HERE.parent / "docs" / "figures"
STAIRS = 4  # staircases that are shown
PRUNE = load_recipe(Path("arms")).prune

PAGE = """# Pruning, measured

Printed by `python benchmarks/pruning.py`; the figures in it come from `headcount-train bench`.

## The setting

{setting}

## The comparison

{table}

AP50 in points on the test pictures, which no arm has chosen anything by. Latency is the CPU's time
for an inference while the network and the dense one take turns: the median of {sweeps} sweeps over
all networks, in each of which both are compiled anew, as the same network is up to 3 % faster or
slower by where its memory happens to lie. Latency, MACs and parameters are shares of the dense
network's. The last column is the AP50 of "cluster pruning, ours" minus that of the row, with the
95 % interval of a bootstrap in which both see the same pictures. An interval with 0 in it is called
a tie; "not run" is said of what was not run yet.

Networks that were chosen for the latency to reach and were not within {tolerance:.0%} of it when
all were measured again: {off}.

![AP50 against latency and against multiply-accumulates](figures/pruning.png)

## Whole blocks, alike channels, and a teacher

A second comparison, on a faster machine and from another training of the same dense recipe, so that
its rows cannot be set beside those above: hybrid pruning in both orders, iterative clustering
pruning (ICP) as published and ours, with and without a teacher, and the teacher alone on uniform
widths, at four latencies, and at equal multiply-accumulates.

{methods}

![AP50 against latency, a line for each method](figures/methods.png)

30 % was run twice: in the first run other work on the machine disturbed the search for that
latency, and all ended below it; in the second the hybrid is slower than it was chosen to be. In
both the hybrid is well ahead of all others, in the first at less latency than they have in the
second.

What the rows say, with 600 steps each and mostly one seed in mind. Down to 45 % of the latency
hybrid and cluster pruning are level, and the hybrid has fewer parameters; below that whole blocks
are the better thing to give up. ICP is behind at equal latency, as it does not ask what a layer
costs, and level at equal multiply-accumulates. A teacher who says where to look was worth nothing
in fits as short as these: in all pairs of ICP but one seed at 45 % it is level or behind, and
uniform widths by L1 have 5.6 with it, where they had 10.6 without one in the comparison above. As
published, ICP keeps the filters of the largest L1 norm, which leave this detector nothing to begin
with ([why](adr/0022-alike-channels.md)).

## At the size of a door

An earlier form of recipe `small`, cut at 352x256 (as many pixels as 300x300), taught by the dense
network, which is the `default` detector; printed by `python benchmarks/headline.py`, on a faster
machine than the comparison. This pruned network is not shipped: with equal settings it counts 8 of
14 on bus_overhead, the dense one 11 (`benchmarks/scores.py`). The one that is, `small`, is cut at
224x160 and runs at 416x320: its figures are on [its card](../edge/models/small.md).

{headline}

## Aligned and not

Uniform L1, rounded up to the device's steps or not, at equal multiply-accumulates; printed by
`python benchmarks/alignment.py`. MYRIAD is what the stick's compiler reckons, no time.

{alignment}

## One thing at a time

{ablation}

## The staircase

Channels that do not fill a step cost as much as if they did. `headcount-train profile` measures
each layer's latency by its channels and finds the step by itself.

{stairs}

![Latency by channels](figures/staircase.png)

## What is not measured

No Raspberry Pi and no Movidius stick was at hand: nothing here is a time on either. The published
method's table (other data, private, and 1.25 % of the parameters pruned) cannot be compared with.
Cluster pruning "as published" is a reconstruction: the order across layers could not be recovered.

<!-- counting: begin -->
<!-- counting: end -->

<!-- delivery: begin -->
<!-- delivery: end -->
"""

PAIRS = (
    ("alignment", "l1", "l1-aligned"),
    ("which clusters (chance against ours)", "random", OURS),
    ("the criterion alone (L1 against Taylor, uniform)", "l1-aligned", "taylor-aligned"),
    ("widths by loss for each millisecond (uniform Taylor against ours)", "taylor-aligned", OURS),
    ("clusters in place of single filters, as published", "filter", "published"),
    ("ours in place of the published order", "published", OURS),
    ("distillation, on ours", OURS, "cluster-distilled"),
    ("distillation, on uniform L1", "l1-aligned", "l1-aligned-distilled"),
)


def page(results: dict[str, Any]) -> str:
    """The page of these results."""
    rows = from_json(results["rows"])
    pruned = PAGE.format(
        setting="\n".join(f"- {key}: {value}" for key, value in results["setting"].items()),
        table=table(rows),
        sweeps=SWEEPS,
        tolerance=PRUNE.tolerance,
        off=off(rows),
        methods=methods_page.views(json.loads(methods_page.RESULTS.read_text())),
        headline=headline_table(json.loads(HEADLINE.read_text())),
        alignment=ALIGNMENT.read_text().strip(),
        ablation=ablation(rows),
        stairs=stairs(results["staircases"]),
    )
    counted = counting_page.renew(pruned, json.loads(COUNTING.read_text()))
    return delivery_page.renew(counted, json.loads(DELIVERY.read_text()))


def off(rows: list[Row | Arm]) -> str:
    """The networks that are not as fast as they were chosen to be."""
    free = {DENSE, *(arm.name for arm in ARMS if arm.int8)}  # they are as fast as they are
    found = [
        f"{row.title}, {share:.1%}"
        for row in rows
        if isinstance(row, Row) and row.name not in free
        for share in row.latencies
        if abs(share / PRUNE.latency - 1) > PRUNE.tolerance
    ]
    return "; ".join(found) or "none"


def ablation(rows: list[Row | Arm]) -> str:
    """Pairs of arms that differ in one thing."""
    found = {row.name: row for row in rows if isinstance(row, Row)}
    lines = ["| what | from | to | AP50 | latency |", "|---|---|---|---|---|"]
    for what, before, after in PAIRS:
        if before not in found or after not in found:
            lines.append(f"| {what} | {before} | {after} | not run | |")
            continue
        a, b = found[before], found[after]
        lines.append(
            f"| {what} | {a.title} | {b.title} | {b.mean - a.mean:+.1f} "
            f"| {a.latency:.0%} to {b.latency:.0%} |"
        )
    return "\n".join(lines)


def stairs(found: list[dict[str, Any]]) -> str:
    """The steps that the profile found, a line for each shape."""
    lines = ["| layer | along | step | one step costs | nearer than a smooth curve |"]
    lines.append("|---|---|---|---|---|")
    for entry in found:
        lines.append(
            f"| {entry['layer']} | {entry['axis']} | {entry['step']} "
            f"| {entry['height'] * 1000:.1f} us | {entry['gain']:.0%} |"
        )
    return "\n".join(lines)


def draw(results: dict[str, Any]) -> None:
    """The page's figures."""
    import matplotlib  # noqa: PLC0415 - drawing alone needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    FIGURES.mkdir(parents=True, exist_ok=True)
    rows = [row for row in from_json(results["rows"]) if isinstance(row, Row)]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True)
    for axis, key, name in ((axes[0], "latency", "latency"), (axes[1], "macs", "MACs")):
        for row in rows:
            x = 100 * getattr(row, key)
            colour = {OURS: "C3", DENSE: "black"}.get(row.name, "C0")
            axis.plot([x] * len(row.ap50), row.ap50, ".", color=colour, alpha=0.4)
            axis.plot(x, row.mean, "o", color=colour)
            axis.annotate(
                row.name, (x, row.mean), xytext=(4, 3), textcoords="offset points", size=7
            )
        axis.set_xlabel(f"{name}, % of the dense network's")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("AP50")
    figure.tight_layout()
    figure.savefig(FIGURES / "pruning.png", dpi=110)
    shown = [entry for entry in results["staircases"] if entry["counts"]][:STAIRS]
    figure, axes = plt.subplots(1, max(len(shown), 1), figsize=(4 * max(len(shown), 1), 3.4))
    for axis, entry in zip([axes] if len(shown) < 2 else axes, shown, strict=False):
        axis.fill_between(entry["counts"], entry["p10"], entry["p90"], alpha=0.3)
        axis.plot(entry["counts"], entry["median"], ".-", markersize=3)
        for step in range(0, max(entry["counts"]) + 1, max(entry["step"], 1)):
            if step >= min(entry["counts"]):
                axis.axvline(step, color="grey", alpha=0.25, linewidth=0.6)
        axis.set_title(f"{entry['layer']}, step {entry['step']}", size=8)
        axis.set_xlabel("channels")
    figure.tight_layout()
    figure.savefig(FIGURES / "staircase.png", dpi=110)


def take(runs: Path, profile: Path) -> None:
    """Copy what the page needs of a comparison and a profile."""
    from training.profile.staircase import find_step  # noqa: PLC0415
    from training.profile.table import LatencyTable  # noqa: PLC0415

    table_ = LatencyTable.read(profile)
    found = []
    for stair in table_.staircases:
        step = find_step(stair)
        found.append(
            {
                "layer": str(stair.shape), "axis": stair.axis, "step": step.size,
                "height": step.height, "gain": step.gain, "counts": stair.counts,
                "median": stair.median, "p10": stair.p10, "p90": stair.p90,
            }
        )  # fmt: skip
    results = {
        **json.loads((runs / "comparison.json").read_text()),
        "staircases": found,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, separators=(",", ":")) + "\n")


def main() -> int:
    """Print the page; with --take, renew the results and the figures first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--take", nargs=2, type=Path, metavar=("RUNS", "PROFILE"))
    args = parser.parse_args()
    if args.take:
        take(*args.take)
        draw(json.loads(RESULTS.read_text()))
    sys.stdout.write(page(json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
