"""AP and AR as COCO defines them, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes, Detections


def coco_scores(
    found: Sequence[Detections], heads: Sequence[Boxes], ignore: Sequence[NDArray[np.bool_]]
) -> tuple[float, float]:
    """AP and AR over IoU 0.5 to 0.95 as COCO defines them, at a nominal 1000x1000 picture.

    AP takes up to 300 detections of a picture, AR the best 100. Not a number without any head.
    """
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - only this needs it

    images = [{"id": n, "width": 1000, "height": 1000} for n in range(1, len(heads) + 1)]
    truth = [
        {"image_id": n, "category_id": 1, "iscrowd": int(skip), **_coco_box(box)}
        for n, (boxes, skips) in enumerate(zip(heads, ignore, strict=True), start=1)
        for box, skip in zip(boxes, skips, strict=True)
    ]
    for number, row in enumerate(truth, start=1):
        row["id"] = number
    results = [
        {"image_id": n, "category_id": 1, "score": float(value), **_coco_box(box)}
        for n, dets in enumerate(found, start=1)
        for box, value in zip(dets.boxes, dets.scores, strict=True)
    ]
    if not truth or not results:
        nothing = float("nan") if not truth else 0.0
        return nothing, nothing
    gt = COCO({"images": images, "annotations": truth, "categories": [{"id": 1, "name": "head"}]})
    run = COCOeval_faster(gt, gt.loadRes(results), "bbox", print_function=_silent)
    run.params.maxDets = [1, 100, 300]
    run.evaluate()
    run.accumulate()
    precision, recall = run.eval["precision"][:, :, 0, 0, -1], run.eval["recall"][:, 0, 0, 1]
    return _mean(precision), _mean(recall)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(known.mean()) if len(known) else float("nan")


def _silent(*_: object) -> None:
    """faster-coco-eval tells its progress; a command prints one table."""


def _coco_box(box: NDArray[np.float32]) -> dict[str, object]:
    x1, y1, x2, y2 = (float(v) * 1000 for v in box)
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
