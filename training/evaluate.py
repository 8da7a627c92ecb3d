"""How well a detector finds heads: AP50, AP, for all heads and for those that are not tiny.

AP50 is our own all-point average precision, so that it can be drawn again and again for a
bootstrap over pictures; AP over IoU 0.5 to 0.95 comes from faster-coco-eval. Data sets are
reported one by one, each with its number of heads, never as one mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edge.contract.detections import Boxes, Detections
from edge.contract.ssd import iou_matrix, postprocess
from edge.types import Image
from training.data.augment import whole
from training.data.cache import Picture
from training.data.statistics import normalised, sides_at_300
from training.models.ssd import SSD

Detect = Callable[[Image], Detections]  # a picture of any size to boxes 0..1

SCORE = 0.02  # boxes below this change an AP by less than its third digit
NMS_IOU = 0.45
BIG = 16.0  # pixels, square root of the area at 300x300: heads that a door camera sees


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture's detections against its heads, at IoU 0.5.

    scores (n,), hit (n,) of the detections that count; heads: how many there are to find.
    """

    scores: NDArray[np.float32]
    hit: NDArray[np.bool_]
    heads: int


@dataclass(frozen=True, slots=True)
class Score:
    """Metrics of one data set. Intervals are 95 %, bootstrap over its pictures."""

    name: str
    pictures: int
    heads: int
    ap50: float
    ap50_low: float
    ap50_high: float
    ap: float
    big_heads: int
    big_ap50: float
    big_ap50_low: float
    big_ap50_high: float
    recall_03: float  # at score 0.3
    false_03: int  # at score 0.3

    def to_json(self) -> dict[str, object]:
        """A JSON object with the fields of this class; not-a-number becomes null."""
        values = asdict(self)
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}


def torch_detector(net: SSD, score: float = SCORE) -> Detect:
    """Run a network on single pictures, squashed to its input."""
    spec = net.spec

    def detect(image: Image) -> Detections:
        view = whole(Picture("", image, _none(), np.zeros(0, bool)), (spec.width, spec.height))
        x = torch.from_numpy(view.image).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            loc, conf = net(x)
            probability = torch.softmax(conf, -1)
        return postprocess(
            loc.numpy(), probability.numpy(), spec, score=score, nms_iou=NMS_IOU, max_detections=300
        )

    return detect


def _none() -> Boxes:
    return np.zeros((0, 4), np.float32)


def judge(found: Detections, heads: Boxes, ignore: NDArray[np.bool_]) -> Judged:
    """Match detections to heads greedily, best score first, at IoU >= 0.5.

    A detection that only fits an ignored head is not counted at all.

    Args:
        found: boxes 0..1.
        heads: (n, 4) xyxy 0..1.
        ignore: (n,) heads that need not be found.
    """
    order = np.argsort(-found.scores, kind="stable")
    overlap = iou_matrix(found.boxes[order], heads)
    hit, counts = np.zeros(len(order), bool), np.ones(len(order), bool)
    free = ~ignore
    for row in range(len(order)):
        rivals = np.where(free, overlap[row], 0)
        if rivals.size and rivals.max() >= 0.5:
            hit[row] = True
            free[rivals.argmax()] = False
        elif (overlap[row][ignore] >= 0.5).any():
            counts[row] = False
    return Judged(found.scores[order][counts], hit[counts], int((~ignore).sum()))


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


def quick(detect: Detect, pictures: Sequence[Picture]) -> dict[str, float]:
    """AP50 of all heads and of the big ones, for the checkpoints of a run."""
    every, big = [], []
    for picture in pictures:
        found, heads = detect(picture.image), normalised(picture)
        every.append(judge(found, heads, picture.ignore))
        big.append(judge(found, heads, picture.ignore | (sides_at_300(heads) < BIG)))
    return {"ap50": average_precision(every), "ap50_big": average_precision(big)}


def score(name: str, detect: Detect, pictures: Sequence[Picture]) -> Score:
    """All metrics of one data set."""
    found = [detect(picture.image) for picture in pictures]
    heads = [normalised(picture) for picture in pictures]
    ignore = [picture.ignore for picture in pictures]
    every = [judge(*row) for row in zip(found, heads, ignore, strict=True)]
    tiny = [i | (sides_at_300(h) < BIG) for i, h in zip(ignore, heads, strict=True)]
    big = [judge(*row) for row in zip(found, heads, tiny, strict=True)]
    sure = [j.hit[j.scores >= 0.3] for j in every]
    total = sum(j.heads for j in every)
    low, high = bootstrap(every)
    big_low, big_high = bootstrap(big)
    return Score(
        name=name, pictures=len(pictures), heads=total,
        ap50=average_precision(every), ap50_low=low, ap50_high=high,
        ap=coco_ap(found, heads, ignore),
        big_heads=sum(j.heads for j in big),
        big_ap50=average_precision(big), big_ap50_low=big_low, big_ap50_high=big_high,
        recall_03=sum(int(s.sum()) for s in sure) / max(total, 1),
        false_03=sum(int((~s).sum()) for s in sure),
    )  # fmt: skip


def coco_ap(
    found: Sequence[Detections], heads: Sequence[Boxes], ignore: Sequence[NDArray[np.bool_]]
) -> float:
    """AP over IoU 0.5 to 0.95 as COCO defines it, at a nominal 1000x1000 picture."""
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
        return float("nan") if not truth else 0.0
    gt = COCO({"images": images, "annotations": truth, "categories": [{"id": 1, "name": "head"}]})
    run = COCOeval_faster(gt, gt.loadRes(results), "bbox", print_function=_silent)
    run.params.maxDets = [1, 10, 300]
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"][:, :, 0, 0, -1]
    return float(precision[precision > -1].mean())


def _silent(*_: object) -> None:
    """faster-coco-eval tells its progress; a command prints one table."""


def _coco_box(box: NDArray[np.float32]) -> dict[str, object]:
    x1, y1, x2, y2 = (float(v) * 1000 for v in box)
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}


def table(scores: Sequence[Score]) -> str:
    """The scores as text, one line a data set."""
    head = f"{'data set':<28} {'heads':>6} {'AP50 [95 %]':>20} {'AP':>6} "
    lines = [head + f"{'>=16':>6} {'AP50 >=16 [95 %]':>20} {'rec@.3':>7} {'false@.3':>8}"]
    for s in scores:
        every = f"{s.ap50:.3f} [{s.ap50_low:.2f}, {s.ap50_high:.2f}]"
        big = f"{s.big_ap50:.3f} [{s.big_ap50_low:.2f}, {s.big_ap50_high:.2f}]"
        lines.append(
            f"{s.name[-28:]:<28} {s.heads:>6} {every:>20} {s.ap:>6.3f} "
            f"{s.big_heads:>6} {big:>20} {s.recall_03:>7.2f} {s.false_03:>8}"
        )
    return "\n".join(lines)
