"""Hold each box against its picture: what it means in pixels, what is wrong, what a fix would do.

Pure decisions: a raw picture and its file's header in, a labelled picture and problems out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError
from training.data.container import Header
from training.data.records import Corners, Problem, RawBox, RawPicture, Size
from training.data.roles import BACKGROUND, Roles, unknown_class

FIXES = ("", "drop", "clip")
EXIF = ("", "upright", "stored")
_SLACK = 1.0  # pixels by which a box may leave its picture: rounding, cut off without a word


@dataclass(frozen=True, slots=True)
class Rules:
    """How a set's boxes are to be understood.

    Attributes:
        roles: of the classes.
        labels: all classes of the set, for messages.
        fix: "" reports, "drop" leaves bad boxes out, "clip" mends those that can be.
        exif: what boxes on turned pictures are drawn on, "upright" or "stored"; "" where only
            the annotated size may tell.
    """

    roles: Roles
    labels: Sequence[str] = ()
    fix: str = ""
    exif: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (("fix", self.fix, FIXES), ("exif", self.exif, EXIF)):
            if value not in known:
                raise CallError(f"--{name} {value!r} must be one of {', '.join(known[1:])}")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture whose boxes are sound.

    Attributes:
        path: of its file.
        size: width and height in pixels, upright.
        rows: (xyxy in pixels, whether it is to be ignored).
        splits: that it is in.
    """

    path: Path
    size: Size
    rows: tuple[tuple[Corners, bool], ...]
    splits: tuple[str, ...] = ()


def settle(raw: RawPicture, header: Header, rules: Rules) -> tuple[Labelled | None, list[Problem]]:
    """The labelled picture, None when all of it is left out, and what was wrong with it."""
    boxes = [box for box in raw.boxes if rules.roles.of(box.label) != "drop"]
    turn, problem = _turn(boxes, header, rules, "upright" if raw.upright else rules.exif)
    problems = [problem] if problem else []
    if turn is None:
        return None, problems
    rows = []
    for box in boxes:
        row, wrong = _settle_box(box, header, turn, rules)
        if row is not None:
            rows.append((row, box.hard or rules.roles.of(box.label) == "ignore"))
        if wrong is not None:
            problems.append(wrong)
    return Labelled(raw.path, header.upright, tuple(rows), raw.splits), problems


def _turn(
    boxes: Sequence[RawBox], header: Header, rules: Rules, exif: str
) -> tuple[int | None, Problem | None]:
    """The EXIF orientation by which boxes must be turned, 1 for none; None: leave the picture out.

    Boxes are on the picture as shown when its annotated size is the shown one, and not the stored
    one as well. Where that cannot tell, `exif` does, and without it nothing is guessed.
    """
    sizes = {box.size for box in boxes if box.size is not None}
    upright, stored = header.upright, header.stored
    if strange := sorted(sizes - {upright, stored}):
        what = (
            f"annotated as {_by(strange[0])}, but the picture has {_by(upright)}: it was resized, "
            "or is another one"
        )
        return None, Problem(boxes[0].where, "size", what, _or_none(rules, "picture left out"))
    if header.orientation == 1 or not boxes or exif == "upright":
        return 1, None
    if exif == "stored":
        return header.orientation, None
    if sizes == {upright} and upright != stored:
        return 1, None
    known = sizes == {stored} and upright != stored
    what = f"the picture is turned by its EXIF orientation {header.orientation}, and its boxes " + (
        f"are drawn on it as stored ({_by(stored)})" if known
        else "may be drawn on it as shown or as stored; say --exif upright or --exif stored"
    )  # fmt: skip
    mended = known and rules.fix == "clip"
    mend = "boxes turned with the picture" if mended else _or_none(rules, "picture left out")
    return header.orientation if mended else None, Problem(boxes[0].where, "turned", what, mend)


def _settle_box(
    box: RawBox, header: Header, turn: int, rules: Rules
) -> tuple[Corners | None, Problem | None]:
    if not rules.roles.of(box.label):
        kind = "background" if box.label.casefold() in BACKGROUND else "class"
        return None, _dropped(box, kind, unknown_class(box.label, rules.roles, rules.labels), rules)
    if not all(map(math.isfinite, box.corners)):
        return None, _dropped(box, "number", f"{_told(box.corners)} is not all numbers", rules)
    corners = box.corners
    width, height = header.stored if turn != 1 else header.upright
    if box.shares:
        x1, y1, x2, y2 = corners
        corners = (x1 * width, y1 * height, x2 * width, y2 * height)
    row, problem = _fit(box, corners, (width, height), rules)
    return (turned_corners(row, header, turn) if row else None), problem


def _fit(
    box: RawBox, corners: Corners, size: Size, rules: Rules
) -> tuple[Corners | None, Problem | None]:
    """The box inside its picture, or what is wrong with it; with "clip" perhaps both."""
    x1, y1, x2, y2 = corners
    clip = rules.fix == "clip"
    if x1 == x2 or y1 == y2:
        return None, _dropped(box, "no-area", f"the box {_told(corners)} has no size", rules)
    if x2 < x1 or y2 < y1:
        what = f"the box {_told(corners)} has no size: its corners are swapped"
        row = _inside((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), size) if clip else None
        return row, _mended(box, "swapped", what, rules, "corners swapped back", row)
    inside = _inside(corners, size)
    if inside is None:
        what = f"the box {_told(corners)} lies outside its picture of {_by(size)}"
        return None, _dropped(box, "outside", what, rules)
    if min(x1, y1) < -_SLACK:
        what = f"the box {_told(corners)} leaves its picture: a corner is negative"
        row = inside if clip else None
        return row, _mended(box, "negative", what, rules, "clipped to the picture", row)
    if x2 > size[0] + _SLACK or y2 > size[1] + _SLACK:
        what = f"the box {_told(corners)} leaves its picture of {_by(size)}"
        row = inside if clip else None
        return row, _mended(box, "leaves", what, rules, "clipped to the picture", row)
    return inside, None


def _inside(corners: Corners, size: Size) -> Corners | None:
    x1, y1, x2, y2 = corners
    x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, float(size[0])), min(y2, float(size[1]))
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def turned_corners(corners: Corners, header: Header, orientation: int) -> Corners:
    """A box on a stored picture, on the same picture as shown."""
    width, height = header.stored
    x1, y1, x2, y2 = corners
    if orientation in (2, 3, 7, 8):  # mirrored before the sides change places
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (y1, x1, y2, x2) if orientation >= 5 else (x1, y1, x2, y2)


def _dropped(box: RawBox, kind: str, what: str, rules: Rules) -> Problem:
    return Problem(box.where, kind, what, _or_none(rules, "box left out"))


def _mended(
    box: RawBox, kind: str, what: str, rules: Rules, mend: str, row: Corners | None
) -> Problem:
    return Problem(box.where, kind, what, mend if row else _or_none(rules, "box left out"))


def _or_none(rules: Rules, mend: str) -> str:
    return mend if rules.fix else ""


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _told(corners: Corners) -> str:
    return "(" + ", ".join(f"{value:g}" for value in corners) + ")"
