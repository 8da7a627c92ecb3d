"""What rendered pictures are worth: AP50 on real frames, with and without them.

    python benchmarks/synthesis.py [--steps 300] [--seeds 1] [--arms scut synth …] [--out DIR]
    python benchmarks/synthesis.py --figure docs/figures/synthesis.jpg

Every arm starts from the ImageNet weights and gets the same steps of 16 views, seeds and settings;
only the pictures differ. What is judged is the average of the last steps, never a chosen one. An
arm that has its figures in DIR is not trained again, one that was stopped goes on; the table is
printed from all that is there. Sets are told one by one, each with its number of heads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from edge.contract.ssd import PriorMap
from training.checkpoint import restore
from training.config import Input, Recipe, Source, load_recipe
from training.data.cache import load_pictures
from training.data.heads import read_heads
from training.data.synthesis import Order, contact_sheet, tile
from training.evaluate import score, torch_detector
from training.fitting import run_fit
from training.synth import Wish

SETS = ("heads/overhead_bus", "heads/overhead_footfall", "heads/scut_head_partB:val")
ARMS: dict[str, dict[str, float]] = {  # shares of a batch
    "scut": {"scut": 1.0},
    "scut+scene": {"scut": 0.6, "scene": 0.4},
    "scut+synth": {"scut": 0.6, "synth": 0.4},
    "scene": {"scene": 1.0},
    "synth": {"synth": 1.0},
}
POOL_SEED = 9  # of the rendered pictures
FIGURE_SEED = 5


def sources(shares: dict[str, float], count: int) -> tuple[Source, ...]:
    """The sources of an arm; `count` pictures of each that is rendered."""
    made = {
        "scut": Source("scut", "csv", 1.0, path="heads/scut_head_partB", split="train"),
        "scene": Source("scene", "scene", 1.0, count=count, seed=POOL_SEED, overhead=True),
        "synth": Source("synth", "synth", 1.0, count=count, seed=POOL_SEED),
    }
    return tuple(dataclasses.replace(made[name], share=share) for name, share in shares.items())


def recipe(arm: str, *, steps: int, seed: int, count: int) -> Recipe:
    """The shipped recipe, small and short, with the pictures of an arm."""
    base = load_recipe(Path("heads"))
    scale = 224 / base.input.width
    prior = tuple(
        PriorMap(level.stride, tuple(scale * size for size in level.sizes), level.aspect)
        for level in base.prior
    )
    fit = dataclasses.replace(
        base.fit, steps=steps, seed=seed, check_every=min(steps, 500), log_every=50
    )
    return dataclasses.replace(
        base, input=Input(224, 160), prior=prior, source=sources(ARMS[arm], count), fit=fit
    )


def run_arm(plan: Recipe, *, data: Path, out: Path, cache: Path) -> dict[str, Any]:
    """Train and judge one arm; its figures by set."""
    begun = (out / "last.pt").is_file()
    run_fit(plan, data=data, out=out, cache=cache, resuming=begun)
    detect = torch_detector(restore(out / "last.pt").net)
    found = {}
    for name in SETS:
        path, _, split = name.partition(":")
        found[name] = score(name, detect, load_pictures(read_heads(data / path, split))).to_json()
    return found


def table(results: dict[str, dict[str, Any]]) -> str:
    """One row an arm and seed: AP50 with its interval, and recall and false ones at score 0.3."""
    first = next(iter(results.values()))
    heads = [f"{name.removeprefix('heads/')} (n = {first[name]['heads']})" for name in SETS]
    lines = [f"| pictures, seed | {' | '.join(heads)} |", "|---" * (len(SETS) + 1) + "|"]
    for arm, found in results.items():
        cells = []
        for name in SETS:
            f = found[name]
            span = f"[{f['ap50_low']:.2f}, {f['ap50_high']:.2f}]"
            cells.append(f"{f['ap50']:.3f} {span}, {f['recall_03']:.2f} / {f['false_03']}")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def read_results(out: Path, seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """The figures that are there, in the order of the arms."""
    files = {
        f"{arm}, {seed}": out / f"{arm}-{seed}" / "scores.json" for arm in ARMS for seed in seeds
    }
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}


def draw_figure(path: Path) -> None:
    """A contact sheet for a page: 36 pictures, each from the seed and its number."""
    order = Order(36, FIGURE_SEED, (400, 300), Wish())
    sheet = contact_sheet([tile(*order.draw(number)) for number in range(order.count)])
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])


def main() -> None:
    """Train what is missing, print what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path("runs/synthesis"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--count", type=int, default=800, help="rendered pictures of an arm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--arms", nargs="*", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--figure", type=Path, help="draw this contact sheet, and train nothing")
    args = parser.parse_args()
    if args.figure:
        draw_figure(args.figure)
        return
    torch.set_num_threads(1)
    for seed in args.seeds:
        for arm in args.arms:
            folder = args.out / f"{arm}-{seed}"
            if not (folder / "scores.json").is_file():
                plan = recipe(arm, steps=args.steps, seed=seed, count=args.count)
                found = run_arm(plan, data=args.data, out=folder, cache=args.cache)
                (folder / "scores.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(read_results(args.out, args.seeds)))


if __name__ == "__main__":
    main()
