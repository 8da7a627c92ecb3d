"""Pascal VOC XML: `Annotations/*.xml` beside `JPEGImages/`, or both in one folder.

Splits are lists of names in `ImageSets/Main/SPLIT.txt`. Objects marked difficult are ignored.
Whether a set counts pixels from 0 or from 1 is told from the set itself, see `_from_one`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.errors import DataError
from training.data.index import PictureIndex, composed
from training.data.records import Problem, RawBox, RawPicture, RawSet, Size, in_order
from training.data.text import read_text

FOLDERS = ("Annotations", "annotations", "labels", ".")


def read_voc_set(folder: Path) -> RawSet:
    """Read a folder of this layout.

    Raises:
        DataError: there are no annotations.
    """
    files = annotation_files(folder)
    if not files:
        raise DataError(f"{folder}: no Annotations/*.xml")
    index = _pictures(folder)
    problems: list[Problem] = []
    names = {composed(path.stem) for path in files}
    splits, declared = _splits(folder / "ImageSets" / "Main", names, problems)
    pictures: dict[Path, RawPicture] = {}
    for file in files:
        picture = _picture(file, index, splits, problems)
        if picture is not None and (other := pictures.get(picture.path)):
            what = f"{picture.path.name} is annotated by {other.where}, too"
            problems.append(Problem(str(file), "twice", what))
        elif picture is not None:
            pictures[picture.path] = picture
    problems += [
        Problem(str(path), "unannotated", "no XML file belongs to this picture")
        for path in index.paths
        if path not in pictures and composed(path.stem) not in names
    ]
    ordered, notes = _from_one([pictures[path] for path in sorted(pictures)])
    return RawSet("voc", folder, ordered, tuple(problems), declared, notes)


def annotation_files(folder: Path) -> list[Path]:
    """The XML files of a folder's annotations."""
    for name in FOLDERS:
        if files := sorted((folder / name).glob("*.xml")):
            return files
    return []


def _pictures(folder: Path) -> PictureIndex:
    usual = [folder / name for name in ("JPEGImages", "images") if (folder / name).is_dir()]
    return PictureIndex(usual[0] if usual else folder)


def _splits(
    folder: Path, names: set[str], problems: list[Problem]
) -> tuple[Mapping[str, Sequence[str]], tuple[str, ...]]:
    """Splits by the annotation's name, and all names of splits.

    `trainval` is the union of two others, and lists of two columns say which class a picture
    has: neither is a split.
    """
    found: dict[str, list[str]] = defaultdict(list)
    declared = []
    for path in sorted(folder.glob("*.txt")):
        lines = [composed(line.strip()) for line in read_text(path).splitlines()]
        if path.stem == "trainval" or _by_class(lines, names):
            continue
        declared.append(path.stem)
        for number, name in enumerate(lines, start=1):
            if name in names:
                found[name].append(path.stem)
            elif name:
                what = f"no annotation {name}.xml belongs to this entry"
                problems.append(Problem(f"{path}:{number}", "unannotated", what))
    return found, in_order(declared)


def _by_class(lines: list[str], names: set[str]) -> bool:
    """Whether lines are names with a flag; a name may well end in " 1" itself."""
    filled = [line for line in lines if line]
    flagged = all(line.rpartition(" ")[2] in ("-1", "0", "1") for line in filled)
    return flagged and bool(filled) and names.isdisjoint(filled)


def _picture(
    path: Path, index: PictureIndex, splits: Mapping[str, Sequence[str]], problems: list[Problem]
) -> RawPicture | None:
    try:
        root = ET.parse(path).getroot()  # noqa: S314
    except (OSError, ET.ParseError, LookupError, ValueError) as error:
        problems.append(Problem(str(path), "file", f"cannot be read as VOC XML: {error}"))
        return None
    name = root.findtext("filename") or path.stem
    named, own = index.find(name), index.find_stem(path.stem)
    picture = named or own
    if picture is None or (named and own and named != own):
        what = f"its picture {name!r} is not in {index.folder}"
        if picture is not None:
            what = f"its <filename> says {name!r}, but its own name {own and own.name!r}"
        problems.append(Problem(str(path), "no-picture", what))
        return None
    size = _size(root)
    boxes = []
    for number, item in enumerate(root.iter("object"), start=1):
        try:
            boxes.append(_object(item, size, f"{path}: object {number}"))
        except ValueError as error:
            problems.append(Problem(f"{path}: object {number}", "number", str(error)))
    return RawPicture(picture, str(path), tuple(boxes), tuple(splits.get(composed(path.stem), ())))


def _size(root: ET.Element) -> Size | None:
    """What the file says; tools that do not know it write nothing or 0."""
    try:
        size = round(_number(root, "size/width")), round(_number(root, "size/height"))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _object(item: ET.Element, size: Size | None, where: str) -> RawBox:
    x1, y1, x2, y2 = (_number(item, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax"))
    label = (item.findtext("name") or "").strip()
    return RawBox(where, label, (x1, y1, x2, y2), size, hard=item.findtext("difficult") == "1")


def _number(item: ET.Element, key: str) -> float:
    text = item.findtext(key)
    try:
        return float(text or "")
    except ValueError as error:
        raise ValueError(f"{key} is {text!r}, not a number") from error


def _from_one(pictures: list[RawPicture]) -> tuple[tuple[RawPicture, ...], tuple[str, ...]]:
    """Move a set that counts its pixels from 1 to one that counts from 0.

    It counts from 1 when all corners are whole numbers, none lies at 0, some lie at 1, and some
    reach their picture's width or height: such boxes name their first and last pixel. The first
    one moves by 1; the last one's far edge is where the box ends already:

        pixels from 1   | 1 | 2 | 3 |      xmin 1, xmax 3
        edges           0   1   2   3      x1 = xmin - 1 = 0, x2 = xmax = 3
    """
    boxes = [box for each in pictures for box in each.boxes]
    near = [value for box in boxes for value in box.corners[:2]]
    whole = all(value.is_integer() for box in boxes for value in box.corners)
    far = any(
        box.size is not None and (box.corners[2] == box.size[0] or box.corners[3] == box.size[1])
        for box in boxes
    )
    if not near or not whole or min(near) != 1 or not far:
        return tuple(pictures), ()
    note = (
        f"pixels count from 1 here (no corner at 0, {near.count(1)} at 1, some at the far edge): "
        "1 was taken from every xmin and ymin"
    )
    moved = [replace(each, boxes=tuple(map(_moved, each.boxes))) for each in pictures]
    return tuple(moved), (note,)


def _moved(box: RawBox) -> RawBox:
    x1, y1, x2, y2 = box.corners
    return replace(box, corners=(x1 - 1, y1 - 1, x2, y2))
