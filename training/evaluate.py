"""How well a detector finds heads, by all that is asked of it at a door.

AP50, AP and AR rank it; recall, false positives and the error of the number of heads tell what it
does at the score threshold that it works with. By head size, and by view. Data sets are reported
one by one, each with its number of heads, never as one mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.contract.detections import Boxes, Detections
from edge.contract.ssd import postprocess
from edge.types import Image
from training.coco import coco_scores
from training.data.augment import whole
from training.data.cache import Picture
from training.data.statistics import normalised, sides_at_300
from training.matching import Judged, average_precision, bootstrap, match_heads
from training.models.ssd import SSD

Detect = Callable[[Image], Detections]  # a picture of any size to boxes 0..1

SCORE = 0.02  # boxes below this change an AP by less than its third digit
NMS_IOU = 0.45
LIMIT = 300  # detections of a picture: more than heads in any
WORKING = 0.4  # the score that a bundle gets unless it is given another one
BIG = 16.0  # pixels, square root of the area at 300x300: heads that a door camera sees
SIZES = (0.0, 8.0, 16.0, 32.0, 64.0, math.inf)  # pixels, as of BIG
_OLD = 0.3  # of `recall_03`, by which bundles have been compared since the first one


@dataclass(frozen=True, slots=True)
class SizeScore:
    """The heads of one size, the others ignored; false positives are those of that size."""

    heads: int
    ap50: float
    recall: float  # at the working threshold


@dataclass(frozen=True, slots=True)
class Score:
    """Metrics of one data set. Intervals are 95 %, bootstrap over its pictures."""

    name: str
    view: str  # of its camera, as "overhead"; may be empty
    pictures: int
    heads: int
    ap50: float
    ap50_low: float
    ap50_high: float
    ap: float
    ar100: float
    big_heads: int
    big_ap50: float
    big_ap50_low: float
    big_ap50_high: float
    recall_03: float  # at score 0.3
    false_03: int  # at score 0.3
    threshold: float  # the working one, of all that follows
    recall: float
    false_per_picture: float
    count_mae: float  # mean absolute error of the number of heads of a picture
    count_bias: float  # its mean error: above 0, more are seen than are there
    sizes: dict[str, SizeScore]  # "8-16": pixels, square root of the area at 300x300

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the fields of this class; not-a-number becomes null."""
        return _nullified(asdict(self))


def _nullified(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _nullified(v) if isinstance(v, dict) else None if v != v else v  # noqa: PLR0124
        for key, v in values.items()
    }


def torch_detector(
    net: SSD, score: float = SCORE, *, nms_iou: float = NMS_IOU, limit: int = LIMIT
) -> Detect:
    """Run a network on single pictures, squashed to its input, on the device where it is."""
    spec, device = net.spec, next(net.parameters()).device

    def detect(image: Image) -> Detections:
        view = whole(Picture("", image, _none(), np.zeros(0, bool)), (spec.width, spec.height))
        x = torch.from_numpy(view.image).to(device).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            loc, conf = net(x)
            probability = torch.softmax(conf, -1)
        return postprocess(
            loc.cpu().numpy(), probability.cpu().numpy(), spec,
            score=score, nms_iou=nms_iou, max_detections=limit,
        )  # fmt: skip

    return detect


def _none() -> Boxes:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Seen:
    """Pictures and what was detected in each, from score `SCORE` on."""

    pictures: Sequence[Picture]
    found: Sequence[Detections]

    @classmethod
    def by(cls, detect: Detect, pictures: Sequence[Picture]) -> Seen:
        """Look at every picture."""
        return cls(pictures, [detect(picture.image) for picture in pictures])

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Seen:
        """Several sets as one."""
        return cls(
            [p for part in parts for p in part.pictures], [f for p in parts for f in p.found]
        )

    def judged(
        self, low: float = 0.0, high: float = math.inf, *, own_size: bool = False
    ) -> list[Judged]:
        """Each picture's detections against its heads of `low` to below `high` pixels at 300x300.

        Other heads are ignored. A detection without a head is wrong, whatever its size; with
        `own_size` only if it is of these sizes itself, as with COCO.
        """
        rows = []
        for picture, found in zip(self.pictures, self.found, strict=True):
            heads = normalised(picture)
            other = ~_between(sides_at_300(heads), low, high)
            match = match_heads(found, heads, picture.ignore | other)
            counts = match.counts
            if own_size:
                counts = counts & (match.hit | _between(sides_at_300(match.boxes), low, high))
            wanted = int((~(picture.ignore | other)).sum())
            rows.append(Judged(match.scores[counts], match.hit[counts], wanted))
        return rows


def _between(sides: NDArray[np.float32], low: float, high: float) -> NDArray[np.bool_]:
    return (sides >= low) & (sides < high)


def quick(detect: Detect, pictures: Sequence[Picture]) -> dict[str, float]:
    """AP50 of all heads and of the big ones, for the checkpoints of a run."""
    seen = Seen.by(detect, pictures)
    return {
        "ap50": average_precision(seen.judged()),
        "ap50_big": average_precision(seen.judged(BIG)),
    }


def score(
    name: str, detect: Detect, pictures: Sequence[Picture], threshold: float = WORKING
) -> Score:
    """All metrics of one data set."""
    return score_seen(name, Seen.by(detect, pictures), threshold)


def score_seen(name: str, seen: Seen, threshold: float, view: str = "") -> Score:
    """All metrics of pictures that were looked at already."""
    every, big = seen.judged(), seen.judged(BIG)
    heads, ignore = [normalised(p) for p in seen.pictures], [p.ignore for p in seen.pictures]
    ap, ar = coco_scores(seen.found, heads, ignore)
    low, high = bootstrap(every)
    big_low, big_high = bootstrap(big)
    old, sure = _sure(every, _OLD), _sure(every, threshold)
    errors = np.array([len(s) - j.heads for s, j in zip(sure, every, strict=True)])
    return Score(
        name=name, view=view, pictures=len(every), heads=sum(j.heads for j in every),
        ap50=average_precision(every), ap50_low=low, ap50_high=high, ap=ap, ar100=ar,
        big_heads=sum(j.heads for j in big),
        big_ap50=average_precision(big), big_ap50_low=big_low, big_ap50_high=big_high,
        recall_03=_recall(every, _OLD), false_03=sum(int((~s).sum()) for s in old),
        threshold=threshold, recall=_recall(every, threshold),
        false_per_picture=sum(int((~s).sum()) for s in sure) / max(len(every), 1),
        count_mae=float(np.abs(errors).mean()), count_bias=float(errors.mean()),
        sizes=_by_size(seen, threshold),
    )  # fmt: skip


def _by_size(seen: Seen, threshold: float) -> dict[str, SizeScore]:
    found = {}
    for low, high in itertools.pairwise(SIZES):
        rows = seen.judged(low, high, own_size=True)
        name = f"{low:g}-{high:g}" if high < math.inf else f">{low:g}"
        heads = sum(j.heads for j in rows)
        found[name] = SizeScore(heads, average_precision(rows), _recall(rows, threshold))
    return found


def _sure(judged: Sequence[Judged], threshold: float) -> list[NDArray[np.bool_]]:
    """The hits among each picture's detections of at least a score."""
    return [j.hit[j.scores >= threshold] for j in judged]


def _recall(judged: Sequence[Judged], threshold: float) -> float:
    """Share of the heads that are found; 0 where there are none."""
    heads = sum(j.heads for j in judged)
    return sum(int(s.sum()) for s in _sure(judged, threshold)) / max(heads, 1)
