"""Channels that go are made up for: the next layer reads more of those which stay.

Weights change, shapes do not: `training.prune.surgery` cuts afterwards.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.prune.groups import Slot, groups
from training.prune.maps import Maps, Seen, distances
from training.prune.plan import PruningPlan

N = TypeVar("N", bound=nn.Module)
Indices = NDArray[np.int64]


def merged(net: N, plan: PruningPlan, seen: dict[str, Seen]) -> N:
    """A copy of the network in which every channel that will go is merged into one that stays.

    That one is the nearest by the distance of their maps. Of channel j, W_j being the weights by
    which a reader takes it, the reader gets alpha_j * W_j more of the channel r that stays, with

        alpha_j = <f_j, f_r> / <f_r, f_r>

    which leaves the least error of one channel in the place of another (after the merging of
    centripetal SGD, Ding et al., CVPR 2019, where the two are equal). The maps f are those that the
    reader was seen to read, hence:

    - Through a depthwise layer a channel is merged as far as that layer's filters and biases are
      alike up to a scale. Where they are not, the maps behind them are not, alpha is about 0, and
      the channel is removed plainly.
    - A reader with a bias can also make up for the mean. Then f is centred, and the bias gets
      W_j (mean_j - alpha_j mean_r): a channel that is constant goes without a trace. Under a
      reader's own zero padding that is too much, by the cells of its border.

    Args:
        net: to be cut.
        plan: what of it stays.
        seen: by `training.prune.maps.read_maps` of this network.
    """
    new = copy.deepcopy(net)
    for group in groups(new):
        kept = np.array(plan.kept[group.name])
        gone = np.setdiff1d(np.arange(group.size), kept)
        if not gone.size:
            continue
        apart = distances(seen[group.name], centred=True)
        heirs = kept[apart[np.ix_(gone, kept)].argmin(axis=1)]
        for slot in group.consumers:
            _merge(new.get_submodule(slot.conv), slot, gone, heirs, seen[group.name][slot])
    return new


def _merge(reader: nn.Module, slot: Slot, gone: Indices, heirs: Indices, maps: Maps) -> None:
    """Let a reader take the heirs in the place of the channels that go."""
    assert isinstance(reader, nn.Conv2d | nn.Linear)
    products = maps.products if reader.bias is None else maps.scatter
    own = products[heirs, heirs]
    alpha = np.divide(products[gone, heirs], own, out=np.zeros_like(own), where=own > 0)
    with torch.no_grad():
        weight = reader.weight
        lost = weight[:, slot.offset + torch.from_numpy(gone)]  # (out, gone, ...)
        more = lost * _like(alpha, weight).view(1, -1, *[1] * (weight.dim() - 2))
        weight.index_add_(1, slot.offset + torch.from_numpy(heirs).to(weight.device), more)
        if reader.bias is not None:
            shift = maps.mean[gone] - alpha * maps.mean[heirs]
            taps = lost.reshape(*lost.shape[:2], -1).sum(2)  # (out, gone)
            reader.bias.add_(taps @ _like(shift, weight))


def _like(values: NDArray[np.float64], weight: Tensor) -> Tensor:
    return torch.from_numpy(values).to(weight)
