"""The boxes that an annotator would draw around the heads of a cast picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image
from training.synth.cast import Layers
from training.synth.lens import Lens
from training.synth.solids import Array, Floats, Solid, even_directions, surface

_DENSE = even_directions(400)
_OUTLINE = 4.0  # grey levels of spread around a head, below which nobody sees one
_WHOLE = 0.93  # seen of a head of which nothing is hidden: outlines are drawn by pixels


@dataclass(frozen=True, slots=True)
class Heads:
    """boxes (n, 4) float32 xyxy in pixels, which may stick out; visible (n,) share 0..1."""

    boxes: Floats
    visible: Floats


def find_heads(lens: Lens, solids: Sequence[Solid], layers: Layers, people: int) -> Heads:
    """Box every head that the picture shows a part of.

    A head of which a part is hidden in the picture gets the box of what is seen; a head that the
    picture's edge cuts keeps the box of the whole, whose visible share is the less.

    Args:
        lens: the camera.
        solids: of all people and things.
        layers: which of them each pixel shows.
        people: their owners are 1 to `people`.
    """
    owners = np.array([s.owner if s.head else 0 for s in solids] + [0], np.int16)[layers.solid]
    rows = []
    for number in range(1, people + 1):
        hull = [surface(s, _DENSE, clipped=True) for s in solids if s.head and s.owner == number]
        row = _box(lens, np.concatenate(hull), owners == number)
        if row is not None:
            rows.append(row)
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Heads(table[:, :4], table[:, 4])


def can_be_seen(image: Image, boxes: Floats) -> NDArray[np.bool_]:
    """(n,) whether a box and its surroundings differ in brightness by more than noise does."""
    grey = cv2.blur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (5, 5))
    rows, width = grey.shape
    seen = []
    for x1, y1, x2, y2 in boxes.tolist():
        margin = 0.2 * max(x2 - x1, y2 - y1)
        top, left = max(int(y1 - margin), 0), max(int(x1 - margin), 0)
        around = grey[top : min(int(y2 + margin), rows), left : min(int(x2 + margin), width)]
        seen.append(around.size > 0 and float(around.std()) > _OUTLINE)
    return np.array(seen, bool)


def _box(lens: Lens, hull: Array, seen: NDArray[np.bool_]) -> list[float] | None:
    if lens.depth(hull).min() < 0.1:
        return None
    pixels = lens.project(hull)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    size = (lens.width, lens.rows)
    if (high <= 0).any() or (low >= size).any():
        return None
    outline = cv2.convexHull(pixels.astype(np.float32))
    area = max(cv2.contourArea(outline), 1.0)
    visible = min(np.count_nonzero(seen) / area, 1.0)
    inside = _area_inside(outline, size)
    if 0 < visible * area < _WHOLE * inside:
        low, high = _shrunk(low, high, seen, size)
    return [*low, *high, visible]


def _area_inside(outline: Floats, size: tuple[int, int]) -> float:
    """Pixels of an outline within the picture."""
    frame = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    area, _ = cv2.intersectConvexConvex(outline, frame)
    return float(area)


def _shrunk(
    low: Array, high: Array, seen: NDArray[np.bool_],
    size: tuple[int, int],
) -> tuple[Array, Array]:  # fmt: skip
    """The box of what is seen, but for the sides that lie outside the picture."""
    down, across = np.nonzero(seen)
    first, last = np.array([across.min(), down.min()]), np.array([across.max(), down.max()]) + 1
    low = np.where(low > 0, np.maximum(low, first), low)
    high = np.where(high < size, np.minimum(high, last), high)
    return low, high
