"""headcount-train: one function a verb, no logic."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from edge.errors import CallError, HeadcountError
from training.config import Recipe, load_recipe


def _fit(args: argparse.Namespace) -> int:
    import torch  # noqa: PLC0415 - half a second that other verbs need not wait

    from training.fitting import run_fit  # noqa: PLC0415

    recipe = _recipe(args)
    torch.set_num_threads(recipe.fit.threads)
    run_fit(
        recipe, data=_data(args), out=args.out, cache=args.cache, resuming=args.resume,
        minutes=args.minutes,
    )  # fmt: skip
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    recipe = load_recipe(args.recipe)
    if args.steps is not None:
        if args.steps < 1:
            raise CallError(f"--steps {args.steps}: must be at least 1")
        recipe = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, steps=args.steps))
    return recipe


def _data(args: argparse.Namespace) -> Path:
    folder: Path = args.data or Path(os.environ.get("HEADCOUNT_DATA", "data"))
    if not folder.is_dir():
        raise CallError(f"{folder}: no such data folder; give --data or set HEADCOUNT_DATA")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headcount-train", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fit = verbs.add_parser("fit", help="train a detector after a recipe")
    fit.add_argument("recipe", type=Path)
    fit.add_argument("--data", type=Path)
    fit.add_argument("--out", type=Path, default=Path("runs/heads"))
    fit.add_argument("--cache", type=Path, default=Path("runs/cache"))
    fit.add_argument("--resume", action="store_true")
    fit.add_argument("--steps", type=int)
    fit.add_argument("--minutes", type=float, default=float("inf"))
    fit.set_defaults(run=_fit)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the world is wrong, 2 the call is wrong."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except HeadcountError as error:
        print(f"headcount-train: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
