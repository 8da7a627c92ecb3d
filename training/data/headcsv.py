"""Our own layout: `heads.csv`, the pictures in `images/`, perhaps `split.csv`.

`heads.csv` has one row a box (image,label,xmin,ymin,xmax,ymax,width,height; label `head` or
`ignore`, pixels); `split.csv` one row a picture (image,split). A picture without a row in
`heads.csv` has no heads, unless there is a `split.csv` that does not name it either.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import DataError
from training.data.index import PictureIndex, composed
from training.data.records import Problem, RawBox, RawPicture, RawSet, in_order
from training.data.text import read_text

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax", "width", "height")
MANIFEST = "dataset.json"


@dataclass(slots=True)
class _Found:
    boxes: dict[Path, list[RawBox]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[Path, list[str]] = field(default_factory=lambda: defaultdict(list))
    problems: list[Problem] = field(default_factory=list)


def read_csv_set(folder: Path) -> RawSet:
    """Read a folder of this layout.

    Raises:
        DataError: `heads.csv` or `split.csv` cannot be read at all, or lacks a column.
    """
    index, found = PictureIndex(folder / "images"), _Found()
    for where, row in _table(folder / "heads.csv", COLUMNS, found.problems):
        _take_box(where, row, index, found)
    has_splits = (folder / "split.csv").is_file()
    if has_splits:
        for where, row in _table(folder / "split.csv", ("image", "split"), found.problems):
            _take_split(where, row, index, found)
    pictures, known = [], imported(folder)
    for path in index.paths:
        boxes, mine = tuple(found.boxes.get(path, ())), tuple(found.splits.get(path, ()))
        if has_splits and not boxes and not mine:
            what = "neither split.csv nor heads.csv names this picture"
            found.problems.append(Problem(str(path), "unannotated", what))
        else:
            where = boxes[0].where if boxes else str(path)
            upright = composed(path.name) in known  # an import has made sure
            pictures.append(RawPicture(path, where, boxes, mine, upright))
    splits = in_order(split for each in pictures for split in each.splits)
    return RawSet("csv", folder, tuple(pictures), tuple(found.problems), splits)


def imported(folder: Path) -> Mapping[str, str]:
    """The sha256 of each picture by its file name, as an import has written them down."""
    try:
        pictures = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["pictures"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return pictures if isinstance(pictures, dict) else {}


def _take_box(where: str, row: Mapping[str, str], index: PictureIndex, found: _Found) -> None:
    path = index.find(row["image"])
    if path is None:
        found.problems.append(_no_picture(where, index.folder, row["image"]))
        return
    try:
        x1, y1, x2, y2, width, height = (float(row[key]) for key in COLUMNS[2:])
        size = round(width), round(height)
    except (ValueError, OverflowError) as error:
        found.problems.append(Problem(where, "number", f"not a number: {error}"))
        return
    box = RawBox(where, row["label"], (x1, y1, x2, y2), size)
    found.boxes[path].append(box)


def _take_split(where: str, row: Mapping[str, str], index: PictureIndex, found: _Found) -> None:
    path = index.find(row["image"])
    if path is None:
        found.problems.append(_no_picture(where, index.folder, row["image"]))
        return
    mine = found.splits[path]
    if row["split"] in mine:
        what = f"{row['image']} is listed twice in split {row['split']!r}; remove one row"
        found.problems.append(Problem(where, "twice", what))
    else:
        mine.append(row["split"])


def _no_picture(where: str, folder: Path, name: str) -> Problem:
    return Problem(where, "no-picture", f"no such picture {name!r} in {folder}")


def _table(
    path: Path, columns: tuple[str, ...], problems: list[Problem]
) -> Iterator[tuple[str, dict[str, str]]]:
    """(file:line, row) of a CSV that must have these columns; short rows become problems."""
    text = read_text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in columns if name not in (reader.fieldnames or [])]
    if missing:
        hint = "; the columns must be parted by commas" if ";" in text.partition("\n")[0] else ""
        raise DataError(f"{path}:1: no column {', '.join(missing)}{hint}")
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if any(not row[name] for name in columns):
            problems.append(Problem(where, "number", "an empty field"))
        else:
            yield where, row
