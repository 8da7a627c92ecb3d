"""The verbs that label recordings: arguments in, an exit code out."""
# ruff: noqa: PLC0415 - rooms are imported by the verbs that need them

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.autolabel.looks import Teacher

SHIPPED = "the shipped detector"


def add_label_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    from training.autolabel.teacher import of_bodies
    from training.judging import open_model

    folder = path or Path(__file__).parent.parent / "edge" / "models" / "default"
    detect = open_model(folder).detect
    bodies = folder.is_dir() and read_bundle(folder).manifest.target == "body"
    return of_bodies(detect) if bodies else detect
