"""Write a checked set in our own layout, with one manifest of what it is made of.

All is written into a hidden folder beside the new one, which takes its name at the very end:
a set that is there is whole.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.contract.strict_json import canonical_json
from edge.errors import CallError, DataError
from training.data.check import Findings, Seen
from training.data.headcsv import COLUMNS, MANIFEST
from training.data.index import composed
from training.data.photo import read_photo
from training.data.records import Problem
from training.data.roles import Roles

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest tells of where a set comes from."""

    path: Path
    kind: str
    licence: str
    roles: Roles
    notes: tuple[str, ...] = ()


def write_dataset(findings: Findings, origin: Origin, out: Path) -> None:
    """Write the sound pictures of a set to a new folder: all of it, or nothing.

    Raises:
        CallError: the folder is there already.
        DataError: it cannot be written, as on a full disk; or there is no sound picture.
    """
    if out.exists():
        raise CallError(f"{out}: is there already; give another --out, or remove it")
    if not findings.seen:
        raise DataError("no sound picture is left to write")
    beside = out.with_name(f".{out.name}.part")
    try:
        _clear(beside)
        (beside / "images").mkdir(parents=True)
        _write(findings, origin, beside, out.name)
        beside.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; nothing was kept") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_splits(folder: Path, splits: Mapping[str, str], *, replace: bool) -> None:
    """Write a set's `split.csv`: names of picture files to names of splits.

    Raises:
        CallError: there is one already, and it is not to be replaced.
        DataError: it cannot be written.
    """
    path = folder / "split.csv"
    if path.exists() and not replace:
        raise CallError(f"{path}: is there already; give --replace to make it anew")
    beside = path.with_suffix(".part")
    try:
        _table(beside, ("image", "split"), sorted(splits.items()))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def _clear(folder: Path) -> None:
    """Remove what an interrupted call has left."""
    if folder.exists():
        shutil.rmtree(folder)


def _write(findings: Findings, origin: Origin, folder: Path, name: str) -> None:
    names = file_names([each.picture.path for each in findings.seen])
    named = list(zip(names, findings.seen, strict=True))
    for file, each in named:
        _copy(each, folder / "images" / file)
    _table(folder / "heads.csv", COLUMNS, _boxes(named))
    if any(each.picture.splits for each in findings.seen):
        splits = ([file, (each.picture.splits or ("none",))[0]] for file, each in named)
        _table(folder / "split.csv", ("image", "split"), splits)
    manifest = {
        "schema": SCHEMA,
        "name": name,
        "kind": origin.kind,
        "licence": origin.licence,
        "classes": dict(origin.roles.by_class),
        "notes": list(origin.notes),
        "counts": _counts(findings),
        "pictures": {file: each.sha256 for file, each in named},
        "mended": [_mended(problem, origin.path) for problem in findings.problems],
    }
    (folder / MANIFEST).write_bytes(canonical_json(manifest))


def _mended(problem: Problem, source: Path) -> dict[str, str]:
    """A problem by paths within its set: where it lay on somebody's disk is nobody's business."""
    fields = ("where", "kind", "what", "mend")
    return {field: getattr(problem, field).replace(f"{source}/", "") for field in fields}


def _counts(findings: Findings) -> dict[str, int | dict[str, int]]:
    pictures = [each.picture for each in findings.seen]
    ignored = sum(ignore for each in pictures for _, ignore in each.rows)
    return {
        "pictures": len(pictures),
        "heads": sum(len(each.rows) for each in pictures) - ignored,
        "ignored": ignored,
        "splits": dict(Counter(split for each in pictures for split in each.splits)),
    }


def file_names(paths: Sequence[Path]) -> list[str]:
    """A file name for each path: its own, with its folders before it where two are the same."""
    plain = [composed(path.name) for path in paths]
    often = Counter(name.casefold() for name in plain)
    above = Path(os.path.commonpath([path.parent for path in paths]))
    names = [
        name if often[name.casefold()] == 1 else "__".join(path.relative_to(above).parts)
        for name, path in zip(plain, paths, strict=True)
    ]
    shared = {name for name, number in Counter(names).items() if number > 1}
    if shared:
        raise DataError(f"two pictures are called {sorted(shared)[0]}; rename one")
    return names


def _copy(each: Seen, target: Path) -> None:
    data = read_photo(each.picture.path)
    if hashlib.sha256(data).hexdigest() != each.sha256:
        raise DataError(f"{each.picture.path}: has changed while it was read")
    target.write_bytes(data)


def _boxes(named: Iterable[tuple[str, Seen]]) -> Iterable[list[str]]:
    for file, each in named:
        for corners, ignore in each.picture.rows:
            values = [f"{round(value, 2):.10g}" for value in corners]
            yield [file, "ignore" if ignore else "head", *values, *map(str, each.picture.size)]


def _table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)
