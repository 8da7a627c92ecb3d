"""Pictures with head boxes, ready to train on: one `Sample` a picture, whatever its set's kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.errors import DataError
from training.data.kinds import open_set
from training.data.photo import probe
from training.data.records import Problem, RawSet
from training.data.roles import roles_for
from training.data.settle import Labelled, Rules, settle

_HARMLESS = ("unannotated",)  # such pictures are not used


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture file and its boxes: (n, 4) float32 xyxy in pixels, upright; ignore (n,)."""

    path: Path
    boxes: Boxes
    ignore: NDArray[np.bool_]

    @classmethod
    def of(cls, path: Path, rows: Sequence[tuple[tuple[float, ...], bool]]) -> Sample:
        """Build from (box, ignore) pairs."""
        boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
        return cls(path, boxes, np.array([ignore for _, ignore in rows], bool))


def read_heads(path: Path, split: str = "", kind: str = "auto") -> list[Sample]:
    """All pictures of a set or of one split, ordered by name.

    Of the picture files only the headers are read.

    Args:
        path: a folder, or a COCO file.
        split: a name that the set knows; empty for all pictures.
        kind: csv, voc, coco or yolo; auto recognises it.

    Raises:
        DataError: something is wrong (the first fault, with its file and line), a split is empty.
        CallError: there is no such kind, or the set looks like two.
    """
    raw = open_set(path, kind)
    chosen = raw.of_split(split)
    if not chosen.pictures:
        of_split = f" of split {split!r} (known are {', '.join(raw.splits) or 'none'})"
        _refuse(path, raw.problems)
        raise DataError(f"{path}: no pictures{of_split if split else ''} here")
    labelled, problems = settle_set(chosen, raw)
    _refuse(path, problems)
    return [Sample.of(each.path, each.rows) for each in labelled]


def settle_set(chosen: RawSet, whole: RawSet) -> tuple[list[Labelled], list[Problem]]:
    """The labelled pictures of a part of a set by their headers, and all that is wrong."""
    rules = Rules(roles_for(whole), whole.labels)
    labelled, problems = [], list(whole.problems)
    for each in chosen.pictures:
        picture, wrong = settle(each, probe(each.path), rules)
        problems += wrong
        if picture is not None:
            labelled.append(picture)
    return labelled, problems


def _refuse(path: Path, problems: Sequence[Problem]) -> None:
    grave = [problem for problem in problems if problem.kind not in _HARMLESS]
    if grave:
        more = f"; {len(grave) - 1} more: headcount-train data check {path}"
        raise DataError(grave[0].line() + (more if len(grave) > 1 else ""))
