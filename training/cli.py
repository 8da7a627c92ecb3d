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
from typing import TYPE_CHECKING, Any

from edge.errors import CallError, DataError, HeadcountError
from training.arms import ARMS
from training.config import Recipe, load_recipe

ARM_NAMES = [arm.name for arm in ARMS]
if TYPE_CHECKING:
    from edge.contract.bundle import Bundle
    from training.bundle import Label
    from training.export import Exported
    from training.int8 import Quantised
    from training.models.ssd import SSD
    from training.ncs.gate import Passed
    from training.ncs.tools import Compiler

_EXTRA = ("torch", "faster_coco_eval", "matplotlib", "rich")


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
        teacher=args.teacher,
        resuming=args.resume,
        minutes=args.minutes,
    )
    return 0


def _profile(args: argparse.Namespace) -> int:
    from training.checkpoint import build, restore
    from training.profile.latency import cpu_clock
    from training.profile.profiling import run_profile

    trained = args.model.suffix == ".pt" or args.model.is_dir()
    net = restore(args.model).net if trained else build(load_recipe(args.model))
    args.out.mkdir(parents=True, exist_ok=True)
    run_profile(
        net,
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        out=args.out,
        quick=args.quick,
        clock=cpu_clock(args.threads),
        now=datetime.now(UTC),
    )
    return 0


def _prune(args: argparse.Namespace) -> int:
    import torch

    from training.prune.plan import read_plan
    from training.pruning import dry_run, open_job, run_prune

    recipe = _recipe(args)
    torch.set_num_threads(recipe.fit.threads)
    job = open_job(
        recipe,
        start=args.start,
        profile=args.profile,
        data=_data(args),
        cache=args.cache,
        out=args.out,
        teacher=args.teacher,
    )
    plan = read_plan(args.plan) if args.plan else None
    if args.dry_run:
        print(dry_run(job, plan))
    else:
        run_prune(job, plan)
    return 0


def _bench(args: argparse.Namespace) -> int:
    import torch

    from training.bench import measure_cells, open_contest, run_cells, setting
    from training.comparison import compare, table, to_json

    recipe, arms = _recipe(args), args.arms.split(",")
    if strange := sorted(set(arms) - set(ARM_NAMES)):
        raise CallError(f"--arms: no such method: {strange[0]}; known are {', '.join(ARM_NAMES)}")
    torch.set_num_threads(recipe.fit.threads)
    contest = open_contest(
        recipe,
        start=args.start,
        profile=args.profile,
        data=_data(args),
        cache=args.cache,
        out=args.out,
        test=args.test,
    )
    run_cells(contest, arms=arms, seeds=args.seeds, minutes=args.minutes)
    measure_cells(contest)
    rows = compare(args.out, args.seeds)
    said = {"setting": setting(contest, args.seeds), "rows": to_json(rows)}
    _write(args.out / "comparison.json", said)
    print(table(rows))
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from training.evaluate import table
    from training.judging import evaluate_sets, open_model

    scores = evaluate_sets(open_model(args.model, args.precision), _data(args), args.set)
    print(table(scores))
    if args.json:
        _write(args.json, {s.name: s.to_json() for s in scores})
    return 0


def _export(args: argparse.Namespace) -> int:
    from training.checkpoint import restore
    from training.export import export, write_ir

    compiler = _compiler(args)
    net = restore(args.checkpoint).net
    exported = export(net)
    report = exported.report()
    if compiler:
        report["ncs"] = _checked_for_stick(compiler, exported, net)
    args.out.mkdir(parents=True, exist_ok=True)
    xml, weights = write_ir(exported, args.out)
    print(f"{xml}, {weights} ({len(exported.bin) / 1e6:.1f} MB)\n{json.dumps(report)}")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    """Write a bundle; one that `--check ncs` was asked for is written only if a stick takes it.

    Without `--check`, nothing is compiled: what is exported here is of the form that sticks read,
    but whether their compiler takes it is then not known.
    """
    from training.bundle import Label

    try:
        label = Label(
            name=args.name,
            version=args.version,
            counter=args.counter,
            score=args.score,
            nms=args.nms,
            licences=tuple(args.licence),
            metrics={key: value for file in args.metrics for key, value in _read(file).items()},
        )
        make = _bundle_ready_made if args.model.suffix == ".xml" else _bundle_trained
        bundle = make(args, label)
    except ValueError as error:
        raise CallError(f"the bundle: {error}") from error
    print(f"{bundle.folder}: {args.name} {args.version}, sha256 {bundle.sha256}")
    return 0


def _bundle_ready_made(args: argparse.Namespace, label: Label) -> Bundle:
    from training.ncs.gate import check_file_for_stick
    from training.zoo import make_zoo_bundle

    if compiler := _compiler(args):
        label = _with_check(label, _said(check_file_for_stick(compiler, args.model)))
    now = datetime.now(UTC)
    return make_zoo_bundle(args.model, label, target=args.target, created=now, out=args.out)


def _bundle_trained(args: argparse.Namespace, label: Label) -> Bundle:
    from training.bundle import make_bundle
    from training.checkpoint import restore
    from training.export import export

    compiler = _compiler(args)
    trained = restore(args.model)
    if trained.plan is not None:
        label = dataclasses.replace(label, plan=trained.plan.to_json())
    exported = export(trained.net)
    if compiler:
        label = _with_check(label, _checked_for_stick(compiler, exported, trained.net))
    int8 = _int8(args, exported, trained.recipe) if args.int8 else None
    now = datetime.now(UTC)
    return make_bundle(exported, trained.recipe, label, created=now, out=args.out, int8=int8)


def _compiler(args: argparse.Namespace) -> Compiler | None:
    """The stick's compiler if `--check ncs` asks for it, looked for before any work is done."""
    from training.ncs.tools import find_compiler, tools_folder

    return find_compiler(tools_folder()) if args.check == "ncs" else None


def _checked_for_stick(compiler: Compiler, exported: Exported, net: SSD) -> dict[str, Any]:
    from training.ncs.gate import check_for_stick

    return _said(check_for_stick(compiler, exported.xml, exported.bin, net))


def _said(passed: Passed) -> dict[str, Any]:
    print(passed.line())
    return passed.to_json()


def _with_check(label: Label, figures: dict[str, Any]) -> Label:
    return dataclasses.replace(label, metrics={**label.metrics, "ncs": figures})


def _int8(args: argparse.Namespace, exported: Exported, recipe: Recipe) -> Quantised:
    from edge.scene.pictures import render_training_picture
    from training.data.sampler import load_pools
    from training.int8 import calibration_pictures, quantise

    pools = load_pools(recipe, _data(args), args.cache, render_training_picture)
    return quantise(exported, calibration_pictures(pools, recipe))


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
    _add_run(fit, "runs/heads")
    fit.add_argument("--start", type=Path, help="checkpoint or bundle whose weights to begin with")
    fit.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop then; resumable")
    fit.set_defaults(run=_fit)
    _pruning_verbs(verbs)
    _model_verbs(verbs)
    return parser


def _pruning_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    profile = verbs.add_parser("profile", help="what a network's layers cost on a device")
    profile.add_argument("model", type=Path, help="a checkpoint, a bundle, or a recipe")
    profile.add_argument("--device", choices=("cpu", "myriad"), default="cpu")
    profile.add_argument("--precision", choices=("f32", "f16", "bf16"), default="f32")
    profile.add_argument("--threads", type=int, default=1)
    profile.add_argument("--quick", action="store_true", help="coarse, in seconds")
    profile.add_argument("--out", type=Path, required=True, help="for profile.json, staircase.png")
    profile.set_defaults(run=_profile)
    prune = verbs.add_parser("prune", help="make a detector small for a device, and fit it again")
    prune.add_argument("recipe", type=Path)
    prune.add_argument("--start", type=Path, required=True, help="the dense checkpoint or bundle")
    prune.add_argument(
        "--profile", required=True, metavar="FILE|myriad", help="what `profile` wrote"
    )
    prune.add_argument("--plan", type=Path, help="cut this plan instead of choosing one")
    prune.add_argument("--dry-run", action="store_true", help="write the plan, print its worth")
    _add_run(prune, "runs/small")
    prune.set_defaults(run=_prune)
    bench = verbs.add_parser("bench", help="compare pruning methods at one measured latency")
    bench.add_argument("recipe", type=Path, help="what all methods get, as `arms`")
    bench.add_argument("--start", type=Path, required=True, help="the dense checkpoint or bundle")
    bench.add_argument(
        "--profile", type=Path, required=True, metavar="FILE", help="what `profile` wrote"
    )
    bench.add_argument("--arms", default=",".join(ARM_NAMES), help="names, with commas between")
    bench.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    bench.add_argument("--minutes", type=float, default=float("inf"), help="begin none after that")
    bench.add_argument("--test", default="heads/scut_head_partB:test", metavar="PATH[:SPLIT]")
    _add_run(bench, "runs/arms")
    bench.set_defaults(run=_bench)


def _add_run(parser: argparse.ArgumentParser, out: str) -> None:
    """What every verb that trains takes."""
    _add_data(parser)
    parser.add_argument("--out", type=Path, default=Path(out), help="the run's folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="rendered pictures")
    parser.add_argument("--steps", type=int, help="in place of the recipe's")
    parser.add_argument(
        "--teacher", type=Path, help="checkpoint or bundle, for a recipe that distils"
    )


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
    evaluate.add_argument(
        "--precision", choices=("f32", "int8"), default="f32", help="which form of a bundle"
    )
    evaluate.add_argument("--set", action="append", metavar="PATH[:SPLIT]", help="repeatable")
    evaluate.add_argument("--json", type=Path, help="write the figures here")
    evaluate.set_defaults(run=_evaluate)
    export = verbs.add_parser("export", help="write the OpenVINO file of a checkpoint")
    export.add_argument("checkpoint", type=Path, help="a checkpoint, or a bundle")
    export.add_argument("--out", type=Path, required=True)
    _add_check(export)
    export.set_defaults(run=_export)
    bundle = verbs.add_parser("bundle", help="write an unsigned bundle of a checkpoint")
    bundle.add_argument(
        "model", type=Path, help="a checkpoint, a bundle, or a ready-made detector's .xml"
    )
    bundle.add_argument("--target", choices=("head", "body"), default="head", help="with an .xml")
    bundle.add_argument("--out", type=Path, required=True)
    bundle.add_argument("--name", default="heads")
    bundle.add_argument("--version", default="1.0.0")
    bundle.add_argument("--counter", type=int, default=1, help="grows with every release")
    bundle.add_argument("--score", type=float, default=0.4)
    bundle.add_argument("--nms", type=float, default=0.45)
    bundle.add_argument("--licence", action="append", default=[], help="of the training data")
    bundle.add_argument("--int8", action="store_true", help="a second form, for CPUs that gain")
    _add_check(bundle)
    _add_data(bundle)
    bundle.add_argument("--cache", type=Path, default=Path("runs/cache"), help="for --int8")
    bundle.add_argument(
        "--metrics", type=Path, action="append", default=[], help="of `evaluate --json`; repeatable"
    )
    bundle.set_defaults(run=_bundle)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        choices=("ncs",),
        help="write nothing unless the Movidius stick's compiler takes it (see `make ncs-tools`)",
    )


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
        print(
            "headcount-train: stopped; `fit` goes on with --resume, others when called again",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
