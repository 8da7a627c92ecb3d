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
    """All of the picture's boxes, ignored ones too, 0..1."""
    rows, columns = picture.image.shape[:2]
    return (picture.boxes / np.array([columns, rows] * 2, np.float32)).astype(np.float32)


def sides_at_300(boxes: Boxes) -> NDArray[np.float32]:
    """(n,) square root of the area of boxes 0..1, in pixels of a picture squashed to 300x300."""
    size = (boxes[:, 2:] - boxes[:, :2]) * 300
    sides: NDArray[np.float32] = np.sqrt(np.maximum(size[:, 0] * size[:, 1], 0))
    return sides


def histogram(sides: NDArray[np.float32]) -> list[tuple[str, float]]:
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
