"""What `headcount-train data check`, `import` and `split` do, and the arguments they take."""
# ruff: noqa: PLC0415 - rooms are imported by the verbs that need them

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import CallError, DataError
from training.config import PHOTOS

if TYPE_CHECKING:
    from training.data.check import Findings
    from training.data.dataset import Origin

_LISTED = 20  # groups that are told by name


def add_set_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs that take one set of pictures."""
    check = commands.add_parser("check", help="open every picture, check every box")
    _add_reading(check)
    check.add_argument("--split", default="", help="look at this one alone")
    check.add_argument("--out", type=Path, help="with --fix: write the mended set here")
    check.set_defaults(run=data_check)
    bring = commands.add_parser("import", help="bring a set of any kind into our own layout")
    _add_reading(bring)
    bring.add_argument("--out", type=Path, required=True, help="the new folder")
    bring.set_defaults(run=data_import, split="")
    split = commands.add_parser("split", help="divide a set by clip or camera, never by frame")
    split.add_argument("folder", type=Path, help="a set in our own layout")
    split.add_argument("--by", choices=("clip", "camera"), default="clip")
    split.add_argument("--pattern", default="", help="regular expression; its bracket is the group")
    split.add_argument("--shares", default="0.8,0.1,0.1", help="of train, val and perhaps test")
    split.add_argument("--seed", type=int, default=1)
    split.add_argument("--replace", action="store_true", help="the split.csv that is there")
    split.set_defaults(run=data_split)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """How a set is to be read, and what is done about its faults."""
    parser.add_argument("folder", type=Path, metavar="PATH", help="a folder, or a COCO .json")
    parser.add_argument("--kind", choices=PHOTOS, default="auto")
    parser.add_argument(
        "--classes", default="", metavar="head,person=ignore,…", help="what each class is"
    )
    parser.add_argument("--unit", choices=("share", "percent", "pixel"), default="share",
                        help="of the numbers in YOLO files")  # fmt: skip
    parser.add_argument("--exif", choices=("upright", "stored"), default="",
                        help="what boxes on pictures turned by EXIF are drawn on")  # fmt: skip
    parser.add_argument("--fix", choices=("drop", "clip"), default="",
                        help="leave out what is wrong, or mend what can be mended")  # fmt: skip
    parser.add_argument("--licence", default="not stated", help="of the pictures, one line")


def data_check(args: argparse.Namespace) -> int:
    """Name every problem of a set; with --fix what would be done about it, with --out do it."""
    if args.out and not args.fix:
        raise CallError("--out needs --fix: say whether to drop or to clip what is wrong")
    findings, origin = _examine(args)
    if args.out:
        return _write(findings, origin, args.out)
    return 1 if findings.problems else 0


def data_import(args: argparse.Namespace) -> int:
    """Write a set in our own layout; a set with problems only with --fix."""
    findings, origin = _examine(args)
    if findings.problems and not args.fix:
        raise DataError(
            f"{args.folder}: nothing was written; mend the problems above, or give --fix drop|clip"
        )
    return _write(findings, origin, args.out)


def data_split(args: argparse.Namespace) -> int:
    """Write split.csv by groups of pictures."""
    from training.data.dataset import write_splits
    from training.data.groups import assign, group_pictures, parse_shares
    from training.data.index import PictureIndex

    shares = parse_shares(args.shares)
    names = [path.name for path in PictureIndex(args.folder / "images").paths]
    if not names or not (args.folder / "heads.csv").is_file():
        raise DataError(f"{args.folder}: no heads.csv with images/ here; bring it in with "
                        "`headcount-train data import`")  # fmt: skip
    groups = group_pictures(names, args.by, args.pattern)
    listed = [f"{group} ({len(members)})" for group, members in groups.items()]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    told = ", ".join(listed[:_LISTED]) + more
    print(f"{len(groups)} groups by {args.pattern or args.by}: {told}")
    chosen = assign({group: len(members) for group, members in groups.items()}, shares, args.seed)
    splits = {name: chosen[group] for group, members in groups.items() for name in members}
    write_splits(args.folder, splits, replace=args.replace)
    for split in dict.fromkeys(sorted(chosen.values(), key=("train", "val", "test").index)):
        mine = [group for group, where in chosen.items() if where == split]
        count = sum(len(groups[group]) for group in mine)
        print(f"{split}: {count} pictures ({count / len(names):.0%}) of {len(mine)} groups")
    return 0


def _examine(args: argparse.Namespace) -> tuple[Findings, Origin]:
    """Read, look through, and tell."""
    from training.data.check import examine
    from training.data.dataset import Origin
    from training.data.kinds import open_set, recognise
    from training.data.roles import parse_roles, roles_for
    from training.data.settle import Rules

    raw = open_set(args.folder, args.kind, unit=args.unit)
    seen = recognise(args.folder).line() if args.kind == "auto" else f"{args.kind} (as told)"
    roles = roles_for(raw, parse_roles(args.classes))
    notes = tuple(filter(None, (*raw.notes, roles.note)))
    rules = Rules(roles, raw.labels, args.fix, args.exif)
    print(f"{args.folder}: {seen}", *notes, sep="\n")
    if args.split and args.split not in raw.splits:
        known = ", ".join(raw.splits) or "none"
        raise DataError(f"{args.folder}: no split {args.split!r}; known are {known}")
    findings = examine(raw.of_split(args.split), rules)
    print("\n".join(findings.lines()))
    return findings, Origin(args.folder, raw.kind, args.licence, roles, notes)


def _write(findings: Findings, origin: Origin, out: Path) -> int:
    from training.data.dataset import write_dataset

    write_dataset(findings, origin, out)
    print(f"{out}: written")
    return 0
