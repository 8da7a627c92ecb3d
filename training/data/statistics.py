"""What a data set's heads look like to a detector: sizes, and whether priors can reach them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.contract.ssd import PriorSpec, iou_matrix, priors
from training.data.cache import Picture

BINS = (0, 8, 12, 16, 24, 32, 48, 64, 96, 300)  # pixels


def normalised(picture: Picture) -> Boxes:
    """The picture's heads that are not ignored, 0..1."""
    rows, columns = picture.image.shape[:2]
    size = np.array([columns, rows] * 2, np.float32)
    return (picture.boxes[~picture.ignore] / size).astype(np.float32)


def head_sides(boxes: Sequence[Boxes]) -> NDArray[np.float64]:
    """Square root of each head's area in a picture squashed to 300x300, in pixels."""
    sides = [np.sqrt(np.prod((b[:, 2:] - b[:, :2]) * 300.0, axis=1)) for b in boxes]
    return np.concatenate(sides) if sides else np.zeros(0)


def histogram(sides: NDArray[np.float64]) -> list[tuple[str, float]]:
    """(bin, share of heads) over `BINS`."""
    counts, _ = np.histogram(sides, BINS)
    names = [f"{low}-{high}" for low, high in itertools.pairwise(BINS)]
    return list(zip(names, counts / max(len(sides), 1), strict=True))


def prior_recall(boxes: Sequence[Boxes], spec: PriorSpec, iou: float = 0.5) -> NDArray[np.bool_]:
    """For each head of boxes normalised to 0..1, whether a prior overlaps it by at least `iou`."""
    anchors = priors(spec)
    half = anchors[:, 2:] / 2
    corners = np.concatenate([anchors[:, :2] - half, anchors[:, :2] + half], axis=1)
    best = [iou_matrix(b, corners).max(axis=1) >= iou for b in boxes if len(b)]
    return np.concatenate(best) if best else np.zeros(0, bool)


def variants(spec: PriorSpec) -> list[tuple[str, PriorSpec]]:
    """The spec and its neighbours: other input shapes, other aspects of its priors."""
    out = [("the recipe", spec)]
    for width, height in ((300, 300), (320, 256), (352, 256), (384, 288)):
        for aspect in (0.7, 0.9, 1.0):
            maps = tuple(replace(level, aspect=aspect) for level in spec.maps)
            name = f"{width}x{height}, w/h {aspect}"
            out.append((name, replace(spec, width=width, height=height, maps=maps)))
    return out
