"""Head annotations as CSV: one row a box, read into one `Sample` a picture.

The folder holds `heads.csv` (image,label,xmin,ymin,xmax,ymax,width,height; label `head` or
`ignore`), the pictures in `images/`, and perhaps `split.csv` (image,split). A picture that
`split.csv` names and `heads.csv` does not has no heads.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.errors import DataError

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax", "width", "height")
PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture file and its boxes: (n, 4) float32 xyxy in pixels; ignore (n,)."""

    path: Path
    boxes: Boxes
    ignore: NDArray[np.bool_]

    @classmethod
    def of(cls, path: Path, rows: list[tuple[tuple[float, ...], bool]]) -> Sample:
        """Build from (box, ignore) pairs."""
        boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
        return cls(path, boxes, np.array([ignore for _, ignore in rows], bool))


def read_heads(folder: Path, split: str = "") -> list[Sample]:
    """All pictures of a folder or of one split, ordered by name.

    Raises:
        DataError: a file is missing, a row is wrong (with its line), a split is empty.
    """
    rows: dict[str, list[tuple[tuple[float, ...], bool]]] = {
        name: [] for name in sorted(_names(folder, split))
    }
    for name, box, ignore in _boxes(folder / "heads.csv"):
        if name in rows:
            rows[name].append((box, ignore))
    for name in rows:
        if not (folder / "images" / name).is_file():
            raise DataError(f"{folder / 'images' / name}: no such picture, though it is listed")
    return [Sample.of(folder / "images" / name, boxes) for name, boxes in rows.items()]


def _names(folder: Path, split: str) -> set[str]:
    if not split:
        found = {p.name for p in (folder / "images").glob("*") if p.suffix.lower() in PICTURES}
    else:
        lines = _table(folder / "split.csv", ("image", "split"))
        found = {row["image"] for _, row in lines if row["split"] == split}
    if not found:
        raise DataError(f"{folder}: no pictures{f' of split {split!r}' if split else ''} here")
    return found


def _boxes(path: Path) -> Iterator[tuple[str, tuple[float, ...], bool]]:
    for number, row in _table(path, COLUMNS):
        where = f"{path}:{number}"
        try:
            values = [float(row[key]) for key in COLUMNS[2:]]
        except ValueError as error:
            raise DataError(f"{where}: not a number: {error}") from error
        if row["label"] not in ("head", "ignore"):
            raise DataError(f"{where}: label {row['label']!r} must be head or ignore")
        box = check_box((values[0], values[1], values[2], values[3]), values[4], values[5], where)
        yield row["image"], box, row["label"] == "ignore"


def check_box(
    box: tuple[float, float, float, float], width: float, height: float, where: str
) -> tuple[float, float, float, float]:
    """The box, if it has an area and lies in its picture (a pixel of slack, then clipped).

    Raises:
        DataError: it does not; the message begins with `where`.
    """
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        raise DataError(f"{where}: the box {box} has no size; are its corners swapped?")
    if x1 < -1 or y1 < -1 or x2 > width + 1 or y2 > height + 1:
        raise DataError(f"{where}: the box {box} leaves its picture of {width:g}x{height:g}")
    return max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV that must have these columns, none of them empty."""
    try:
        file = path.open(newline="", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise DataError(f"{path}:1: no column {', '.join(missing)}")
        for row in reader:
            if any(not row[name] for name in columns):
                raise DataError(f"{path}:{reader.line_num}: an empty field")
            yield reader.line_num, row
