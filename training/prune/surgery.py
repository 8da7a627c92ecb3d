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
    """Collects which outputs and inputs of each layer stay, then cuts all at once."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._outputs: dict[str, list[tuple[int, int, Tensor]]] = defaultdict(list)
        self._inputs: dict[str, list[tuple[int, int, Tensor]]] = defaultdict(list)

    def note(self, group: ChannelGroup, kept: Tensor) -> None:
        for slot in (*group.producers, *group.depthwise, *group.norms):
            self._outputs[slot.conv].append((slot.offset, group.size, kept))
        for slot in group.consumers:
            self._inputs[slot.conv].append((slot.offset, group.size, kept))

    def make(self) -> None:
        for name in {**self._outputs, **self._inputs}:
            layer = self._net.get_submodule(name)
            outputs, inputs = self._outputs[name], self._inputs[name]
            if isinstance(layer, nn.BatchNorm2d):
                _cut_norm(layer, _indices(outputs, layer.num_features))
            elif isinstance(layer, nn.Linear):
                _cut_linear(layer, _indices(inputs, layer.in_features))
            else:
                assert isinstance(layer, nn.Conv2d)
                _cut_convolution(
                    layer, _indices(outputs, layer.out_channels),
                    _indices(inputs, layer.weight.shape[1]),
                )  # fmt: skip


def _indices(parts: list[tuple[int, int, Tensor]], size: int) -> Tensor:
    """Kept positions along a dimension: of each part those given, elsewhere all."""
    stays = torch.ones(size, dtype=torch.bool)
    for offset, length, kept in parts:
        stays[offset : offset + length] = False
        stays[offset + kept] = True
    return stays.nonzero().flatten()


def _cut_convolution(conv: nn.Conv2d, filters: Tensor, inputs: Tensor) -> None:
    depthwise = conv.groups > 1
    conv.weight = _like(conv.weight, conv.weight.detach()[filters][:, inputs])
    if conv.bias is not None:
        conv.bias = _like(conv.bias, conv.bias.detach()[filters])
    conv.out_channels = len(filters)
    conv.in_channels = len(filters) if depthwise else len(inputs)
    conv.groups = len(filters) if depthwise else 1


def _cut_norm(norm: nn.BatchNorm2d, kept: Tensor) -> None:
    norm.weight = _like(norm.weight, norm.weight.detach()[kept])
    norm.bias = _like(norm.bias, norm.bias.detach()[kept])
    for name in ("running_mean", "running_var"):
        setattr(norm, name, getattr(norm, name)[kept].clone())
    norm.num_features = len(kept)


def _cut_linear(linear: nn.Linear, inputs: Tensor) -> None:
    linear.weight = _like(linear.weight, linear.weight.detach()[:, inputs])
    linear.in_features = len(inputs)


def _like(old: nn.Parameter, values: Tensor) -> nn.Parameter:
    """A parameter of other values, in memory of its own, which learns where the old one did."""
    return nn.Parameter(
        values.clone(memory_format=torch.preserve_format), requires_grad=old.requires_grad
    )
