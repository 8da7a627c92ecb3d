"""headcount-train cifar: the pruning methods on the classifiers that they are published with."""
# ruff: noqa: PLC0415 - torch takes seconds, and `--help` none

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from training.config import DEVICES

if TYPE_CHECKING:
    from training.cifar.pictures import Splits

_RECIPES = ("resnet56", "vgg16", "googlenet")


def add_cifar(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb with its own verbs."""
    parser = commands.add_parser("cifar", help="compare pruning methods on classifiers of CIFAR-10")
    verbs = parser.add_subparsers(dest="cifar_verb", required=True)
    arm = verbs.add_parser("arm", help="run one method after a recipe")
    arm.add_argument("recipe", type=Path)
    arm.add_argument("--arm", default="base", help="`base` trains the dense network")
    arm.add_argument("--seed", type=int, default=1)
    arm.add_argument("--epochs", type=float, help="in place of the recipe's")
    arm.add_argument("--seconds", type=float, default=float("inf"), help="be done by then")
    arm.set_defaults(run=run_arm)
    study = verbs.add_parser("study", help="run many methods side by side on one device")
    study.add_argument("recipes", type=Path, nargs="*", default=[Path(name) for name in _RECIPES])
    study.add_argument("--arms", help="names with commas between, in place of the recipes'")
    study.add_argument("--seeds", type=int, nargs="+", default=[1])
    study.add_argument("--seconds", type=float, default=330.0, help="for all")
    study.add_argument("--bases", type=float, default=120.0, help="seconds for the dense networks")
    study.add_argument("--jobs", type=int, default=8, help="processes at once")
    study.add_argument("--pack", type=Path, help="folder for archives of what is small")
    study.set_defaults(run=run_study)
    for each in (arm, study):
        each.add_argument("--out", type=Path, default=Path("runs/cifar"))
        each.add_argument("--data", type=Path, help="the data folder; else $HEADCOUNT_DATA, data/")
        each.add_argument("--cache", type=Path, default=Path("runs/cache"), help="decoded pictures")
        each.add_argument("--device", choices=DEVICES, default="cpu")
        each.add_argument("--limit", type=int, default=0, help="pictures of a split, for a trial")
    table = verbs.add_parser("table", help="print what the arms came to")
    table.add_argument("out", type=Path)
    table.set_defaults(run=run_table)
    latency = verbs.add_parser("latency", help="time a network's arms on this CPU, by turns")
    latency.add_argument("out", type=Path)
    latency.add_argument("--net", choices=_RECIPES, default="resnet56")
    latency.set_defaults(run=run_latency)
    pack = verbs.add_parser("pack", help="put the zips' pictures into one small file")
    pack.add_argument("--data", type=Path, help="the data folder; else $HEADCOUNT_DATA, data/")
    pack.add_argument("--out", type=Path, required=True)
    pack.set_defaults(run=run_pack)


def run_arm(args: argparse.Namespace) -> int:
    """Run one arm."""
    deadline = time.monotonic() + args.seconds
    import torch

    from training.cifar.arms import BASE, arm_of
    from training.cifar.recipe import load_classifier_recipe
    from training.cifar.running import Run, run_arm, run_base
    from training.verbs import data_folder

    recipe, arm = load_classifier_recipe(args.recipe), arm_of(args.arm)
    if args.device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True  # shapes stay for thousands of steps
    data = data_folder(args)
    splits = _splits(args, data / recipe.data.path, recipe.data.held_out, recipe.data.seed)
    run = Run(
        recipe, splits, args.out, torch.device(args.device), seed=args.seed, epochs=args.epochs,
        deadline=deadline, say=lambda text: print(text, flush=True),
    )  # fmt: skip
    if arm.name == BASE:
        run_base(run, data)
    else:
        run_arm(run, arm)
    return 0


def run_study(args: argparse.Namespace) -> int:
    """Run many arms, print the table, pack what is small."""
    from training.cifar.recipe import load_classifier_recipe
    from training.cifar.study import Plan, pack, run_study
    from training.verbs import data_folder

    begun = time.monotonic()
    data = data_folder(args)
    recipes = {str(path): load_classifier_recipe(path) for path in args.recipes}
    first = next(iter(recipes.values())).data
    _splits(args, data / first.path, first.held_out, first.seed)  # decodes once for all
    plan = Plan(
        recipes=recipes, arms=args.arms.split(",") if args.arms else (), seeds=args.seeds,
        bases_s=args.bases, total_s=args.seconds - (time.monotonic() - begun), jobs=args.jobs,
        out=args.out,
        passed=[
            "--data", str(data), "--cache", str(args.cache), "--device", args.device,
            "--limit", str(args.limit),
        ],
    )  # fmt: skip
    failed = run_study(plan, say=lambda text: print(text, flush=True))
    run_table(args)
    for path in pack(args.out, args.pack) if args.pack else []:
        print(f"wrote {path}")
    return 1 if failed else 0


def run_table(args: argparse.Namespace) -> int:
    """Print the tables of a folder of arms."""
    from training.cifar.table import read_results, table

    for net, results in read_results(args.out).items():
        print(f"### {net}\n\n{table(results)}\n")
    return 0


def run_latency(args: argparse.Namespace) -> int:
    """Print latencies."""
    from training.cifar.recipe import load_classifier_recipe
    from training.cifar.timing import latencies

    print(latencies(load_classifier_recipe(Path(args.net)), args.out))
    return 0


def run_pack(args: argparse.Namespace) -> int:
    """Write the pack of the zips."""
    from training.cifar.pictures import PACK, read_zips, write_pack
    from training.verbs import data_folder

    args.out.mkdir(parents=True, exist_ok=True)
    write_pack(read_zips(data_folder(args) / "cifar10"), args.out / PACK)
    print(f"wrote {args.out / PACK}")
    return 0


def _splits(args: argparse.Namespace, folder: Path, held_out: int, seed: int) -> Splits:
    from training.cifar.pictures import read_splits

    return read_splits(folder, args.cache, held_out=held_out, seed=seed, limit=args.limit)
