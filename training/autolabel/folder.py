"""The folder that `data autolabel` writes: pictures, heads.csv, and a sheet to look through."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from edge.errors import CallError, DataError
from edge.types import Image
from training.autolabel.labels import Label, Labels
from training.autolabel.sheet import Shown, sheet
from training.autolabel.video import Video
from training.data.headcsv import COLUMNS

HEADS, SHEET, STORY = "heads.csv", "sheet.html", "autolabel.json"

Row = dict[str, Any]


def write_folder(
    out: Path, videos: Sequence[tuple[Video, Labels]], story: Mapping[str, Any]
) -> list[Shown]:
    """Write pictures and labels of some recordings; the folder appears when it is whole.

    Raises:
        CallError: the folder is there already.
        DataError: it cannot be written.
    """
    if out.exists():
        raise CallError(f"{out}: is there already; give another --out, or remove it")
    beside = out.with_name(out.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        (beside / "images").mkdir(parents=True)
        shown = [each for video, labels in videos for each in _pictures(beside, video, labels)]
        _write_rows(beside / HEADS, [row for each in shown for row in _rows(each)])
        (beside / STORY).write_text(json.dumps(story, indent=1) + "\n", encoding="utf-8")
        (beside / SHEET).write_text(sheet(shown), encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise DataError(f"{beside}: cannot be written: {error.strerror}") from error
    return shown


def strike(folder: Path, struck: Path) -> tuple[int, int]:
    """Take back what a person has struck out on the sheet: pictures go, boxes are ignored.

    Args:
        folder: from `write_folder`.
        struck: CSV of the sheet: image, box (its number from 0, or empty for the picture).

    Returns:
        How many pictures went, how many boxes are ignored now.

    Raises:
        DataError: a file is missing or names what is not there.
    """
    rows, gone, ignored = _read_rows(folder / HEADS, COLUMNS), set(), set()
    names = {path.name for path in (folder / "images").iterdir()}
    for number, row in enumerate(_read_rows(struck, ("image", "box")), 2):
        if row["image"] not in names:
            raise DataError(f"{struck}:{number}: {folder} has no picture {row['image']!r}")
        if row["box"]:
            ignored.add((row["image"], row["box"]))
        else:
            gone.add(row["image"])
    kept, count, place = [], 0, dict.fromkeys(names, -1)
    for row in rows:
        place[row["image"]] += 1
        if row["image"] in gone:
            continue
        if (row["image"], str(place[row["image"]])) in ignored and row["label"] != "ignore":
            row["label"], count = "ignore", count + 1
        kept.append(row)
    _write_rows(folder / HEADS, kept)
    for name in gone:
        (folder / "images" / name).unlink()
    return len(gone), count


def _pictures(folder: Path, video: Video, labels: Labels) -> Iterable[Shown]:
    wanted = set(labels)
    for frame in video.frames(1):
        if frame.index in wanted:
            name = f"{video.clip}_{frame.index:05d}.png"
            _write_picture(folder / "images" / name, frame.image)
            yield Shown(name, frame.image, tuple(labels[frame.index]))


def _write_picture(path: Path, image: Image) -> None:
    good, data = cv2.imencode(".png", image)
    if not good:
        raise DataError(f"{path}: the picture cannot be encoded")
    path.write_bytes(data.tobytes())


def _rows(shown: Shown) -> Iterable[Row]:
    height, width = shown.image.shape[:2]
    for label in shown.labels:
        x1, y1, x2, y2 = label.box
        values = (x1 * width, y1 * height, x2 * width, y2 * height)
        box = [f"{value:.1f}" for value in values]
        name = "ignore" if label.ignore else "head"
        yield dict(zip(COLUMNS, (shown.name, name, *box, width, height), strict=True))


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    beside = path.with_name(path.name + ".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    beside.replace(path)


def _read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := set(columns) - set(reader.fieldnames or ()):
                raise DataError(f"{path}:1: no column {', '.join(sorted(missing))}")
            return list(reader)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def counts(shown: Sequence[Shown]) -> dict[str, int]:
    """Pictures, heads, ignored places, and pictures without anybody."""
    labels: list[Label] = [label for each in shown for label in each.labels]
    ignored = sum(label.ignore for label in labels)
    return {
        "pictures": len(shown),
        "heads": len(labels) - ignored,
        "ignored": ignored,
        "empty": sum(not each.labels for each in shown),
    }
