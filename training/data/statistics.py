"""What a data set's heads look like to a detector: sizes, and whether priors can reach them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.contract.ssd import PriorSpec, iou_matrix, priors

BINS = (0, 8, 12, 16, 24, 32, 48, 64, 96, 10_000)  # pixels


def head_sides(boxes: Sequence[Boxes], sizes: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Square root of each head's area at a picture squashed to 300x300, in pixels."""
    sides = [
        np.sqrt(np.prod((b[:, 2:] - b[:, :2]) * 300.0 / np.asarray(size), axis=1))
        for b, size in zip(boxes, sizes, strict=True)
    ]
    return np.concatenate(sides) if sides else np.zeros(0)


def histogram(sides: NDArray[np.float64]) -> list[tuple[str, float]]:
    """(bin, share of heads) over `BINS`."""
    counts, _ = np.histogram(sides, BINS)
    names = [f"{low}-{high}" for low, high in zip(BINS[:-2], BINS[1:-1], strict=True)]
    return list(zip([*names, f"{BINS[-2]}+"], counts / max(len(sides), 1), strict=True))


def prior_recall(boxes: Sequence[Boxes], spec: PriorSpec, iou: float = 0.5) -> NDArray[np.bool_]:
    """For each head of boxes normalised to 0..1, whether a prior overlaps it by at least `iou`."""
    anchors = priors(spec)
    half = anchors[:, 2:] / 2
    corners = np.concatenate([anchors[:, :2] - half, anchors[:, :2] + half], axis=1)
    best = [iou_matrix(b, corners).max(axis=1) >= iou for b in boxes if len(b)]
    return np.concatenate(best) if best else np.zeros(0, bool)
