"""Head annotations as Pascal VOC XML: `Annotations/*.xml` beside `JPEGImages/`.

Splits are lists of names in `ImageSets/Main/SPLIT.txt`. Objects called `ignore`, or marked
difficult, are ignored; every other object is a head.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from edge.errors import DataError
from training.data.heads import Sample, check_box


def read_voc(folder: Path, split: str = "") -> list[Sample]:
    """All pictures of a folder or of one split, ordered by name.

    Raises:
        DataError: a file is missing or wrong, a box leaves its picture, a split is empty.
    """
    names = _names(folder, split)
    if not names:
        raise DataError(f"{folder}: no Annotations/*.xml{f' of split {split!r}' if split else ''}")
    return [_sample(folder, folder / "Annotations" / f"{name}.xml") for name in names]


def _names(folder: Path, split: str) -> list[str]:
    if not split:
        return sorted(path.stem for path in (folder / "Annotations").glob("*.xml"))
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    try:
        return sorted(line.split()[0] for line in path.read_text().splitlines() if line.strip())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _sample(folder: Path, path: Path) -> Sample:
    try:
        root = ET.parse(path).getroot()  # noqa: S314
    except (OSError, ET.ParseError) as error:
        raise DataError(f"{path}: cannot be read as VOC XML: {error}") from error
    picture = folder / "JPEGImages" / (root.findtext("filename") or f"{path.stem}.jpg")
    if not picture.is_file():
        raise DataError(f"{path}: its picture {picture} does not exist")
    width, height = _number(root, "size/width", path), _number(root, "size/height", path)
    rows = [_object(item, width, height, path, k) for k, item in enumerate(root.findall("object"))]
    return Sample.of(picture, rows)


def _object(
    item: ET.Element, width: float, height: float, path: Path, index: int
) -> tuple[tuple[float, ...], bool]:
    x1, y1, x2, y2 = (
        _number(item, f"bndbox/{key}", path) for key in ("xmin", "ymin", "xmax", "ymax")
    )
    ignore = item.findtext("name") == "ignore" or item.findtext("difficult") == "1"
    return check_box((x1, y1, x2, y2), width, height, f"{path}: object {index + 1}"), ignore


def _number(item: ET.Element, key: str, path: Path) -> float:
    text = item.findtext(key)
    try:
        return float(text or "")
    except ValueError as error:
        raise DataError(f"{path}: {key} is {text!r}, not a number") from error
