"""The words of annotations as they are written: boxes with the line they came from, and problems.

A reader turns a folder into a `RawSet` and judges nothing but its own form; what the boxes mean
for their pictures is decided in `training.data.settle`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2
Size = tuple[int, int]  # width, height

PROBLEMS = (  # docs/data.md says of each what it means and how to mend it
    "damaged", "altered", "size", "turned",
    "no-area", "swapped", "negative", "leaves", "outside", "number", "unit",
    "class", "background", "no-picture", "unannotated", "twice", "file",
    "duplicate", "leak", "empty-split",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: file and line, object number or annotation id.
        kind: one of `PROBLEMS`.
        what: what is wrong and how to mend it.
        mend: what the chosen fix does about it; empty without one.
    """

    where: str
    kind: str
    what: str
    mend: str = ""

    def __post_init__(self) -> None:
        assert self.kind in PROBLEMS

    def line(self) -> str:
        """One line for a person."""
        return f"{self.where}: {self.what}" + (f" -> {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True)
class RawBox:
    """One box as written.

    Attributes:
        where: file and line, object number or annotation id.
        label: the class's name.
        corners: xyxy, in pixels of `size`, or 0..1 of the picture when `shares`; unchecked.
        size: width and height that the annotation gives its picture; None: it gives none.
        shares: whether the corners are shares of the picture's sides.
        hard: marked as difficult, or as a crowd: neither right nor wrong to find.
    """

    where: str
    label: str
    corners: Corners
    size: Size | None = None
    shares: bool = False
    hard: bool = False


@dataclass(frozen=True, slots=True)
class RawPicture:
    """One picture file.

    Attributes:
        path: of the file.
        where: who named it.
        boxes: as written.
        splits: that it is in.
        upright: its boxes are known to be drawn on it as shown, whatever its EXIF says.
    """

    path: Path
    where: str
    boxes: tuple[RawBox, ...] = ()
    splits: tuple[str, ...] = ()
    upright: bool = False


@dataclass(frozen=True, slots=True)
class RawSet:
    """A data set as it is written.

    Attributes:
        kind: csv, voc, coco or yolo.
        path: the folder, or the COCO file.
        pictures: in the order of their names.
        problems: what the reader could not make sense of.
        splits: all splits that the set names, also those without pictures.
        notes: what the reader saw and took for granted, a line each.
    """

    kind: str
    path: Path
    pictures: tuple[RawPicture, ...]
    problems: tuple[Problem, ...] = ()
    splits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that boxes have, in order."""
        return tuple(sorted({box.label for each in self.pictures for box in each.boxes}))

    def of_split(self, split: str) -> RawSet:
        """The same with the pictures of one split; all of them for an empty name."""
        if not split:
            return self
        chosen = tuple(each for each in self.pictures if split in each.splits)
        return replace(self, pictures=chosen, splits=(split,))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of splits without repetition: train, val, test first, as people expect them."""
    usual = ("train", "val", "valid", "test")
    return tuple(sorted(set(names), key=lambda n: (usual.index(n) if n in usual else 9, n)))
