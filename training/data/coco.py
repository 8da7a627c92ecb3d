"""COCO: one JSON file a split, with `images`, `annotations` and `categories`.

The pictures lie anywhere below the folder; a crowd (`iscrowd`) is ignored.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import DataError
from training.data.index import PictureIndex
from training.data.records import Problem, RawBox, RawPicture, RawSet, Size, in_order
from training.data.text import read_text

Id = int | str

_SNIFF = 1 << 20  # bytes in which a COCO file shows what it is
_SPLIT = re.compile(r"(?<![a-z])(train|valid|val|test)(?![a-z])")
_FOLDERS = (".", "annotations", "*")


@dataclass(slots=True)
class _Found:
    index: PictureIndex
    pictures: dict[Path, RawPicture] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_coco_set(path: Path) -> RawSet:
    """Read one JSON file, or all of a folder.

    Raises:
        DataError: there is none, or one is not such a file.
    """
    files = coco_files(path)
    if not files:
        raise DataError(f"{path}: no COCO file (*.json with images and annotations)")
    found = _Found(PictureIndex(_root(path)))
    splits = [_read(file, _split(file), found) for file in files]
    found.problems += [
        Problem(str(picture), "unannotated", f"no COCO file names this picture ({files[0].name})")
        for picture in found.index.paths
        if picture not in found.pictures
    ]
    pictures = tuple(found.pictures[key] for key in sorted(found.pictures))
    return RawSet("coco", path, pictures, tuple(found.problems), in_order(filter(None, splits)))


def coco_files(path: Path) -> list[Path]:
    """The files themselves: of a folder, those that look like it."""
    if path.is_file():
        return [path]
    found = {file for name in _FOLDERS for file in path.glob(f"{name}/*.json")}
    return sorted(file for file in found if _looks_like(file))


def _looks_like(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(_SNIFF)
    return b'"images"' in head or b'"annotations"' in head


def _root(path: Path) -> Path:
    """The folder below which the pictures are."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _split(file: Path) -> str:
    """Train of instances_train2017.json or of train/_annotations.json; none of other names."""
    found = _SPLIT.search(file.stem.lower()) or _SPLIT.search(file.parent.name.lower())
    return found[1] if found else ""


def _read(file: Path, split: str, found: _Found) -> str:
    content = _load(file)
    classes = {_id(each, "id"): str(each.get("name")) for each in content["categories"]}
    boxes: dict[Id, list[RawBox]] = defaultdict(list)
    images = {_id(each, "id"): each for each in content["images"]}
    for number, each in enumerate(content["annotations"]):
        where = f"{file}: annotation {each.get('id', f'number {number + 1}')}"
        try:
            boxes[_id(each, "image_id")].append(_box(each, classes, images, where))
        except _Wrong as wrong:
            found.problems.append(Problem(where, wrong.kind, str(wrong)))
    for key, image in images.items():
        _take(f"{file}: image {key}", image, tuple(boxes[key]), split, found)
    return split


class _Wrong(Exception):  # noqa: N818 - caught a few lines above
    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


def _id(each: Mapping[str, Any], key: str) -> Id:
    """A number or a text; whatever else stands there, as text that no other id equals."""
    value = each.get(key)
    return value if isinstance(value, int | str) else f"{key} {value!r}"


def _load(file: Path) -> dict[str, list[dict[str, Any]]]:
    text = read_text(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read as JSON: {error}") from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict):
        raise DataError(f"{file}: must hold a JSON object with {', '.join(lists)}")
    for key in lists:
        items = content.setdefault(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise DataError(f"{file}: {key} must be a list of objects")
    return content


def _box(
    each: Mapping[str, Any],
    classes: Mapping[Id, str],
    images: Mapping[Id, Mapping[str, Any]],
    where: str,
) -> RawBox:
    image = images.get(_id(each, "image_id"))
    if image is None:
        raise _Wrong("no-picture", f"image_id {each.get('image_id')!r} is not among the images")
    label = classes.get(_id(each, "category_id"))
    if label is None:
        raise _Wrong("class", _no_category(each.get("category_id"), classes))
    try:
        x, y, width, height = (float(value) for value in each["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        what = f"bbox is {each.get('bbox')!r}, not four numbers x, y, width, height"
        raise _Wrong("number", what) from error
    corners = (x, y, x + width, y + height)
    return RawBox(where, label, corners, _size(image), hard=bool(each.get("iscrowd")))


def _no_category(number: object, classes: Mapping[Id, str]) -> str:
    known = ", ".join(f"{key} {name}" for key, name in classes.items()) or "none"
    hint = "; to some tools 0 is the background: are all ids one too small?" if number == 0 else ""
    return f"category_id {number!r} is not among the categories ({known}){hint}"


def _size(image: Mapping[str, Any]) -> Size | None:
    size = image.get("width"), image.get("height")
    return size if isinstance(size[0], int) and isinstance(size[1], int) else None  # type: ignore[return-value]


def _take(
    where: str, image: Mapping[str, Any], boxes: tuple[RawBox, ...], split: str, found: _Found
) -> None:
    name = str(image.get("file_name", ""))
    path = found.index.find(name, hints=(split,)) if name else None
    if path is None:
        what = f"no such picture {name!r} below {found.index.folder}"
        found.problems.append(Problem(where, "no-picture", what))
        return
    mine = (split,) if split else ()
    before = found.pictures.get(path)
    if before is None:
        found.pictures[path] = RawPicture(path, where, boxes, mine)
        return
    if mine == before.splits:
        found.problems.append(Problem(where, "twice", f"{name} is listed twice"))
    splits = (*before.splits, *(each for each in mine if each not in before.splits))
    found.pictures[path] = RawPicture(path, before.where, before.boxes + boxes, splits)
