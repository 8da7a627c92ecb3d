"""Pictures a second of a whole training step, in float32 and bfloat16, and of the input alone.

    python benchmarks/training_speed.py [--data DIR] [--size 300x300] [--width 1.0] [--threads 2]

Prints a table. The recipe is `heads` at another size, its pictures those of SCUT-HEAD, or simulated
doors where the data folder has none. The input pipeline runs in a thread of its own beside the
network, as in a fit; alone, it has one thread. Only an otherwise idle machine gives figures that
count: each is the median of several rounds in which all take turns, with the lowest beside it.

A file called training.py here would hide the package from every program of this folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from edge.scene.pictures import render_training_picture
from training.checkpoint import State, build, new_state
from training.config import Input, Recipe, load_recipe
from training.data.cache import Picture, load_pictures
from training.data.heads import read_heads
from training.data.sampler import Pool, batch
from training.engine import collate, fit, has_bfloat16

SCUT = "heads/scut_head_partB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--size", default="300x300", help="of the input")
    parser.add_argument("--width", type=float, default=1.0, help="of the network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=15, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    plan, pools = setting(args)
    rounds = [measure(plan, pools, args.steps) for _ in range(args.rounds)]
    print(f"{args.size}, width {args.width:g}, batches of {args.batch}, {args.threads} threads,")
    print(f"torch {torch.__version__}, pictures from {pools[0].source.name}\n")
    print("| what | pictures/s | lowest |\n|---|---|---|")
    for name in rounds[0]:
        found = [each[name] for each in rounds]
        print(f"| {name} | {statistics.median(found):.1f} | {min(found):.1f} |")


def setting(args: argparse.Namespace) -> tuple[Recipe, list[Pool]]:
    """The recipe, and one pool of pictures."""
    plan = load_recipe(Path("heads"))
    width, height = map(int, args.size.split("x"))
    have = (args.data / SCUT).is_dir()
    source = dataclasses.replace(
        plan.source[0] if have else plan.source[1], share=1.0, count=args.pictures
    )
    plan = dataclasses.replace(
        plan,
        input=Input(width, height),
        model=dataclasses.replace(plan.model, width=args.width, init=""),
        source=(source,),
        fit=dataclasses.replace(
            plan.fit, batch=args.batch, threads=args.threads, check_every=10**9, log_every=10**9
        ),
    )
    return plan, [Pool(source, pictures(args.data, args.pictures, have=have))]


def pictures(data: Path, count: int, *, have: bool) -> Sequence[Picture]:
    """Photographs, or simulated doors where there are none."""
    if have:
        return load_pictures(read_heads(data / SCUT, "train")[:count])
    drawn = (render_training_picture(np.random.default_rng((1, k)), 400, 300) for k in range(count))
    return [
        Picture(f"rendered {k}", image, boxes, visible < 0.35)
        for k, (image, boxes, visible) in enumerate(drawn)
    ]


def measure(plan: Recipe, pools: list[Pool], steps: int) -> dict[str, float]:
    """One round: pictures a second of everything."""
    found = {}
    modes = [("whole step, float32", False)]
    if has_bfloat16(torch.device(plan.fit.device)):
        modes.append(("whole step, bfloat16", True))
    for name, low in modes:
        mode = dataclasses.replace(plan, fit=dataclasses.replace(plan.fit, bfloat16=low))
        found[name] = whole_step(mode, pools, steps)
    found["input alone, one thread"] = input_alone(plan, pools, steps)
    return found


def whole_step(plan: Recipe, pools: list[Pool], steps: int, warm: int = 3) -> float:
    """As a fit does it, checkpoints left out."""
    state = new_state(build(plan), plan.fit, plan.model.frozen)
    seconds = [run(state, plan, pools, end) for end in (warm, warm + steps)]
    return steps * plan.fit.batch / (seconds[1] - seconds[0])


def run(state: State, plan: Recipe, pools: list[Pool], steps: int) -> float:
    """Fit on to so many steps; the seconds spent on all of them."""
    plan = dataclasses.replace(plan, fit=dataclasses.replace(plan.fit, steps=steps))
    with tempfile.TemporaryDirectory() as folder:
        fit(
            state, pools, plan, out=Path(folder),
            validate=lambda _: {"ap50": 0.0}, report=lambda _: None,
        )  # fmt: skip
    return state.seconds


def input_alone(plan: Recipe, pools: list[Pool], steps: int) -> float:
    """Drawing, augmenting, matching, and nothing else."""
    collate(batch(pools, plan, 0), plan)
    begun = time.perf_counter()
    for step in range(steps):
        collate(batch(pools, plan, step), plan)
    return steps * plan.fit.batch / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
