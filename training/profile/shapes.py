"""The shapes of a network's convolutions, found by running it once, and what they count up to.

A shape is all that a device's time depends on. Names, weights and activations are left out, so
that one measurement answers for every layer of the same shape, in whatever network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from edge.contract.ssd import PriorSpec
from edge.errors import DataError
from training.models.classifier import Picture

Kind = Literal["conv", "depthwise"]
Map = tuple[str, int, int, int, int]  # kind, kernel, stride, height, width


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """A convolution: square kernel and stride, `height` and `width` of the map that it makes."""

    kind: Kind
    cin: int
    cout: int
    kernel: int
    stride: int
    height: int
    width: int

    @property
    def map(self) -> Map:
        """All but the channels: what pruning does not change."""
        return self.kind, self.kernel, self.stride, self.height, self.width

    @property
    def inputs(self) -> int:
        """Input channels that one filter reads."""
        return 1 if self.kind == "depthwise" else self.cin

    def __str__(self) -> str:
        size = f"{self.kernel}x{self.kernel}" + (f"/{self.stride}" if self.stride > 1 else "")
        return f"{self.kind} {size} {self.cin}->{self.cout} at {self.height}x{self.width}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network counts up to for one picture."""

    macs: int
    parameters: int


def shapes(net: nn.Module) -> dict[str, Shape]:
    """Each convolution's module name and shape, in the order of execution.

    Args:
        net: takes (1, 3, height, width) of its `spec`.

    Raises:
        DataError: a convolution that no table can hold: grouped, dilated, not square, run twice.
    """
    found: dict[str, Shape] = {}
    names = {module: name for name, module in net.named_modules()}

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        name = names[module]
        if name in found:
            raise DataError(f"{name}: runs twice for one picture; give each run its own module")
        found[name] = _shape(name, module, output)

    convolutions = [module for module in names if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_hook(note) for module in convolutions]
    training = net.training
    try:
        with torch.inference_mode():
            device = next(net.parameters()).device
            net.eval()(torch.zeros(1, 3, *input_size(net), device=device))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return found


def input_size(net: nn.Module) -> tuple[int, int]:
    """Height and width of the pictures that a network takes."""
    spec = net.spec
    if not isinstance(spec, PriorSpec | Picture):
        raise TypeError(f"a network's spec is {type(spec).__name__}, not a PriorSpec or a Picture")
    return spec.height, spec.width


def macs(shape: Shape) -> int:
    """Multiplications of one run."""
    return shape.height * shape.width * shape.kernel**2 * shape.inputs * shape.cout


def parameters(shape: Shape) -> int:
    """Weights and biases."""
    return (shape.kernel**2 * shape.inputs + 1) * shape.cout


def total(layers: Mapping[str, Shape]) -> Cost:
    """The sums over layers."""
    return Cost(sum(map(macs, layers.values())), sum(map(parameters, layers.values())))


def cost(net: nn.Module) -> Cost:
    """What a whole network counts up to; of its parts, only convolutions count."""
    return total(shapes(net))


def _shape(name: str, conv: Any, output: Tensor) -> Shape:  # noqa: ANN401 - a hook's module
    depthwise = conv.groups > 1
    square = len({*conv.kernel_size}) == len({*conv.stride}) == len({*conv.dilation}) == 1
    plain = conv.groups == (conv.in_channels if depthwise else 1) and conv.dilation[0] == 1
    if not square or not plain or (depthwise and conv.in_channels != conv.out_channels):
        raise DataError(
            f"{name}: {conv} cannot be profiled; make it square, and plain or depthwise"
        )
    return Shape(
        kind="depthwise" if depthwise else "conv",
        cin=conv.in_channels,
        cout=conv.out_channels,
        kernel=conv.kernel_size[0],
        stride=conv.stride[0],
        height=output.shape[2],
        width=output.shape[3],
    )
