"""What a plan does to every layer's shape, known without touching the network.

plan + groups -> widths of the groups -> shapes of the convolutions -> cost on a device
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from training.profile.shapes import Shape, macs, parameters, shapes
from training.prune.groups import ChannelGroup, groups
from training.prune.plan import PruningPlan, dense
from training.prune.surgery import without

Price = Callable[[Shape], float]  # of one layer: milliseconds, or a compiler's cost
Widths = Mapping[str, int]  # group to channels; a group that is not named is whole


@dataclass(frozen=True, slots=True)
class Layout:
    """A dense network, perhaps without some blocks, as the selectors see it.

    groups: in execution order. shapes: of every convolution. makers, readers: convolution to the
    groups that are among its filters, among its inputs. removed: the blocks.
    """

    groups: tuple[ChannelGroup, ...]
    shapes: Mapping[str, Shape]
    makers: Mapping[str, tuple[ChannelGroup, ...]]
    readers: Mapping[str, tuple[ChannelGroup, ...]]
    removed: tuple[str, ...] = ()

    def plan(self) -> PruningPlan:
        """The plan that keeps every channel."""
        return dense(self.groups, self.removed)

    def convolutions(self, group: ChannelGroup) -> list[str]:
        """The convolutions whose shape changes with the group's width; linear layers are none."""
        slots = (*group.producers, *group.depthwise, *group.consumers)
        return [conv for conv in dict.fromkeys(s.conv for s in slots) if conv in self.shapes]

    def shape(self, conv: str, widths: Widths) -> Shape:
        """The shape of a convolution at these widths."""
        shape = self.shapes[conv]
        fewer_in = _missing(self.readers.get(conv, ()), widths)
        fewer_out = _missing(self.makers.get(conv, ()), widths)
        return dataclasses.replace(shape, cin=shape.cin - fewer_in, cout=shape.cout - fewer_out)

    def reshaped(self, widths: Widths) -> dict[str, Shape]:
        """The shapes of all convolutions at these widths."""
        return {conv: self.shape(conv, widths) for conv in self.shapes}

    def price(self, widths: Widths, price: Price) -> float:
        """Sum of the layers' prices at these widths."""
        return sum(price(shape) for shape in self.reshaped(widths).values())

    def size(self, widths: Widths) -> tuple[int, int]:
        """Multiply-accumulates of one picture, and parameters, at these widths."""
        changed = self.reshaped(widths).values()
        return sum(macs(shape) for shape in changed), sum(parameters(s) for s in changed)


def layout(net: nn.Module, removed: tuple[str, ...] = ()) -> Layout:
    """The layout of a network, without these blocks.

    Raises:
        DataError: there is no such block, or it cannot be removed.
    """
    net = without(net, removed) if removed else net
    found = groups(net)
    makers: dict[str, list[ChannelGroup]] = defaultdict(list)
    readers: dict[str, list[ChannelGroup]] = defaultdict(list)
    for group in found:
        for slot in (*group.producers, *group.depthwise):
            makers[slot.conv].append(group)
        for slot in (*group.depthwise, *group.consumers):
            readers[slot.conv].append(group)
    return Layout(found, shapes(net), _frozen(makers), _frozen(readers), removed)


def widths(plan: PruningPlan) -> dict[str, int]:
    """Channels of each group that a plan keeps."""
    return {name: plan.width(name) for name in plan.sizes}


def _missing(groups: Iterable[ChannelGroup], widths: Widths) -> int:
    return sum(group.size - widths.get(group.name, group.size) for group in groups)


def _frozen(
    lists: Mapping[str, list[ChannelGroup]],
) -> dict[str, tuple[ChannelGroup, ...]]:
    return {name: tuple(items) for name, items in lists.items()}
