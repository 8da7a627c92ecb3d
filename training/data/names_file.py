"""Class names and splits of a YOLO set: `data.yaml`, `classes.txt` or `obj.names`.

Only the part of YAML that such files use is read: keys with a value, a list or numbered names
below them. Anything else of it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.data.text import read_text

YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
LISTS = ("classes.txt", "obj.names", "labels/classes.txt")
_SPLITS = ("train", "val", "test")
_KEY = re.compile(r"^([A-Za-z_]\w*)\s*:\s*(.*)$")
_ITEM = re.compile(r"^\s*(?:-|(\d+)\s*:)\s*(.+)$")


@dataclass(frozen=True, slots=True)
class Names:
    """Classes by number, and where the pictures of each split are; both perhaps empty."""

    source: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    splits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    root: str = ""  # `path`, to which the splits' paths are relative


def read_names(folder: Path) -> Names:
    """What the folder says about its classes and splits.

    Raises:
        DataError: the file is there, and cannot be read.
    """
    for name in (*YAMLS, *LISTS):
        path = folder / name
        if path.is_file():
            text = read_text(path)
            return _of_yaml(name, text) if name in YAMLS else _of_list(name, text)
    return Names()


def _of_list(name: str, text: str) -> Names:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    return Names(name, dict(enumerate(names)))


def _of_yaml(name: str, text: str) -> Names:
    values: dict[str, dict[int, str]] = {}
    key = ""
    for line in map(_without_comment, text.splitlines()):
        if found := _KEY.match(line):
            key = found[1]
            values[key] = _inline(found[2])
        elif (item := _ITEM.match(line)) and key:
            number = int(item[1]) if item[1] else len(values[key])
            values[key][number] = _bare(item[2])
    splits = {each: list(values[each].values()) for each in _SPLITS if values.get(each)}
    root = values.get("path", {}).get(0, "")
    return Names(name, values.get("names", {}), splits, root)


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line).rstrip()


def _inline(text: str) -> dict[int, str]:
    """A value on the key's own line: one, [a, b], or {0: a, 1: b}."""
    if text.startswith("["):
        return {k: _bare(item) for k, item in enumerate(text.strip("[] ").split(",")) if item}
    if text.startswith("{"):
        pairs = (item.partition(":") for item in text.strip("{} ").split(","))
        return {int(number): _bare(name) for number, _, name in pairs if number.strip().isdigit()}
    return {0: _bare(text)} if text else {}


def _bare(text: str) -> str:
    return text.strip().strip("\"'")
