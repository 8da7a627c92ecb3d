"""What a graph gives, made into Detections: raw SSD outputs or a DetectionOutput table.

Works on arrays alone, so that every device shares it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Manifest
from edge.contract.detections import Detections
from edge.contract.ssd import nms, postprocess, priors

Array = NDArray[np.float32]
Shape = tuple[int, ...]

MAX_DETECTIONS = 100


def order_outputs(manifest: Manifest, shapes: Sequence[Shape]) -> tuple[int, ...]:
    """Which output is which: (loc, conf) of an SSD, or (table,).

    By shape and not by name, because older runtimes rename outputs.

    Raises:
        ValueError: the shapes are not those that the manifest promises.
    """
    if manifest.priors is None:
        wanted: tuple[Shape, ...] = ((1, 1, -1, 7),)
    else:
        count = len(priors(manifest.priors))
        wanted = ((1, count, 4), (1, count, 1 + len(manifest.labels)))
    for order in ((0,), (0, 1), (1, 0)):
        chosen = [shapes[index] for index in order if index < len(shapes)]
        if len(wanted) == len(shapes) == len(chosen) and all(map(_fits, chosen, wanted)):
            return order
    raise ValueError(f"outputs are {list(shapes)}, the manifest promises {list(wanted)}")


def _fits(shape: Shape, wanted: Shape) -> bool:
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(size == want or want < 0 for size, want in pairs)


def to_detections(manifest: Manifest, outputs: Sequence[Array], score: float) -> Detections:
    """Make the ordered outputs of one picture into detections, best score first.

    Args:
        manifest: of the model.
        outputs: in the order of `order_outputs`.
        score: what is below is left out, 0..1.
    """
    if manifest.priors is None:
        return _from_table(manifest, outputs[0], score)
    loc, conf = outputs
    return postprocess(
        loc,
        conf,
        manifest.priors,
        score=score,
        nms_iou=manifest.nms,
        max_detections=MAX_DETECTIONS,
    )


def _from_table(manifest: Manifest, table: Array, score: float) -> Detections:
    """Rows of image, label, score, x1, y1, x2, y2; a row of image -1 ends the table."""
    rows = table.reshape(-1, 7)
    ends = np.flatnonzero(rows[:, 0] < 0)
    rows = rows[: ends[0]] if len(ends) else rows
    label = rows[:, 1].astype(np.int64) - 1  # 0 is the background
    known = (label >= 0) & (label < len(manifest.labels)) & (rows[:, 2] >= score)
    rows, label = rows[known], label[known]
    found = Detections.of(rows[:, 3:], rows[:, 2], label)
    kept = [
        members[nms(found.boxes[members], found.scores[members], manifest.nms)]
        for members in (np.flatnonzero(label == kind) for kind in np.unique(label))
    ]
    chosen = np.concatenate([*kept, np.empty(0, np.intp)])
    best = np.argsort(-found.scores[chosen], kind="stable")[:MAX_DETECTIONS]
    return found.keep(chosen[best])
