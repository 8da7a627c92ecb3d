"""YOLO: a text file a picture, in `labels/` beside `images/`, or next to the picture itself.

Each line is `class x y width height`, centre and sides as shares (0..1) of the picture; a polygon
(`class x y x y …`) becomes the box around it. A picture without heads has an empty file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import CallError, DataError
from training.data.index import PictureIndex
from training.data.names_file import LISTS, YAMLS, Names, read_names
from training.data.photo import SUFFIXES
from training.data.records import Corners, Problem, RawBox, RawPicture, RawSet, in_order
from training.data.text import read_text

UNITS = ("share", "percent", "pixel")
_SLACK = 1.001  # a share that rounding has put above 1
_NO_LABELS = re.compile(r"^(classes|train|val|valid|test|requirements|readme.*)$", re.IGNORECASE)
_FOLDERS = ("train", "val", "valid", "test")


@dataclass(slots=True)
class _Found:
    unit: str
    classes: Mapping[int, str]
    problems: list[Problem] = field(default_factory=list)
    too_large: list[tuple[str, list[float]]] = field(default_factory=list)


def read_yolo_set(folder: Path, unit: str = "share") -> RawSet:
    """Read a folder of this layout.

    Args:
        folder: of the set.
        unit: what the numbers are, one of `UNITS`.

    Raises:
        CallError: there is no such unit.
        DataError: there are no label files.
    """
    if unit not in UNITS:
        raise CallError(f"unit {unit!r} must be one of {', '.join(UNITS)}")
    index, names = PictureIndex(folder), read_names(folder)
    found = _Found(unit, names.classes)
    labels = {path: _label_file(path) for path in index.paths}
    if not any(file.is_file() for file in labels.values()) and not names.source:
        raise DataError(f"{folder}: no labels/*.txt beside images/")
    splits = _splits(folder, names, index.paths)
    pictures = tuple(
        RawPicture(path, str(file), tuple(_boxes(file, found)), splits[path])
        for path, file in labels.items()
        if file.is_file()
    )
    found.problems += [_large(where, values, found) for where, values in found.too_large]
    found.problems += _unmatched(folder, labels)
    declared = in_order([*names.splits, *(each for path in splits.values() for each in path)])
    notes = (f"classes are named in {names.source}",) if names.classes else ()
    return RawSet("yolo", folder, pictures, tuple(found.problems), declared, notes)


def looks_like_yolo(folder: Path) -> str:
    """What shows that a folder is of this layout; empty when nothing does."""
    for name in (*YAMLS, *LISTS):
        if (folder / name).is_file():
            return name
    for pattern in ("labels/*.txt", "labels/*/*.txt", "*/labels/*.txt"):
        if next(folder.glob(pattern), None):
            return pattern
    beside = (f for f in folder.glob("*.txt") if any(f.with_suffix(s).is_file() for s in SUFFIXES))
    return next((file.name for file in beside), "")


def _label_file(picture: Path) -> Path:
    """The text file of a picture: images/…/a.jpg has labels/…/a.txt, any other its neighbour."""
    parts = list(picture.with_suffix(".txt").parts)
    for k in range(len(parts) - 2, -1, -1):
        if parts[k] == "images":
            return Path(*parts[:k], "labels", *parts[k + 1 :])
    return picture.with_suffix(".txt")


def _boxes(file: Path, found: _Found) -> Iterator[RawBox]:
    try:
        lines = read_text(file).splitlines()
    except DataError as error:
        what = str(error).removeprefix(f"{file}: ")
        found.problems.append(Problem(str(file), "file", what))
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            box = _box(f"{file}:{number}", line.split(), found)
            if box is not None:
                yield box


def _box(where: str, fields: list[str], found: _Found) -> RawBox | None:
    try:
        number, values = int(float(fields[0])), [float(field) for field in fields[1:]]
    except (ValueError, OverflowError) as error:
        found.problems.append(Problem(where, "number", f"not a number: {error}"))
        return None
    polygon = len(values) >= 6 and len(values) % 2 == 0
    if len(values) != 4 and not polygon:
        what = f"{len(fields)} numbers in place of class, x, y, width, height"
        found.problems.append(Problem(where, "number", what))
        return None
    if found.unit == "share" and max(values) > _SLACK:
        found.too_large.append((where, values))
        return None
    if found.classes and number not in found.classes:
        found.problems.append(Problem(where, "class", _no_class(number, found.classes)))
        return None
    scale = 100 if found.unit == "percent" else 1
    corners = _around(values) if polygon else _corners(values)
    x1, y1, x2, y2 = (value / scale for value in corners)
    label = found.classes.get(number, str(number))
    return RawBox(where, label, (x1, y1, x2, y2), shares=found.unit != "pixel")


def _corners(values: list[float]) -> Corners:
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _around(values: list[float]) -> Corners:
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _no_class(number: int, classes: Mapping[int, str]) -> str:
    known = ", ".join(f"{key} {name}" for key, name in sorted(classes.items()))
    hint = "; YOLO counts classes from 0" if number == len(classes) else ""
    return f"class {number} has no name (known are {known}){hint}"


def _large(where: str, values: list[float], found: _Found) -> Problem:
    """Say which unit the numbers seem to have: one row cannot tell, all of them can."""
    unit = "percent" if max(max(row) for _, row in found.too_large) <= 100 else "pixel"
    what = f"{max(values):g} is above 1; if the set is in {unit}s, read it with --unit {unit}"
    return Problem(where, "unit", what)


def _unmatched(folder: Path, labels: Mapping[Path, Path]) -> Iterator[Problem]:
    """Pictures without a label file, and label files without a picture."""
    known = set(labels.values())
    for path, file in labels.items():
        if not file.is_file():
            what = f"has no {file.name}; if no head is in it, make an empty one"
            yield Problem(str(path), "unannotated", what)
    for file in sorted(folder.rglob("*.txt")):
        in_labels = "labels" in file.relative_to(folder).parts[:-1]
        beside = any(path.parent == file.parent for path in labels)
        if file not in known and (in_labels or beside) and not _NO_LABELS.match(file.stem):
            yield Problem(str(file), "no-picture", "no picture belongs to this file")


def _splits(folder: Path, names: Names, paths: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Splits of each picture: what data.yaml says, else the name of a folder above it."""
    listed = {split: _members(folder, names, split) for split in names.splits}
    out = {}
    for path in paths:
        mine = [
            split
            for split, members in listed.items()
            if any(member == path or member in path.parents for member in members)
        ]
        above = [part for part in path.relative_to(folder).parts[:-1] if part in _FOLDERS]
        out[path] = tuple(mine or above[:1])
    return out


def _members(folder: Path, names: Names, split: str) -> set[Path]:
    """Folders and files that are the split: entries are folders, or lists of files."""
    members: set[Path] = set()
    for entry in names.splits[split]:
        path = _resolve(folder, names.root, entry)
        if path.suffix == ".txt" and path.is_file():
            lines = read_text(path).splitlines()
            members |= {
                _resolve(folder, names.root, line.strip()) for line in lines if line.strip()
            }
        else:
            members.add(path)
    return members


def _resolve(folder: Path, root: str, entry: str) -> Path:
    """An entry's path below the folder: sets are moved, so that roots and `../` lead astray."""
    inner = folder / Path(*[part for part in Path(entry).parts if part not in ("..", ".")])
    path = folder / root / entry
    return path if path.exists() and folder in path.parents and ".." not in path.parts else inner
