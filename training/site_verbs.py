"""The verbs for one site: label its recordings, fit a detector to it."""
# ruff: noqa: PLC0415 - rooms are imported by the verbs that need them

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.autolabel.looks import Teacher
    from training.quickstart import Run

SHIPPED = "the shipped detector"
DEFAULT = Path(__file__).parent.parent / "edge" / "models" / "default"


def add_site_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`data autolabel` and `data strike`."""
    label = commands.add_parser("autolabel", help="label a door's own recording by itself")
    label.add_argument("video", type=Path, nargs="+")
    label.add_argument("--out", type=Path, required=True, help="the folder to write")
    label.add_argument("--teacher", type=Path, help=f"bundle or checkpoint; else {SHIPPED}")
    label.add_argument(
        "--by", choices=("auto", "teacher", "motion"), default="auto",
        help="who finds the heads; auto: the teacher where it sees those who move, else motion",
    )  # fmt: skip
    label.add_argument("--count", type=int, default=40, help="pictures of each recording, at most")
    label.set_defaults(run=data_autolabel)
    strike = commands.add_parser("strike", help="take back what was struck out on the sheet")
    strike.add_argument("folder", type=Path)
    strike.add_argument("struck", type=Path, help="struck.csv, which the sheet saves")
    strike.set_defaults(run=data_strike)


def add_adapt(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`adapt`."""
    adapt = commands.add_parser("adapt", help="fit a detector to one door in minutes")
    adapt.add_argument("bundle", type=Path, help="a bundle of ours; it stays as it is")
    adapt.add_argument("site", type=Path, help="labelled pictures, or a recording to label first")
    adapt.add_argument("--out", type=Path, required=True, help="gets the new bundle and the report")
    adapt.add_argument(
        "--audit", action="append", default=[], metavar="VIDEO=TRUTH.json",
        help="a recording with truth, by which the score is chosen; repeatable",
    )  # fmt: skip
    adapt.add_argument("--steps", type=int, default=120)
    adapt.add_argument("--name", default="", help="of the new bundle")
    adapt.add_argument("--data", type=Path, help="the data folder; else $HEADCOUNT_DATA, data/")
    adapt.add_argument("--cache", type=Path, default=Path("runs/cache"), help="rendered pictures")
    adapt.set_defaults(run=run_adapt)


def add_quickstart(commands: argparse._SubParsersAction[argparse.ArgumentParser], run: Run) -> None:
    """`quickstart`; `run` runs a command line of headcount-train."""
    quick = commands.add_parser("quickstart", help="from pictures or recordings to a bundle")
    quick.add_argument("source", type=Path, help="a recording, a folder of them, or pictures")
    quick.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    quick.add_argument("--start", type=Path, default=DEFAULT, help="the bundle to begin with")
    quick.add_argument("--steps", type=int, help="of training, in place of the usual")
    quick.set_defaults(run=lambda args: run_quickstart(args, run))


def run_quickstart(args: argparse.Namespace, run: Run) -> int:
    """Take the steps that lead to a bundle."""
    from training.quickstart import Order, follow, plan

    length = () if args.steps is None else ("--steps", str(args.steps))
    steps = plan(Order(args.source, args.start, args.out, length))
    args.out.mkdir(parents=True, exist_ok=True)
    follow(steps, run)
    made = args.out / "bundle"
    print(f"{made}: try it: headcount audit VIDEO --truth TRUTH.json --model {made}")
    return 0


def run_adapt(args: argparse.Namespace) -> int:
    """Fit a bundle to a site and say what that did."""
    import torch

    from training.adapting import Wanted, adapt
    from training.auditing import Recording
    from training.autolabel.labelling import autolabel

    torch.set_num_threads(1)
    recordings = [Recording.parse(text) for text in args.audit]
    site = args.site
    if not site.is_dir():
        site = args.out / "labels"
        autolabel([args.site], site, open_teacher(args.bundle), told_by=str(args.bundle))
        print(f"labelled by itself; look it through and call again: {site / 'sheet.html'}")
    done = adapt(
        args.bundle, site, args.out,
        wanted=Wanted(steps=args.steps, name=args.name, recordings=recordings),
        data=args.data or Path(os.environ.get("HEADCOUNT_DATA", "data")),
        cache=args.cache, now=datetime.now(UTC),
    )  # fmt: skip
    (args.out / "adapt.json").write_text(json.dumps(done.to_json(), indent=1) + "\n")
    print("\n".join(done.lines()))
    print(f"{args.out / 'bundle'}: unsigned; before.jpg and after.jpg show what it finds")
    return 0


def data_autolabel(args: argparse.Namespace) -> int:
    """Label recordings, say what came of it and where to look it through."""
    from training.autolabel.labelling import autolabel

    told = str(args.teacher) if args.teacher else SHIPPED
    by = None if args.by == "auto" else args.by
    done = autolabel(
        args.video, args.out, open_teacher(args.teacher), told_by=told, by=by, count=args.count
    )
    print(
        f"{args.out}: {done['pictures']} pictures, {done['heads']} heads, {done['ignored']} places "
        f"left out, {done['empty']} pictures without anybody\n"
        f"look them through: {args.out / 'sheet.html'}"
    )
    return 0


def data_strike(args: argparse.Namespace) -> int:
    """Take back what a person has struck out."""
    from training.autolabel.folder import strike

    pictures, boxes = strike(args.folder, args.struck)
    print(f"{args.folder}: {pictures} pictures removed, {boxes} boxes no longer learned from")
    return 0


def open_teacher(path: Path | None) -> Teacher:
    """A bundle or checkpoint that finds heads, or heads of bodies; none: the shipped detector."""
    from edge.contract.bundle import read_bundle
    from training.autolabel.teacher import of_bodies, of_heads
    from training.judging import open_model

    folder = path or DEFAULT
    detect = open_model(folder).detect
    bodies = folder.is_dir() and read_bundle(folder).manifest.target == "body"
    return of_bodies(detect) if bodies else of_heads(detect)
