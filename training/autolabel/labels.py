"""Which pictures of a recording are kept, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.types import Box
from training.autolabel.looks import Seen
from training.autolabel.ways import Verdict, Way

CUT = 0.6  # share of a head inside the picture, below which it is not learned from
EMPTY = 0.25  # share of pictures without anybody among those that are kept


@dataclass(frozen=True, slots=True)
class Label:
    """One box 0..1: a head, or a place where nobody is asked (`ignore`)."""

    box: Box
    ignore: bool


Labels = Mapping[int, Sequence[Label]]  # by the picture's number


def choose(
    pictures: Sequence[Seen],
    ways: Sequence[Way],
    told: Mapping[int, Sequence[tuple[Box, Verdict]]],
    count: int,
) -> Labels:
    """At most `count` pictures: each believed person at moments far apart, and the empty door.

    Left out are pictures of which more is doubted than believed. Where somebody moves whom
    nothing explains, alone or close to others, the place is ignored.

    Args:
        pictures: all that were looked at.
        ways: of all candidates.
        told: boxes by picture, from `ways.by_picture`.
        count: how many are wanted.
    """
    by_number = {picture.index: picture for picture in pictures}
    good = {number for number, boxes in told.items() if _is_clear(boxes)}
    empty = [p.index for p in pictures if p.still and p.index not in told and not len(p.heads)]
    empty = _spread(empty, math.ceil(EMPTY * count))
    chosen = _of_ways([w for w in ways if w.verdict() is Verdict.HEAD], good, count - len(empty))
    return {
        number: _labels(by_number[number], told.get(number, ()))
        for number in sorted({*chosen, *empty})
    }


def _is_clear(boxes: Sequence[tuple[Box, Verdict]]) -> bool:
    sure = sum(verdict is Verdict.HEAD for _, verdict in boxes)
    return sure > 0 and 2 * sure >= len(boxes)


def _of_ways(ways: Sequence[Way], good: set[int], count: int) -> set[int]:
    """Numbers of pictures, about equally many for each way."""
    chosen: set[int] = set()
    rows = [sorted(good & way.seen.keys()) for way in ways]
    for left, row in zip(range(len(rows), 0, -1), sorted(rows, key=len), strict=True):
        chosen |= set(_spread(row, round((count - len(chosen)) / left)))
    return chosen


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, evenly."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[int((k + 0.5) * len(numbers) / count)] for k in range(count)]


def _labels(picture: Seen, boxes: Sequence[tuple[Box, Verdict]]) -> list[Label]:
    found = [
        Label(_clip(box), verdict is not Verdict.HEAD or _area(_clip(box)) < CUT * _area(box))
        for box, verdict in boxes
    ]
    for x1, y1, x2, y2 in picture.blobs:
        if not any(x1 <= x <= x2 and y1 <= y <= y2 for x, y in map(_middle, found)):
            found.append(Label((x1, y1, x2, y2), True))
    found.extend(Label(box, True) for box in picture.strangers)
    return [label for label in found if _area(label.box) > 0]


def _clip(box: Box) -> Box:
    x1, y1, x2, y2 = np.clip(box, 0, 1).tolist()
    return x1, y1, x2, y2


def _middle(label: Label) -> tuple[float, float]:
    x1, y1, x2, y2 = label.box
    return (x1 + x2) / 2, (y1 + y2) / 2


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
