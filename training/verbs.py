"""What each verb of headcount-train does: the arguments of the command line in, an exit code out.

Rooms are imported by the verbs that need them: torch takes seconds, and `--help` none.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import CallError, DataError
from training.arms import ARMS
from training.config import PHOTOS, Recipe, load_recipe

ARM_NAMES = [arm.name for arm in ARMS]
if TYPE_CHECKING:
    from edge.contract.bundle import Bundle
    from training.bundle import Label
    from training.export import Exported
    from training.int8 import Quantised
    from training.models.ssd import SSD
    from training.ncs.gate import Passed
    from training.ncs.tools import Compiler
    from training.overrides import Aim


def data_priors(args: argparse.Namespace) -> int:
    """Print the sizes of the heads, and the priors that reach them."""
    from training.data.heads import read_heads
    from training.data.report import prior_report

    recipe = load_recipe(args.recipe)
    for source in recipe.source:
        if source.kind in PHOTOS:
            samples = read_heads(_data(args) / source.path, source.split, source.kind)
            print(f"{source.name}:\n{prior_report(samples, recipe.spec)}\n")
    return 0


def data_synthesize(args: argparse.Namespace) -> int:
    """Render pictures of doors, with boxes and a contact sheet."""
    from training.data.synthesis import Order, read_size, read_tilt, write_set
    from training.synth import Wish

    tilt = read_tilt(args.tilt) if args.tilt else None
    wish = Wish(tilt, args.preset, frozenset(args.want))
    order = Order(args.count, args.seed, read_size(args.size), wish)
    print(write_set(order, args.out))
    return 0


def fit(args: argparse.Namespace) -> int:
    """Train a detector after a recipe."""
    import torch

    from training.fitting import run_fit
    from training.overrides import Overrides
    from training.ranks import join
    from training.reporting import write_report

    recipe = load_recipe(args.recipe)
    overrides = Overrides(args.steps, args.epochs, args.patience, args.device, args.workers)
    torch.set_num_threads(recipe.fit.threads)
    with join(os.environ, args.device or recipe.fit.device) as ranks:
        materials = run_fit(
            recipe,
            overrides=overrides,
            data=_data(args),
            out=args.out,
            cache=args.cache,
            start=args.start,
            teacher=args.teacher,
            resuming=args.resume,
            minutes=args.minutes,
            ranks=ranks,
        )
        if ranks.chief:
            print(write_report(args.out, materials.validation))
    return 0


def report(args: argparse.Namespace) -> int:
    """Write the report of a run again."""
    from training.reporting import validation_of, write_report

    print(write_report(args.out, validation_of(args.out, _data(args))))
    return 0


def profile(args: argparse.Namespace) -> int:
    """Measure what a network's layers cost on a device."""
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


def prune(args: argparse.Namespace) -> int:
    """Make a detector small for a device, or only say what that would give."""
    import torch

    from training.account import read_account, table
    from training.overrides import Aim
    from training.prune.plan import read_plan
    from training.pruning import dry_run, open_job, run_prune
    from training.reporting import write_report

    recipe = _recipe(args, Aim(args.method, args.latency, args.target))
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
        print(table(dry_run(job, plan)))
        return 0
    run_prune(job, plan)
    if account := read_account(args.out):
        print(table(account))
    print(write_report(args.out, job.materials.validation))
    return 0


def bench(args: argparse.Namespace) -> int:
    """Compare pruning methods at one measured latency."""
    import torch

    from training.bench import measure_cells, open_contest, run_cells, setting
    from training.comparison import compare, table, to_json
    from training.overrides import Aim

    recipe = _recipe(args, Aim(latency=args.latency, target=args.target))
    arms = args.arms.split(",")
    if strange := sorted(set(arms) - set(ARM_NAMES)):
        raise CallError(f"--arms: no such method: {strange[0]}; known are {', '.join(ARM_NAMES)}")
    if args.sweeps < 1:
        raise CallError(f"--sweeps {args.sweeps}: must be at least 1")
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
    measure_cells(contest, args.sweeps)
    rows = compare(args.out, args.seeds)
    said = {"setting": setting(contest, args.seeds), "rows": to_json(rows)}
    _write(args.out / "comparison.json", said)
    print(table(rows))
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Print how good a checkpoint or a bundle is: on pictures, and on recordings."""
    from training.auditing import Recording, audit_all
    from training.judging import evaluate_sets, open_model
    from training.scoreboard import audit_table, table

    if args.score is not None and not 0 < args.score < 1:
        raise CallError(f"--score {args.score:g}: must lie between 0 and 1")
    recordings = [Recording.parse(text) for text in args.audit]
    model = open_model(args.model, args.precision, args.runtime)
    found = evaluate_sets(model, _data(args), args.set, args.score, args.cache)
    print(table([*found.sets, *found.views]))
    figures = found.to_json()
    if recordings:
        now = datetime.now(UTC)
        figures["audits"] = audit_all(
            args.model, recordings, score=args.score, precision=args.precision, created=now
        )
        print(f"\n{audit_table(figures['audits'])}")
    if args.json:
        _write(args.json, figures)
    return 0


def export(args: argparse.Namespace) -> int:
    """Write the OpenVINO file of a checkpoint or a bundle."""
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


def bundle(args: argparse.Namespace) -> int:
    """Write an unsigned bundle; with `--check ncs` only one that a stick takes.

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
        args.out.parent.mkdir(parents=True, exist_ok=True)
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
    from training.engine import round_to_half
    from training.export import export

    compiler = _compiler(args)
    trained = restore(args.model)
    # The file has no others, and a fit that stopped early has not rounded them (`fit.half`). What
    # that costs is told by `evaluate` of the bundle.
    round_to_half(trained.net)
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


def _recipe(args: argparse.Namespace, aim: Aim) -> Recipe:
    """That of a verb which prunes; where it measures while it trains, both are on the CPU."""
    recipe = aim.over(load_recipe(args.recipe))
    if recipe.fit.device != "cpu" and recipe.prune.target == "latency":
        raise CallError(
            f"[fit] device {recipe.fit.device!r}: {args.verb} measures latency on the CPU alone; "
            "give --target predicted"
        )
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
