"""A block goes, and the layer before it learns at once to give what the block gave.

    z -> [ A ] -> x -> [ block ... B ] -> y -> reader       y is what the reader knows
    z -> [ A'] --------------------------> y'-> reader      A' = argmin |A' z - B's output|^2

Without a residual path x and y have nothing to do with each other, and a network whose reader is
given x for y is broken until a fit has mended it. A' is found by linear least squares over all
cells of some pictures, as He et al. ("Channel Pruning for Accelerating Very Deep Neural Networks",
ICCV 2017, Eq. 2) find what makes up for channels. Only weights change here, no shapes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

from training.prune.bypass import bypasses
from training.prune.evidence import B
from training.prune.groups import ChannelGroup, Slot, convolution, groups
from training.prune.plan import PruningPlan, dense
from training.prune.surgery import without

N = TypeVar("N", bound=nn.Module)

_RIDGE = 1e-4  # of an input's mean square: weights of what is hardly ever seen stay small


@dataclass(frozen=True, slots=True)
class Bridge:
    """A convolution that shall give what another one gave.

    taker: the convolution that stays. lost: the one that goes with its block. filters, outputs:
    of either, those which both keep; filter k takes the place of output k.
    """

    taker: str
    lost: str
    filters: tuple[int, ...]
    outputs: tuple[int, ...]


def bridges(
    net: nn.Module, plan: PruningPlan, earlier: PruningPlan | None = None
) -> tuple[Bridge, ...]:
    """What can be bridged when a plan takes blocks out of a network.

    Not where something that stays reads the taker's channels, too, and would hear another voice;
    nor where normalisation stands behind the convolutions, which would have to move as well.

    Args:
        net: the dense network, or what `earlier` left of it.
        plan: of the dense network.
        earlier: what was cut already.
    """
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        return ()
    before = groups(net)
    done = dense(before) if earlier is None else earlier
    fresh = [name for name in plan.removed if name not in done.removed]
    if not fresh:
        return ()
    after = groups(without(net, fresh))
    stays = {slot.conv for group in after for slot in _readers(group)}
    named = {group.name: group for group in before}
    found = []
    for old, new in bypasses(before, after).items():
        lost, taker = named[old], named[new]
        heard = any(slot.conv in stays for slot in _readers(taker))
        alone = len(lost.producers) == len(taker.producers) == 1
        if alone and not heard and convolution(net, taker.producers[0]).bias is not None:
            found.append(_bridge(lost, taker, done))
    return tuple(found)


def _readers(group: ChannelGroup) -> tuple[Slot, ...]:
    return (*group.depthwise, *group.consumers)


def _bridge(lost: ChannelGroup, taker: ChannelGroup, done: PruningPlan) -> Bridge:
    kept = done.kept[taker.name], done.kept[lost.name]
    both = sorted(set(kept[0]) & set(kept[1]))
    (to,), (of,) = taker.producers, lost.producers
    return Bridge(
        to.conv, of.conv,
        tuple(to.offset + kept[0].index(channel) for channel in both),
        tuple(of.offset + kept[1].index(channel) for channel in both),
    )  # fmt: skip


def fit_bridges(
    net: nn.Module,
    wanted: Iterable[Bridge],
    batches: Iterable[B],
    run: Callable[[nn.Module, B], object],
) -> dict[Bridge, Tensor]:
    """Least squares for each bridge, over one run of the network on each batch.

    Args:
        net: the network, with all blocks that shall be bridged.
        wanted: each is fitted by itself.
        batches: at least one.
        run: the network on a batch.

    Returns:
        (filters, inputs * kernel^2 + 1) weights of each, the bias last; float64.
    """
    sums = {bridge: _Sums(net, bridge) for bridge in wanted}
    with torch.no_grad():
        for batch in batches:
            run(net, batch)
            for each in sums.values():
                each.add()
    return {bridge: each.solve() for bridge, each in sums.items()}


class _Sums:
    """The normal equations of one bridge: moments of what the taker reads, and of the outputs."""

    def __init__(self, net: nn.Module, bridge: Bridge) -> None:
        self._outputs = list(bridge.outputs)
        self._conv = convolution(net, Slot(bridge.taker))
        self._seen: dict[str, Tensor] = {}
        self._square: Tensor | float = 0.0  # (n, n) of inputs and a one
        self._cross: Tensor | float = 0.0  # (n, filters)
        lost = convolution(net, Slot(bridge.lost))
        self._hooks = [
            self._conv.register_forward_hook(lambda _, x, __: self._seen.update(x=x[0])),
            lost.register_forward_hook(lambda _, __, y: self._seen.update(y=y)),
        ]

    def add(self) -> None:
        """Take what the hooks saw; both layers make maps of one size."""
        conv = self._conv
        x = fn.unfold(
            self._seen["x"], conv.kernel_size, conv.dilation, conv.padding, conv.stride  # type: ignore[arg-type]
        )  # fmt: skip
        x = x.double().transpose(0, 1).flatten(1)  # (inputs * kernel^2, cells)
        x = torch.cat([x, torch.ones_like(x[:1])])
        y = self._seen["y"][:, self._outputs].double().transpose(0, 1).flatten(1)
        self._square = self._square + x @ x.T
        self._cross = self._cross + x @ y.T

    def solve(self) -> Tensor:
        for hook in self._hooks:
            hook.remove()
        assert isinstance(self._square, Tensor)
        assert isinstance(self._cross, Tensor)
        ridge = _RIDGE * self._square.diagonal()[:-1].mean()
        damped = self._square.clone()
        damped.diagonal()[:-1] += ridge
        solved: Tensor = torch.linalg.solve(damped, self._cross)
        return solved.T


def build_bridges(net: N, fitted: Mapping[Bridge, Tensor]) -> N:
    """A copy of the network whose takers give what was lost; the blocks are still there."""
    new = copy.deepcopy(net)
    with torch.no_grad():
        for bridge, weights in fitted.items():
            conv = convolution(new, Slot(bridge.taker))
            rows = list(bridge.filters)
            conv.weight[rows] = weights[:, :-1].reshape(-1, *conv.weight.shape[1:]).to(conv.weight)
            assert conv.bias is not None
            conv.bias[rows] = weights[:, -1].to(conv.bias)
    return new
