"""How important each channel of a group is: a number for each, low goes first.

Criteria look at weights, or at `Evidence` gathered on training pictures. Scales differ between
criteria and between layers; a selector that compares layers normalises them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import CallError
from training.prune.evidence import Evidence
from training.prune.groups import ChannelGroup, Slot, convolution

Scores = NDArray[np.float64]
Criterion = Callable[[nn.Module, ChannelGroup, Evidence, np.random.Generator], Scores]


def minimum_weight(
    net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator
) -> Scores:
    """Mean of the squared weights of each filter.

    Gamanayake et al., "Cluster Pruning", IEEE J-STSP 14(4), 2020, Eq. 3.
    """
    return _mean(w.flatten(1).square().mean(1) for w in _filters(net, group))


def l1(net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator) -> Scores:
    """Sum of the absolute weights of each filter (Li et al., 2017)."""
    return _mean(w.flatten(1).abs().sum(1) for w in _filters(net, group))


def l2(net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator) -> Scores:
    """Euclidean norm of each filter."""
    return _mean(w.flatten(1).norm(dim=1) for w in _filters(net, group))


def geometric_median(
    net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator
) -> Scores:
    """Sum of each filter's distances to all others (He et al., FPGM, CVPR 2019, Eq. 7)."""
    return _mean(torch.cdist(w.flatten(1), w.flatten(1)).sum(1) for w in _filters(net, group))


def bn_scale(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """Scale of the batch normalisation (Liu et al., Network Slimming, ICCV 2017).

    Detectors have it folded into the convolution. What it was still shows: normalisation gives
    each channel unit variance, so |gamma| is the standard deviation of what leaves it.
    """
    if not group.norms:
        return _mean(evidence.deviation[slot.conv] for slot in group.producers)
    return _mean(_scales(net, slot, group.size) for slot in group.norms)


def taylor(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """First-order change of the loss when the channel is gated off, root mean square.

    Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, Eq. 8, with
    the gate on what the consumers read, which is what pruning takes away from them. The root
    changes no ranking within a layer, and makes it a loss that can be added up over channels and
    compared between layers.
    """
    del net
    parts = [
        evidence.taylor[slot.conv][slot.offset : slot.offset + group.size]
        for slot in group.consumers
    ]
    return np.asarray(torch.stack(parts).sum(0).sqrt().numpy(), np.float64)


def weight_taylor(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """Sum over a filter's weights of (w * dL/dw)^2: each weight is cut alone.

    Molchanov et al., CVPR 2019, Eq. 8 for single weights; the first criterion of Elkerdawy et
    al., "To Filter Prune, or to Layer Prune", ACCV 2020.
    """
    del net
    return _mean(evidence.weight_taylor[slot.conv] for slot in group.producers)


def map_taylor(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """First-order change of the loss when a feature map is set to zero, of norm 1 in each layer.

    Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference",
    ICLR 2017, section 2.2. The map is what the first reader reads.
    """
    del net
    scores = _read(evidence.map_taylor, group)
    return scores / max(float(np.linalg.norm(scores)), np.finfo(float).tiny)


def map_rank(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """Mean matrix rank of each feature map over pictures (Lin et al., HRank, CVPR 2020).

    The map is what the first reader reads.
    """
    del net
    return _read(evidence.map_rank, group)


def random(net: nn.Module, group: ChannelGroup, _: Evidence, rng: np.random.Generator) -> Scores:
    """Uniform chance: what any criterion has to beat."""
    del net
    return rng.random(group.size)


CRITERIA: dict[str, Criterion] = {
    "minimum_weight": minimum_weight,
    "l1": l1,
    "l2": l2,
    "geometric_median": geometric_median,
    "bn_scale": bn_scale,
    "taylor": taylor,
    "weight_taylor": weight_taylor,
    "map_taylor": map_taylor,
    "map_rank": map_rank,
    "random": random,
}

ON_PICTURES = ("bn_scale", "taylor", "weight_taylor", "map_taylor", "map_rank")  # need evidence
COMPARABLE = ("taylor",)  # their scores have one unit in all layers: that of the loss


def criterion(name: str) -> Criterion:
    """The criterion of a name.

    Raises:
        CallError: there is none.
    """
    if name not in CRITERIA:
        raise CallError(f"criterion {name!r} is unknown; known are {', '.join(CRITERIA)}")
    return CRITERIA[name]


def _filters(net: nn.Module, group: ChannelGroup) -> list[Tensor]:
    """The group's filters in each producer, (size, inputs, kernel, kernel)."""
    found = []
    for slot in group.producers:
        weight = convolution(net, slot).weight.detach()
        found.append(weight[slot.offset : slot.offset + group.size])
    return found


def _scales(net: nn.Module, slot: Slot, size: int) -> Tensor:
    scale = net.get_submodule(slot.conv).weight
    assert isinstance(scale, Tensor)
    return scale.detach()[slot.offset : slot.offset + size].abs()


def _mean(parts: Iterable[Tensor]) -> Scores:
    return np.asarray(torch.stack(list(parts)).mean(0).double().cpu().numpy(), np.float64)


def _read(figures: Mapping[str, Tensor], group: ChannelGroup) -> Scores:
    """What was seen of the group's channels where they are first read."""
    slot = (*group.depthwise, *group.consumers)[0]
    part = figures[slot.conv][slot.offset : slot.offset + group.size]
    return np.asarray(part.double().numpy(), np.float64)
