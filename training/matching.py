"""Detections against heads: which belong together at IoU 0.5, and the AP50 that follows.

The all-point average precision is our own, so that it can be drawn again and again for a bootstrap
over pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes, Detections
from edge.contract.ssd import iou_matrix

IOU = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """One picture's detections, best score first, and the head that each was given.

    boxes (n, 4), scores (n,); head (n,): its index, or -1; counts (n,): false for a detection that
    only fits an ignored head, and is neither right nor wrong.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    head: NDArray[np.intp]
    counts: NDArray[np.bool_]

    @property
    def hit(self) -> NDArray[np.bool_]:
        """(n,) whether the detection found a head."""
        return self.head >= 0


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture's detections against its heads, at IoU 0.5.

    scores (n,), hit (n,) of the detections that count; heads: how many there are to find.
    """

    scores: NDArray[np.float32]
    hit: NDArray[np.bool_]
    heads: int


def match_heads(found: Detections, heads: Boxes, ignore: NDArray[np.bool_]) -> Match:
    """Match detections to heads greedily, best score first, at IoU >= 0.5; a head but once.

    Args:
        found: boxes 0..1.
        heads: (n, 4) xyxy 0..1.
        ignore: (n,) heads that need not be found.
    """
    order = np.argsort(-found.scores, kind="stable")
    overlap = iou_matrix(found.boxes[order], heads)
    head, counts = np.full(len(order), -1), np.ones(len(order), bool)
    free = ~ignore
    for row in range(len(order)):
        rivals = np.where(free, overlap[row], 0)
        if rivals.size and rivals.max() >= IOU:
            head[row] = rivals.argmax()
            free[head[row]] = False
        elif (overlap[row][ignore] >= IOU).any():
            counts[row] = False
    return Match(found.boxes[order], found.scores[order], head, counts)


def judge(found: Detections, heads: Boxes, ignore: NDArray[np.bool_]) -> Judged:
    """What remains of `match_heads` for an AP."""
    match = match_heads(found, heads, ignore)
    kept = match.counts
    return Judged(match.scores[kept], match.hit[kept], int((~ignore).sum()))


def recall_precision(judged: Sequence[Judged]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision (n,) when the best 1, 2, ... n detections of all pictures count."""
    scores = np.concatenate([j.scores for j in judged])
    hit = np.concatenate([j.hit for j in judged])[np.argsort(-scores, kind="stable")]
    right = np.cumsum(hit)
    heads = max(sum(j.heads for j in judged), 1)
    return right / heads, right / np.arange(1, len(hit) + 1)


def average_precision(judged: Sequence[Judged]) -> float:
    """All-point AP over the pictures; not a number where there is nothing to find."""
    weights = np.ones((1, len(judged)), np.int64)
    return float(weighted_ap(judged, weights)[0])


def bootstrap(
    judged: Sequence[Judged], *, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the AP when the pictures are drawn again with replacement."""
    count = len(judged)
    if count < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=rounds)
    values = weighted_ap(judged, weights)
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def weighted_ap(judged: Sequence[Judged], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rounds,) AP where picture p counts weights[round, p] times."""
    owner = np.repeat(np.arange(len(judged)), [len(j.scores) for j in judged])
    scores = np.concatenate([j.scores for j in judged])
    order = np.argsort(-scores, kind="stable")
    hit = np.concatenate([j.hit for j in judged])[order]
    owner = owner[order]
    heads = weights @ np.array([j.heads for j in judged])
    out = np.full(len(weights), np.nan)
    for number in np.flatnonzero(heads):
        out[number] = _ap(hit, weights[number, owner], int(heads[number]))
    return out


def _ap(hit: NDArray[np.bool_], weight: NDArray[np.int64], heads: int) -> float:
    """Area under the precision envelope; detections come best score first."""
    if not len(hit):
        return 0.0
    gained = hit * weight
    right, all_found = np.cumsum(gained), np.cumsum(weight)
    precision = right / np.maximum(all_found, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * gained).sum() / heads)
