"""What rounding to the device's step is worth at equal multiply-accumulates.

    python benchmarks/alignment.py --profile runs/profile/profile.json [--recipe doors]

The network of a recipe (random weights: latency does not depend on them) is cut uniformly by L1,
once rounded up to the measured steps and once not; the unaligned share is searched until both have
the same MACs within 1 %. CPU: measured, all networks in turn. MYRIAD: the cost and the stages that
its compiler reckons, by formula; a proof among the tests holds the formula to the compiler.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from training.checkpoint import build
from training.config import load_recipe
from training.device import clusters
from training.models.ssd import SSD
from training.profile.latency import measure_nets
from training.profile.myriad import MyriadTable, total
from training.profile.shapes import shapes
from training.profile.table import LatencyTable
from training.prune.cluster import Limits, limits, uniform
from training.prune.criteria import Evidence, l1
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import Layout, layout, widths

RATIOS = (0.75, 0.63, 0.45)
EQUAL = 0.01  # of the MACs


def pair(
    found: Layout, ranking: dict[str, np.ndarray], ratio: float, to: Limits
) -> list[PruningPlan]:
    """An aligned plan, and an unaligned one of the same MACs within 1 %."""
    aligned = uniform(found, ranking, ratio, to, align=True)
    wanted = found.size(widths(aligned))[0]
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        loose = uniform(found, ranking, middle, to, align=False)
        macs = found.size(widths(loose))[0]
        if abs(macs / wanted - 1) <= EQUAL:
            return [aligned, loose]
        low, high = (middle, high) if macs < wanted else (low, middle)
    raise SystemExit(f"no unaligned network of {wanted} MACs within 1 % was found")


def stick(net: SSD) -> str:
    """Cost and stages of a network for the stick."""
    sum_ = total(shapes(net))
    return f"{sum_.cost} | {sum_.stages}"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path("doors"))
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    net = build(load_recipe(args.recipe)).eval()
    table = LatencyTable.read(args.profile)
    found = layout(net)
    rng = np.random.default_rng(0)
    ranking = {g.name: l1(net, g, Evidence(), rng) for g in found.groups}
    print("| kept | device | aligned: MACs | ms | unaligned: MACs | ms | aligned is faster by |")
    print("|---|---|---|---|---|---|---|")
    for ratio in RATIOS:
        to = limits(found, clusters(found, table), 0.0)
        nets = [apply(net, plan) for plan in pair(found, ranking, ratio, to)]
        clock = measure_nets({"aligned": nets[0], "loose": nets[1]}, rounds=args.rounds)
        macs = [found_.size({})[0] / 1e6 for found_ in map(layout, nets)]
        ms = [clock["aligned"].median, clock["loose"].median]
        print(
            f"| {ratio:.0%} | CPU | {macs[0]:.0f} M | {ms[0]:.2f} | {macs[1]:.0f} M | {ms[1]:.2f} "
            f"| {1 - ms[0] / ms[1]:.1%} |"
        )
    print("\n| kept | device | aligned: MACs | cost | stages | unaligned: MACs | cost | stages |")
    print("|---|---|---|---|---|---|---|---|")
    for ratio in RATIOS:
        to = limits(found, clusters(found, MyriadTable()), 0.0)
        nets = [apply(net, plan) for plan in pair(found, ranking, ratio, to)]
        macs = [found_.size({})[0] / 1e6 for found_ in map(layout, nets)]
        print(
            f"| {ratio:.0%} | MYRIAD | {macs[0]:.0f} M | {stick(nets[0])} "
            f"| {macs[1]:.0f} M | {stick(nets[1])} |"
        )


if __name__ == "__main__":
    main()
