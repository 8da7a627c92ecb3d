"""The only code that changes shapes: a plan and a network give a smaller network.

Weights are taken over as they are; what a network computes afterwards is what the dense one
would with those channels at zero.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TypeVar

import torch
from torch import Tensor, nn

from edge.errors import DataError
from training.prune.groups import ChannelGroup, groups
from training.prune.plan import PruningPlan, dense

N = TypeVar("N", bound=nn.Module)


def apply(net: N, plan: PruningPlan) -> N:
    """A copy of the network with the plan's blocks and channels gone.

    Raises:
        DataError: the plan is of another network, or a block to remove changes its input's shape.
    """
    small = copy.deepcopy(net)
    for block in plan.removed:
        _remove(small, block)
    found = groups(small)
    _check(found, plan)
    cut = _Cuts(small)
    for group in found:
        cut.note(group, torch.tensor(plan.kept[group.name]))
    cut.make()
    return small


def plan_of(net: nn.Module) -> PruningPlan:
    """The plan that changes nothing."""
    return dense(groups(net))


def _remove(net: nn.Module, name: str) -> None:
    try:
        block = net.get_submodule(name)
    except AttributeError as error:
        raise DataError(f"block {name}: the network has none of this name") from error
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    strides = {stride for conv in convolutions for stride in conv.stride}
    ends = convolutions and convolutions[0].in_channels == convolutions[-1].out_channels
    if not ends or strides != {1}:
        raise DataError(f"block {name}: its output has not its input's shape; it cannot be removed")
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, nn.Identity())


def _check(found: tuple[ChannelGroup, ...], plan: PruningPlan) -> None:
    sizes = {group.name: group.size for group in found}
    if sizes == dict(plan.sizes):
        return
    apart = sorted(set(sizes.items()) ^ set(plan.sizes.items()))
    raise DataError(
        f"the pruning plan is of another network: {len(apart)} groups differ, first {apart[0][0]}"
    )


class _Cuts:
    """Collects which filters and inputs of each convolution stay, then cuts all at once."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._filters: dict[str, list[tuple[int, int, Tensor]]] = defaultdict(list)
        self._inputs: dict[str, list[tuple[int, int, Tensor]]] = defaultdict(list)

    def note(self, group: ChannelGroup, kept: Tensor) -> None:
        for slot in (*group.producers, *group.depthwise):
            self._filters[slot.conv].append((slot.offset, group.size, kept))
        for slot in group.consumers:
            self._inputs[slot.conv].append((slot.offset, group.size, kept))

    def make(self) -> None:
        for name in {**self._filters, **self._inputs}:
            conv = self._net.get_submodule(name)
            assert isinstance(conv, nn.Conv2d)
            filters = _indices(self._filters[name], conv.out_channels)
            inputs = _indices(self._inputs[name], conv.weight.shape[1])
            _cut(conv, filters, inputs)


def _indices(parts: list[tuple[int, int, Tensor]], size: int) -> Tensor:
    """Kept positions along a dimension: of each part those given, elsewhere all."""
    stays = torch.ones(size, dtype=torch.bool)
    for offset, length, kept in parts:
        stays[offset : offset + length] = False
        stays[offset + kept] = True
    return stays.nonzero().flatten()


def _cut(conv: nn.Conv2d, filters: Tensor, inputs: Tensor) -> None:
    depthwise = conv.groups > 1
    with torch.no_grad():
        weight = conv.weight[filters][:, inputs].clone(memory_format=torch.preserve_format)
        conv.weight = nn.Parameter(weight, conv.weight.requires_grad)
        if conv.bias is not None:
            conv.bias = nn.Parameter(conv.bias[filters].clone(), conv.bias.requires_grad)
    conv.out_channels = len(filters)
    conv.in_channels = len(filters) if depthwise else len(inputs)
    conv.groups = len(filters) if depthwise else 1
