"""What rules leave of a detector at the cut, before any training: AP50 on validation pictures.

    python benchmarks/at_the_cut.py --data DIR [--start edge/models/default] [--share 0.45]

Every rule cuts the same dense network to the same share of its multiply-accumulates, in steps of 16
channels unless the rule knows none; each cut is made plainly, and with what goes merged into the
next layer (`training.prune.merging`). What training makes of it, `headcount-train bench` tells.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from training.checkpoint import restore
from training.choosing import Job, cut, reach, selector
from training.config import PHOTOS, Prune
from training.device import Device
from training.materials import Materials, load_materials
from training.models.ssd import SSD
from training.profile.shapes import macs
from training.prune.plan import PruningPlan
from training.prune.widths import layout, widths

STEP = 16
RULES = {
    "L1, uniform": Prune("uniform", "l1"),
    "Taylor, uniform": Prune("uniform", "taylor"),
    "cluster pruning, ours": Prune("cluster", "taylor"),
    "ICP as published": Prune("icp", "l1", published=True),
    "ICP, medoids and noise stay": Prune("icp", keep="medoid"),
    "ICP, largest L1 stay": Prune("icp", "l1"),
    "ICP, ours: largest Taylor stay": Prune("icp", "taylor"),
}


def open_job(start: Path, data: Path, cache: Path) -> Job:
    """The dense network of a checkpoint or bundle, its photos, and MACs in place of a device."""
    trained = restore(start)
    found = layout(trained.net)
    steps = {group.name: min(STEP, group.size) for group in found.groups}
    photos = [source for source in trained.recipe.source if source.kind in PHOTOS]
    even = tuple(dataclasses.replace(source, share=1 / len(photos)) for source in photos)
    recipe = dataclasses.replace(trained.recipe, source=even)
    return Job(
        dense=trained.net, layout=found, recipe=recipe,
        materials=load_materials(recipe, data, cache),
        device=Device(macs, steps, lambda _: 1.0), out=Path(), responses=Path(),
        say=lambda _: None,
    )  # fmt: skip


def chosen(job: Job, share: float) -> PruningPlan:
    """The plan of a job's rule at a share of the MACs."""
    whole, price = job.layout.price({}, macs), job.layout.price
    select = selector(job, 1, job.layout.plan(), job.dense)
    return reach(
        select, lambda plan: price(widths(plan), macs) / whole, share, job.rule.tolerance, job.say
    )


def with_rule(job: Job, rule: Prune) -> Job:
    """The job with other pruning settings."""
    return dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, prune=rule))


def ap50(materials: Materials, net: SSD) -> float:
    """Percent, on the validation pictures."""
    return 100 * materials.validate(net.eval())["ap50"]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--start", type=Path, default=Path("edge/models/default"))
    parser.add_argument("--share", type=float, default=0.45, help="of the dense network's MACs")
    parser.add_argument("--pictures", type=int, default=100, help="of the validation's, the first")
    parser.add_argument("--batches", type=int, default=16, help="of training pictures to look at")
    args = parser.parse_args()
    torch.set_num_threads(1)
    job = open_job(args.start, args.data, args.cache)
    judged = Materials(job.materials.pools, job.materials.validation[: args.pictures])
    whole = job.layout.price({}, macs)
    print(f"dense: {ap50(judged, job.dense):.1f}\n")
    print("| rule | MACs | cut | merged |\n|---|---|---|---|")
    for name, rule in RULES.items():
        job = with_rule(job, dataclasses.replace(rule, batches=args.batches))
        plan, dense = chosen(job, args.share), job.layout.plan()
        merging = Prune("icp", batches=args.batches)
        nets = [
            cut(with_rule(job, each), 1, job.dense, plan, dense)
            for each in (dataclasses.replace(merging, merge=False), merging)
        ]
        scores = " | ".join(f"{ap50(judged, net):.1f}" for net in nets)
        share = job.layout.price(widths(plan), macs) / whole
        print(f"| {name} | {share:.1%} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
