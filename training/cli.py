"""headcount-train: one function a verb, no logic.

Rooms are imported by the verbs that need them: torch takes seconds, and `--help` none.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import CallError, DataError, HeadcountError
from training.config import Recipe, load_recipe

_EXTRA = ("torch", "faster_coco_eval", "rich")


def _data_check(args: argparse.Namespace) -> int:
    from training.data.check import check
    from training.data.sampler import READERS

    print(check(READERS[args.kind](args.folder, args.split)).line())
    return 0


def _data_priors(args: argparse.Namespace) -> int:
    from training.data.report import prior_report
    from training.data.sampler import READERS

    recipe = load_recipe(args.recipe)
    for source in recipe.source:
        if source.kind in READERS:
            samples = READERS[source.kind](_data(args) / source.path, source.split)
            print(f"{source.name}:\n{prior_report(samples, recipe.spec)}\n")
    return 0


def _fit(args: argparse.Namespace) -> int:
    import torch

    from training.fitting import run_fit

    recipe = _recipe(args)
    torch.set_num_threads(recipe.fit.threads)
    run_fit(
        recipe,
        data=_data(args),
        out=args.out,
        cache=args.cache,
        start=args.start,
        resuming=args.resume,
        minutes=args.minutes,
    )
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from training.evaluate import table
    from training.judging import evaluate_sets, open_model

    scores = evaluate_sets(open_model(args.model), _data(args), args.set)
    print(table(scores))
    if args.json:
        _write(args.json, {s.name: s.to_json() for s in scores})
    return 0


def _export(args: argparse.Namespace) -> int:
    from training.engine import restore
    from training.export import export, write_ir

    exported = export(restore(args.checkpoint)[0])
    args.out.mkdir(parents=True, exist_ok=True)
    xml, weights = write_ir(exported, args.out)
    print(f"{xml}, {weights} ({len(exported.bin) / 1e6:.1f} MB)\n{json.dumps(exported.report())}")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from training.bundle import Label, make_bundle
    from training.engine import restore
    from training.export import export
    from training.zoo import make_zoo_bundle

    try:
        label = Label(
            name=args.name,
            version=args.version,
            counter=args.counter,
            score=args.score,
            nms=args.nms,
            licences=tuple(args.licence),
            metrics=_read(args.metrics) if args.metrics else {},
        )
        now = datetime.now(UTC)
        if args.model.suffix == ".xml":
            bundle = make_zoo_bundle(
                args.model, label, target=args.target, created=now, out=args.out
            )
        else:
            net, recipe = restore(args.model)
            bundle = make_bundle(export(net), recipe, label, created=now, out=args.out)
    except ValueError as error:
        raise CallError(f"the bundle: {error}") from error
    print(f"{bundle.folder}: {args.name} {args.version}, sha256 {bundle.sha256}")
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


def _write(path: Path, values: object) -> None:
    try:
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def _read(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: must hold a JSON object")
    return values


def build_parser() -> argparse.ArgumentParser:
    """The command line, all verbs."""
    parser = argparse.ArgumentParser(
        prog="headcount-train", description="Train a head detector and make it ready for a door."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    _data_verbs(verbs.add_parser("data", help="look at training data"))
    fit = verbs.add_parser("fit", help="train a detector after a recipe")
    fit.add_argument("recipe", type=Path)
    _add_data(fit)
    fit.add_argument("--out", type=Path, default=Path("runs/heads"), help="the run's folder")
    fit.add_argument("--cache", type=Path, default=Path("runs/cache"), help="rendered pictures")
    fit.add_argument("--start", type=Path, help="checkpoint whose weights to begin with")
    fit.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    fit.add_argument("--steps", type=int, help="in place of the recipe's")
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop then; resumable")
    fit.set_defaults(run=_fit)
    _model_verbs(verbs)
    return parser


def _data_verbs(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="data_verb", required=True)
    check = verbs.add_parser("check", help="open every picture, check every box")
    check.add_argument("folder", type=Path)
    check.add_argument("--kind", choices=("csv", "voc"), default="csv")
    check.add_argument("--split", default="")
    check.set_defaults(run=_data_check)
    priors = verbs.add_parser("priors", help="sizes of the heads, and priors that reach them")
    priors.add_argument("recipe", type=Path)
    _add_data(priors)
    priors.set_defaults(run=_data_priors)


def _model_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = verbs.add_parser("evaluate", help="AP of a checkpoint or a bundle")
    evaluate.add_argument("model", type=Path)
    _add_data(evaluate)
    evaluate.add_argument("--set", action="append", metavar="PATH[:SPLIT]", help="repeatable")
    evaluate.add_argument("--json", type=Path, help="write the figures here")
    evaluate.set_defaults(run=_evaluate)
    export = verbs.add_parser("export", help="write the OpenVINO file of a checkpoint")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("--out", type=Path, required=True)
    export.set_defaults(run=_export)
    bundle = verbs.add_parser("bundle", help="write an unsigned bundle of a checkpoint")
    bundle.add_argument("model", type=Path, help="a checkpoint, or a ready-made detector's .xml")
    bundle.add_argument("--target", choices=("head", "body"), default="head", help="with an .xml")
    bundle.add_argument("--out", type=Path, required=True)
    bundle.add_argument("--name", default="heads")
    bundle.add_argument("--version", default="1.0.0")
    bundle.add_argument("--counter", type=int, default=1, help="grows with every release")
    bundle.add_argument("--score", type=float, default=0.4)
    bundle.add_argument("--nms", type=float, default=0.45)
    bundle.add_argument("--licence", action="append", default=[], help="of the training data")
    bundle.add_argument("--metrics", type=Path, help="what `evaluate --json` wrote")
    bundle.set_defaults(run=_bundle)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="the data folder; else $HEADCOUNT_DATA, data/")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the world is wrong, 2 the call is wrong."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except HeadcountError as error:
        print(f"headcount-train: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        mend = "pip install 'headcount[training]'"
        print(f"headcount-train: {error.name} is not installed; run: {mend}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("headcount-train: stopped; `fit` goes on with --resume", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
