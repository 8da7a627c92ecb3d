"""The only code that changes shapes: a plan and a network give a smaller network.

Weights are taken over as they are; what a network computes afterwards is what the dense one
would with those channels at zero.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from edge.errors import DataError
from training.prune.bypass import bypasses
from training.prune.groups import ChannelGroup, groups
from training.prune.plan import PruningPlan, dense

N = TypeVar("N", bound=nn.Module)


def apply(net: N, plan: PruningPlan, earlier: PruningPlan | None = None) -> N:
    """A copy of the network with the plan's blocks and channels gone.

    Channels are cut first: in a network that was cut before, a block's two ends may keep other
    channels, and what takes its place keeps those which both have.

    Args:
        net: the dense network, or what `earlier` left of it.
        plan: of the dense network.
        earlier: a milder plan of the dense network, which was applied already.

    Raises:
        DataError: the plan is of another network, keeps what is gone, or removes a block that
            changes its input's shape.
    """
    before = groups(net)
    done = dense(before) if earlier is None else earlier
    fresh = [name for name in plan.removed if name not in done.removed]
    after = groups(without(net, fresh)) if fresh else before
    place = bypasses(before, after)
    _check(before, {name: done.width(name) for name in done.sizes})
    _check_later(plan, done, after, place)
    kept = {name: plan.kept.get(place.get(name, name), done.kept[name]) for name in done.kept}
    positions = done.with_kept(kept).after(done)
    small = copy.deepcopy(net)
    cut = _Cuts(small)
    for group in before:
        cut.note(group, torch.tensor(positions.kept[group.name]))
    cut.make()
    for name in fresh:
        _remove(small, name)
    return small


def plan_of(net: nn.Module) -> PruningPlan:
    """The plan that changes nothing."""
    return dense(groups(net))


def without(net: N, removed: Sequence[str]) -> N:
    """A copy of the network with these blocks replaced by nothing; channels stay.

    Raises:
        DataError: there is no such block, or it changes its input's shape.
    """
    short = copy.deepcopy(net)
    for name in removed:
        _remove(short, name)
    return short


def _remove(net: nn.Module, name: str) -> None:
    try:
        block = net.get_submodule(name)
    except AttributeError as error:
        raise DataError(f"block {name}: the network has none of this name") from error
    strides = {getattr(module, "stride", 1) for module in block.modules()}
    if not strides <= {1, (1, 1)}:
        raise DataError(_misfit(name))
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, nn.Identity())


def _misfit(names: str) -> str:
    return f"block {names}: its output has not its input's shape; it cannot be removed"


def _check(found: Iterable[ChannelGroup], wanted: Mapping[str, int]) -> None:
    """Refuse a network whose groups are not those that are wanted, with their sizes."""
    sizes = {group.name: group.size for group in found}
    if apart := sorted(set(sizes.items()) ^ set(wanted.items())):
        raise DataError(
            f"the pruning plan is of another network: {len(apart)} groups differ, "
            f"first {apart[0][0]}"
        )


def _check_later(
    plan: PruningPlan, done: PruningPlan, after: Iterable[ChannelGroup], place: Mapping[str, str]
) -> None:
    """Refuse a plan that cannot follow on `done`; `after` are the groups without its blocks."""
    if not set(done.removed) <= set(plan.removed):
        raise DataError("the later pruning plan keeps blocks that are gone")
    if any(done.sizes[old] != done.sizes[new] for old, new in place.items()):
        raise DataError(_misfit(", ".join(plan.removed)))
    _check([replace(group, size=done.sizes[group.name]) for group in after], plan.sizes)


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
