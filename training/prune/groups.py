"""Which channels must be cut together: found from the network's own graph, not from names.

    conv A --+-- depthwise B --- conv C        one group: A's filters, B's channels,
             |                                 the inputs of C and of D
             +--------- conv D                 (`producers`, `depthwise`, `consumers`)

    conv E --+
             cat --- conv G                    two groups, each with its own offset into G's
    conv F --+                                 inputs, so that each keeps its own alignment

A convolution whose channels leave the network by another way than a convolution (the box and
class predictors) has a fixed width and begins no group.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import fx, nn

Segments = tuple[str, ...]  # which groups' channels lie side by side in a tensor

_PASS = (nn.ReLU, nn.ReLU6, nn.Identity, nn.ZeroPad2d, nn.MaxPool2d, nn.AvgPool2d)
_POINTWISE: tuple[Callable[..., object], ...] = (torch.relu, nn.functional.relu6)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a group's channels lie in one convolution: its name, and the first channel."""

    conv: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels 0 to size - 1 that live and die together.

    producers: convolutions whose filters make them; depthwise: those which pass each channel on
    by itself; consumers: those which read them among their inputs. `name` is the first producer.
    """

    name: str
    size: int
    producers: tuple[Slot, ...]
    depthwise: tuple[Slot, ...] = ()
    consumers: tuple[Slot, ...] = ()


@dataclass(slots=True)
class _Found:
    """A group while the graph is being walked."""

    size: int
    depthwise: list[Slot] = field(default_factory=list)
    consumers: list[Slot] = field(default_factory=list)
    fixed: bool = False


def groups(net: nn.Module) -> tuple[ChannelGroup, ...]:
    """The prunable groups of a network in execution order.

    Raises:
        TypeError, ValueError: channels flow through something whose effect on them is unknown.
    """
    walk = _Walk(net)
    return tuple(
        ChannelGroup(
            name, found.size, (Slot(name),), tuple(found.depthwise), tuple(found.consumers)
        )
        for name, found in walk.found.items()
        if not found.fixed
    )


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
        self._held: dict[fx.Node, Segments | None] = {}  # None: the picture, or no channels
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
            raise ValueError(f"{node.name}: channels that are added up cannot be grouped yet")
        if node.op == "call_method" and node.target == "size":
            return None
        for held in given:  # reshaped, stacked, given out: the width is promised to somebody
            for name in held or ():
                self.found[name].fixed = True
        return None

    def _module(self, name: str, given: Segments | None) -> Segments | None:
        module = self._net.get_submodule(name)
        if isinstance(module, _PASS):
            return given
        if not isinstance(module, nn.Conv2d):
            raise TypeError(f"{name}: what a {type(module).__name__} does to channels is unknown")
        if given is not None and 1 < module.groups == module.in_channels == module.out_channels:
            self._note(name, given, depthwise=True)
            return given
        if module.groups != 1:
            raise ValueError(f"{name}: a convolution in {module.groups} groups cannot be cut")
        self._note(name, given or (), depthwise=False)
        self.found[name] = _Found(module.out_channels)
        return (name,)

    def _note(self, conv: str, given: Segments, *, depthwise: bool) -> None:
        offset = 0
        for name in given:
            found = self.found[name]
            (found.depthwise if depthwise else found.consumers).append(Slot(conv, offset))
            offset += found.size
