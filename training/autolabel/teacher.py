"""A detector that is at hand already as a teacher: what it finds, as heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge.contract.detections import Boxes, Detections
from edge.types import Image
from training.autolabel.looks import SURE, Teacher, Told

Detect = Callable[[Image], Detections]  # boxes 0..1

# Of a whole body's box, seen obliquely: a person is about seven heads high.
_HIGH, _WIDE = 0.15, 0.85  # a head's height in the body's, and its width in its height
_UPRIGHT = 0.45  # width over height of a body; in a wider one, striding or bent, who knows where


def of_heads(heads: Detect) -> Teacher:
    """A detector that finds heads."""
    return lambda image: Told(heads(image))


def of_bodies(bodies: Detect) -> Teacher:
    """A detector that finds whole bodies: the heads of upright ones, and that others are there."""

    def tell(image: Image) -> Told:
        found, aspect = bodies(image), image.shape[1] / image.shape[0]
        size = found.boxes[:, 2:] - found.boxes[:, :2]
        upright = size[:, 0] * aspect <= _UPRIGHT * size[:, 1]
        others = found.boxes[~upright & (found.scores >= SURE)]
        heads = found.keep(upright)
        unclear = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in others)
        return Told(Detections.of(head_of_body(heads.boxes, aspect), heads.scores), unclear)

    return tell


def head_of_body(boxes: Boxes, aspect: float) -> Boxes:
    """(n, 4) heads at the top of (n, 4) bodies, 0..1; `aspect` is the picture's width / height."""
    high = _HIGH * (boxes[:, 3] - boxes[:, 1])
    half = high * _WIDE / aspect / 2
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    top = boxes[:, 1]
    return np.stack([middle - half, top, middle + half, top + high], axis=1).astype(np.float32)
