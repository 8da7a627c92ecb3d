"""The SSD head's geometry, shared by both halves: priors, box code, NMS, post-processing.

A detector gives raw `loc` (N, 4) and softmax `conf` (N, classes) with class 0 the background;
this room turns them into `Detections`. Resizing a picture is left to the detector (it needs
OpenCV), the normalisation of its colours to the graph (it takes BGR, 0..255).

    map of stride s            prior k of cell (x, y), pixels of the input
    +---+---+---+              centre  ((x + 0.5) * s, (y + 0.5) * s)
    | . | . | . |              width   sizes[k] * sqrt(aspect)
    +---+---+---+              height  sizes[k] / sqrt(aspect)

Order: map by map, row by row, cell by cell, size by size.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes, Detections

Array = NDArray[np.float32]

_LOG_LIMIT = 4.0  # exp(4) = 55 times a prior's side: beyond any head, and far from an overflow


@dataclass(frozen=True, slots=True)
class PriorMap:
    """One feature map: its stride, prior sizes in pixels of the input, and width / height."""

    stride: int
    sizes: tuple[float, ...]
    aspect: float = 1.0

    def __post_init__(self) -> None:
        positive = all(0 < value < math.inf for value in (self.stride, self.aspect, *self.sizes))
        if not positive or not self.sizes:
            raise ValueError(f"a prior map needs a stride, sizes and an aspect above 0: {self}")


@dataclass(frozen=True, slots=True)
class PriorSpec:
    """All priors of a detector: input size in pixels, its maps, the variances of the code."""

    width: int
    height: int
    maps: tuple[PriorMap, ...]
    variances: tuple[float, float] = (0.1, 0.2)

    def __post_init__(self) -> None:
        positive = all(0 < v < math.inf for v in (self.width, self.height, *self.variances))
        if not positive or not self.maps:
            raise ValueError(f"a prior spec needs an input size, maps and variances: {self}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PriorSpec:
        """Read what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown, or of the wrong kind.
        """
        width, height, maps, variances = _fields(data, ("width", "height", "maps", "variances"))
        first, second = _numbers(variances, 2)
        levels = tuple(_prior_map(level) for level in _list(maps))
        return cls(_whole(width), _whole(height), levels, (first, second))

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the fields of this class."""
        return {
            "width": self.width,
            "height": self.height,
            "maps": [
                {"stride": m.stride, "sizes": list(m.sizes), "aspect": m.aspect} for m in self.maps
            ],
            "variances": list(self.variances),
        }

    @property
    def sha256(self) -> str:
        """Hex digest of the priors, rounded to 1e-6 so that every platform agrees."""
        grid = np.rint(priors(self).astype(np.float64) * 1e6).astype("<i4")
        return hashlib.sha256(grid.tobytes()).hexdigest()


def _prior_map(data: object) -> PriorMap:
    stride, sizes, aspect = _fields(data, ("stride", "sizes", "aspect"))
    return PriorMap(_whole(stride), _numbers(sizes), _numbers([aspect])[0])


def _fields(data: object, names: tuple[str, ...]) -> list[object]:
    if not isinstance(data, Mapping) or set(data) != set(names):
        raise ValueError(f"a prior spec or map must have the fields {', '.join(names)}: {data}")
    return [data[name] for name in names]


def _list(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list: {value}")  # noqa: TRY004 - a wrong file, not a wrong call
    return list(value)


def _numbers(value: object, count: int | None = None) -> tuple[float, ...]:
    values = _list(value)
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != len(values) or count not in (None, len(values)):
        raise ValueError(f"must be a list of {count or ''} numbers: {value}".replace("  ", " "))
    return tuple(numbers)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"must be a whole number: {value}")  # noqa: TRY004
    return value


@lru_cache(maxsize=16)
def priors(spec: PriorSpec) -> Array:
    """(N, 4) priors, cxcywh normalised to the input; read-only, as it is shared."""
    grid = np.concatenate([_map_priors(spec, m) for m in spec.maps]).astype(np.float32)
    grid.setflags(write=False)
    return grid


def _map_priors(spec: PriorSpec, level: PriorMap) -> NDArray[np.float64]:
    columns = math.ceil(spec.width / level.stride)
    rows = math.ceil(spec.height / level.stride)
    root = math.sqrt(level.aspect)
    out = np.empty((rows, columns, len(level.sizes), 4))
    out[..., 0] = ((np.arange(columns) + 0.5) * level.stride / spec.width)[None, :, None]
    out[..., 1] = ((np.arange(rows) + 0.5) * level.stride / spec.height)[:, None, None]
    out[..., 2] = np.asarray(level.sizes) * root / spec.width
    out[..., 3] = np.asarray(level.sizes) / root / spec.height
    return out.reshape(-1, 4)


def encode(boxes: Boxes, anchors: Array, variances: tuple[float, float]) -> Array:
    """Code (n, 4) xyxy boxes against (n, 4) cxcywh priors; sides are clamped to stay finite."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-4)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = (centre - anchors[:, :2]) / (anchors[:, 2:] * variances[0])
    scale = np.clip(np.log(size / anchors[:, 2:]), -_LOG_LIMIT, _LOG_LIMIT) / variances[1]
    return np.concatenate([shift, scale], axis=1).astype(np.float32)


def decode(loc: Array, anchors: Array, variances: tuple[float, float]) -> Boxes:
    """Undo `encode`: (n, 4) codes and (n, 4) cxcywh priors to (n, 4) xyxy boxes."""
    centre = anchors[:, :2] + loc[:, :2] * variances[0] * anchors[:, 2:]
    scale = np.clip(loc[:, 2:] * variances[1], -_LOG_LIMIT, _LOG_LIMIT)
    half = np.exp(scale) * anchors[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def iou_matrix(first: Boxes, second: Boxes) -> Array:
    """(n, m) intersection over union of xyxy boxes; 0 where both have no area."""
    one, other = first.T[:, :, None], np.ascontiguousarray(second.T)[:, None, :]  # by coordinate
    width = np.maximum(np.minimum(one[2], other[2]) - np.maximum(one[0], other[0]), 0)
    height = np.maximum(np.minimum(one[3], other[3]) - np.maximum(one[1], other[1]), 0)
    inter = width * height
    union = _area(first)[:, None] + _area(second)[None, :] - inter
    overlap: Array = (inter / np.maximum(union, 1e-12)).astype(np.float32)
    return overlap


def _area(boxes: Boxes) -> Array:
    side = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    area: Array = side[:, 0] * side[:, 1]
    return area


def nms(boxes: Boxes, scores: Array, iou: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best score first; ties keep their order."""
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    clash = iou_matrix(boxes[order], boxes[order]) > iou
    alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if alive[row]:
            alive[row + 1 :] &= ~clash[row, row + 1 :]
    return order[alive]


def postprocess(
    loc: Array,
    conf: Array,
    spec: PriorSpec,
    *,
    score: float,
    nms_iou: float,
    max_detections: int = 100,
    candidates: int = 400,
) -> Detections:
    """Turn one picture's raw outputs into detections, best score first.

    Only boxes at or above the score are decoded; of these the best `candidates` of each class
    meet in the NMS.

    Args:
        loc: (N, 4) or (1, N, 4) raw box codes.
        conf: (N, classes) or (1, N, classes) probabilities, class 0 the background.
        spec: the priors which the model was trained with.
        score: least probability, 0..1.
        nms_iou: of two boxes which overlap more than this, the better stays.
        max_detections: at most so many come back.
        candidates: a bound on the work of the NMS, per class.

    Raises:
        ValueError: the outputs do not fit the priors.
    """
    anchors = priors(spec)
    loc = loc.reshape(-1, 4)
    if len(loc) != len(anchors) or conf.size % len(anchors):
        raise ValueError(
            f"the model gives {len(loc)} boxes and {conf.size} scores, "
            f"its prior spec has {len(anchors)} priors"
        )
    conf = conf.reshape(len(anchors), -1)
    parts = [Detections.empty()]
    for label in range(1, conf.shape[1]):
        chosen = _best(conf[:, label], score, candidates)
        boxes = decode(loc[chosen], anchors[chosen], spec.variances)
        scores = conf[chosen, label].astype(np.float32)
        keep = nms(boxes, scores, nms_iou)
        labels = np.full(len(keep), label - 1, dtype=np.int64)
        parts.append(Detections(boxes[keep], scores[keep], labels))
    return _merge(parts, max_detections)


def _best(scores: Array, threshold: float, count: int) -> NDArray[np.intp]:
    chosen = np.flatnonzero(scores >= threshold)
    if len(chosen) > count:
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")[:count]]
    return chosen


def _merge(parts: list[Detections], limit: int) -> Detections:
    merged = Detections(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.labels for p in parts]),
    )
    return merged.keep(np.argsort(-merged.scores, kind="stable")[:limit])


def to_tensor(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 3) BGR picture to the graph's (1, 3, height, width) input, a copy."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
