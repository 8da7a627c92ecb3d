"""Which channels must be cut together: found from the network's own graph, not from names.

    conv A --+-- depthwise B --- conv C        one group: A's filters, B's channels,
             |                                 the inputs of C and of D
             +--------- conv D                 (`producers`, `depthwise`, `consumers`)

    conv E --+
             cat --- conv G                    two groups, each with its own offset into G's
    conv F --+                                 inputs, so that each keeps its own alignment

    conv H --+                                 one group of two producers: channel k of the sum is
             add --- mean --- linear L         made by both; a linear layer behind the mean over
    conv I --+                                 a map reads channels as a convolution does

Batch normalisation goes with the channels that it scales (`norms`). A convolution whose channels
leave the network by another way (the box and class predictors), or are padded by more channels
(the shortcuts without weights of ResNets for CIFAR), has a fixed width and begins no group.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import fx, nn

Segments = tuple[str, ...]  # which groups' channels lie side by side in a tensor
Role = Literal["depthwise", "consumers", "norms"]

_PASS = (nn.ReLU, nn.ReLU6, nn.Identity, nn.ZeroPad2d, nn.MaxPool2d, nn.AvgPool2d)
_POINTWISE: tuple[Callable[..., object], ...] = (torch.relu, nn.functional.relu6)
_MAP = (2, 3)  # the dimensions of a map, over which a mean leaves a value of each channel


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a group's channels lie in one layer: its name, and the first channel."""

    conv: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels 0 to size - 1 that live and die together.

    producers: convolutions whose filters make them; depthwise: those which pass each channel on
    by itself; consumers: convolutions and linear layers which read them among their inputs; norms:
    batch normalisations which scale them. `name` is the first producer.
    """

    name: str
    size: int
    producers: tuple[Slot, ...]
    depthwise: tuple[Slot, ...] = ()
    consumers: tuple[Slot, ...] = ()
    norms: tuple[Slot, ...] = ()


@dataclass(slots=True)
class _Found:
    """A group while the graph is being walked."""

    size: int
    producers: list[Slot]
    depthwise: list[Slot] = field(default_factory=list)
    consumers: list[Slot] = field(default_factory=list)
    norms: list[Slot] = field(default_factory=list)
    fixed: bool = False

    def join(self, other: _Found) -> None:
        """Take over what another group was found to be in."""
        for own, more in (
            (self.producers, other.producers), (self.depthwise, other.depthwise),
            (self.consumers, other.consumers), (self.norms, other.norms),
        ):  # fmt: skip
            own.extend(more)
        self.fixed |= other.fixed


def groups(net: nn.Module) -> tuple[ChannelGroup, ...]:
    """The prunable groups of a network in execution order.

    Raises:
        TypeError, ValueError: channels flow through something whose effect on them is unknown.
    """
    walk = _Walk(net)
    return tuple(
        ChannelGroup(
            name, found.size, tuple(found.producers), tuple(found.depthwise),
            tuple(found.consumers), tuple(found.norms),
        )
        for name, found in walk.found.items()
        if not found.fixed
    )  # fmt: skip


def convolution(net: nn.Module, slot: Slot) -> nn.Conv2d:
    """The convolution that a slot names."""
    module = net.get_submodule(slot.conv)
    if not isinstance(module, nn.Conv2d):
        raise TypeError(f"{slot.conv} is no convolution")
    return module


class _Walk:
    """Follows every tensor of the traced graph with the groups whose channels it holds."""

    def __init__(self, net: nn.Module) -> None:
        self.found: dict[str, _Found] = {}
        self._net = net
        self._joined: dict[str, str] = {}  # a group that was added to another, and that one
        self._held: dict[fx.Node, Segments | None] = {}  # None: of fixed width, or no channels
        for node in fx.Tracer().trace(net).nodes:
            self._held[node] = self._visit(node)

    def _visit(self, node: fx.Node) -> Segments | None:
        given = [self._held[source] for source in node.all_input_nodes]
        if node.op == "call_module":
            return self._module(str(node.target), given[0])
        if node.op == "call_function" and node.target is torch.cat and None not in given:
            return tuple(name for held in given for name in held or ())
        if node.op == "call_function" and node.target in _POINTWISE:
            return given[0]
        if node.op == "call_function" and node.target is operator.add and len(given) == 2:
            return self._added(given[0], given[1])
        if node.op == "call_method" and node.target == "mean" and node.args[1:] == (_MAP,):
            return given[0]
        if node.op == "call_method" and node.target == "size":
            return None
        for held in given:  # reshaped, stacked, given out: the width is promised to somebody
            self._fix(held)
        return None

    def _module(self, name: str, given: Segments | None) -> Segments | None:
        module = self._net.get_submodule(name)
        if isinstance(module, _PASS):
            return given
        if isinstance(module, nn.BatchNorm2d):
            self._note(name, given, "norms")
            return given
        if isinstance(module, nn.ZeroPad3d):
            self._fix(given)
            return None
        if isinstance(module, nn.Linear):
            self._note(name, given, "consumers")
            return None
        if not isinstance(module, nn.Conv2d):
            raise TypeError(f"{name}: what a {type(module).__name__} does to channels is unknown")
        if given is not None and 1 < module.groups == module.in_channels == module.out_channels:
            self._note(name, given, "depthwise")
            return given
        if module.groups != 1:
            raise ValueError(f"{name}: a convolution in {module.groups} groups cannot be cut")
        self._note(name, given, "consumers")
        self.found[name] = _Found(module.out_channels, [Slot(name)])
        return (name,)

    def _note(self, layer: str, given: Segments | None, role: Role) -> None:
        offset = 0
        for name in given or ():
            found = self._group(name)
            getattr(found, role).append(Slot(layer, offset))
            offset += found.size

    def _added(self, left: Segments | None, right: Segments | None) -> Segments | None:
        """Groups whose channels meet in a sum become one; what meets a fixed width is fixed."""
        sizes = [[self._group(name).size for name in held or ()] for held in (left, right)]
        if left is None or right is None or sizes[0] != sizes[1]:
            self._fix(left)
            self._fix(right)
            return None
        for one, other in zip(left, right, strict=True):
            self._join(one, other)
        return left

    def _join(self, one: str, other: str) -> None:
        first, later = self._root(one), self._root(other)
        if first == later:
            return
        if list(self.found).index(first) > list(self.found).index(later):
            first, later = later, first
        self.found[first].join(self.found.pop(later))
        self._joined[later] = first

    def _fix(self, held: Segments | None) -> None:
        for name in held or ():
            self._group(name).fixed = True

    def _group(self, name: str) -> _Found:
        return self.found[self._root(name)]

    def _root(self, name: str) -> str:
        while name in self._joined:
            name = self._joined[name]
        return name
