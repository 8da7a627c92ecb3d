"""The SSD loss: which prior answers for which head, hard negatives, smooth L1.

Matching is NumPy on the boxes of one picture; the loss is torch over a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as fn
from numpy.typing import NDArray
from torch import Tensor

from edge.contract.detections import Boxes
from edge.contract.ssd import PriorSpec, encode, iou_matrix, priors
from edge.errors import DataError
from training.config import Loss
from training.ranks import ALONE, Ranks

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Target:
    """What the priors of one picture shall say: state (N,) int8, codes (N, 4) float32."""

    state: NDArray[np.int8]
    loc: NDArray[np.float32]


def match(boxes: Boxes, ignore: NDArray[np.bool_], spec: PriorSpec, rule: Loss) -> Target:
    """Assign the priors of one picture to its heads.

    A prior is positive at IoU >= `positive_iou` with a head, and the best prior of each head
    always is; between the two thresholds, and over ignored heads, it is ignored.

    Args:
        boxes: (n, 4) xyxy, 0..1.
        ignore: (n,) heads that are neither right nor wrong to find.
        spec: the priors.
        rule: the thresholds.
    """
    anchors = priors(spec)
    state = np.zeros(len(anchors), np.int8)
    loc = np.zeros((len(anchors), 4), np.float32)
    ignore = ignore | too_small(boxes, spec, rule.min_side)
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1
    )
    if ignore.any():
        state[_near_ignored(corners, boxes[ignore], rule)] = IGNORED
    heads = boxes[~ignore]
    if len(heads) == 0:
        return Target(state, loc)
    overlap = iou_matrix(heads, corners)  # (heads, N)
    owner, best = overlap.argmax(axis=0), overlap.max(axis=0)
    state[best >= rule.negative_iou] = IGNORED
    chosen = overlap.argmax(axis=1)
    owner[chosen], best[chosen] = np.arange(len(heads)), 1.0
    positive = best >= rule.positive_iou
    state[positive] = POSITIVE
    loc[positive] = encode(heads[owner[positive]], anchors[positive], spec.variances)
    return Target(state, loc)


def too_small(boxes: Boxes, spec: PriorSpec, side: float) -> NDArray[np.bool_]:
    """Heads whose square root of area is under `side` pixels of the input."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0) * (spec.width, spec.height)
    small: NDArray[np.bool_] = size[:, 0] * size[:, 1] < side * side
    return small


def _near_ignored(corners: Boxes, boxes: Boxes, rule: Loss) -> NDArray[np.bool_]:
    """Priors that an ignored region explains: by IoU, or because most of them lies inside."""
    low = np.maximum(corners[:, None, :2], boxes[None, :, :2])
    high = np.minimum(corners[:, None, 2:], boxes[None, :, 2:])
    inter = np.maximum(high - low, 0).prod(axis=2)
    own = (corners[:, 2:] - corners[:, :2]).prod(axis=1)[:, None]
    region = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)[None]
    covered = inter > 0.5 * own
    alike = inter > rule.negative_iou * (own + region - inter)
    near: NDArray[np.bool_] = (covered | alike).any(axis=1)
    return near


def multibox_loss(
    loc: Tensor,
    conf: Tensor,
    targets: list[Target],
    negatives: float,
    names: list[str],
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor]:
    """Classification and box loss of a batch, each divided by the number of positives.

    Where several processes share the batch, each has the loss of its own pictures, by the whole
    batch's positives and with the whole batch's hard negatives: their sum is what one process
    would have.

    Args:
        loc: (B, N, 4) codes.
        conf: (B, N, 2) logits.
        targets: of the B pictures.
        negatives: hard negatives for each positive, counted over the whole batch.
        names: of the B pictures, for the message.
        ranks: who else has pictures of this batch.

    Raises:
        DataError: the loss is not finite.
    """
    state, wanted = stack(targets, loc.device)
    positive = state == POSITIVE
    cross = cross_entropy(conf, state)
    scale = max(int(ranks.total(positive.sum())), 1)
    hard = hard_negatives(cross, state, negatives, ranks)
    loss_conf = cross[positive | hard].sum() / scale
    loss_loc = fn.smooth_l1_loss(loc[positive], wanted[positive], reduction="sum") / scale
    sound = torch.isfinite(cross).all(1) & torch.isfinite(wanted + loc).flatten(1).all(1)  # (B,)
    if ranks.any(not bool(sound.all()), loc.device):
        bad = [name for name, fine in zip(names, sound.tolist(), strict=True) if not fine]
        told = ", ".join(bad) or "pictures of another process"
        raise DataError(f"the loss is not finite, by {told}; the batch was {', '.join(names)}")
    return loss_conf, loss_loc


def stack(targets: list[Target], device: torch.device) -> tuple[Tensor, Tensor]:
    """The targets of a batch on a device: states (B, N) int8, codes (B, N, 4) float32."""
    state = torch.from_numpy(np.stack([t.state for t in targets])).to(device)
    return state, torch.from_numpy(np.stack([t.loc for t in targets])).to(device)


def cross_entropy(conf: Tensor, state: Tensor) -> Tensor:
    """What the logits (B, N, 2) of each prior cost, (B, N); ignored ones as if negative."""
    positive = (state == POSITIVE).flatten().long()
    return fn.cross_entropy(conf.flatten(0, 1), positive, reduction="none").view(state.shape)


def hard_negatives(cross: Tensor, state: Tensor, negatives: float, ranks: Ranks = ALONE) -> Tensor:
    """The negatives that are taught, (B, N) bool: those that cost most, over the whole batch.

    Args:
        cross: (B, N) from `cross_entropy`; no gradient goes through the choice.
        state: (B, N) from `stack`.
        negatives: so many for each positive, and for 8 where there are fewer.
        ranks: who else has pictures of this batch.
    """
    negative, cross = state == NEGATIVE, cross.detach()
    rivals = ranks.gathered(cross[negative])
    positives = int(ranks.total((state == POSITIVE).sum()))
    budget = min(len(rivals), int(negatives * max(positives, 8)))
    floor = rivals.topk(budget).values[-1] if budget else torch.inf
    return negative & (cross >= floor)
