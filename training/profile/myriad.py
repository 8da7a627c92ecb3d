"""The cost of layers on a Movidius Myriad X stick, as its own compiler reckons it: no stick needed.

The compiler of OpenVINO 2021.4 chooses for each convolution how the hardware walks through its
channels, by the smallest cost (openvinotoolkit/openvino, tag 2021.4.2,
inference-engine/src/vpu/graph_transformer/src/hw/tiling.cpp). That choice is repeated here; a test
compares it with the compiler's own dump. A cost is a number of cycles for each pixel of the
output, and no time: it knows neither memory nor most copies between stages, nor that a map too
wide for the hardware's buffer is cut. It says which of two shapes is cheaper, and where the steps
are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from training.profile.shapes import Shape, shapes
from training.profile.table import round_up

SCHEMA = 1
STEP = 8  # channels: every output is padded to so many
DEPTHWISE = 32  # channels of a depthwise layer that go through the hardware at once

_DEEPEST = 256  # coefficients of one block and filter that the hardware holds
# blocks of input channels work side by side, outputs of one descriptor, cycles to start it
_MODES = ((1, 256, 0), (2, 128, 5), (4, 64, 11), (8, 32, 19), (16, 16, 31))


@dataclass(frozen=True, slots=True)
class MyriadCost:
    """What a layer costs: cycles over all pixels, descriptors, stages of the compiled graph."""

    cost: int
    descriptors: int
    stages: int

    def __add__(self, other: MyriadCost) -> MyriadCost:
        return MyriadCost(
            self.cost + other.cost,
            self.descriptors + other.descriptors,
            self.stages + other.stages,
        )


class MyriadTable:
    """The stick's counterpart of a latency table; in cost, never in milliseconds."""

    def cost(self, shape: Shape) -> float:
        """Cost of one layer."""
        return float(cost(shape).cost)

    def predict(self, layers: Mapping[str, Shape]) -> float:
        """Cost of a network's convolutions."""
        return float(total(layers).cost)

    def step(self, shape: Shape) -> int:
        """The number of output channels in which it pays to remove.

        A convolution's outputs are padded to 8. A depthwise layer is cut into equal groups of at
        most 32 channels, each a stage; a group that is no multiple of 8 needs a copy beside it.
        In multiples of 32 no group is ragged and none is lost, so what feeds a depthwise layer is
        best removed in clusters of 32.
        """
        return DEPTHWISE if shape.kind == "depthwise" else STEP


def cost(shape: Shape) -> MyriadCost:
    """The compiler's cost of one layer, times the pixels of its output map."""
    if shape.kind == "depthwise":
        groups = depthwise_groups(shape.cout)
        whole = sum((tile_cost(size, size, shape.kernel) for size in groups), MyriadCost(0, 0, 0))
        copies = sum(1 for size in groups if size % STEP)
        whole += MyriadCost(0, 0, copies)
    else:
        whole = _convolution(shape)
    return MyriadCost(whole.cost * shape.height * shape.width, whole.descriptors, whole.stages)


def total(layers: Mapping[str, Shape]) -> MyriadCost:
    """The sum over a network's convolutions."""
    return sum(map(cost, layers.values()), MyriadCost(0, 0, 0))


def profile_myriad(net: nn.Module) -> dict[str, Any]:
    """Every layer's cost and their sum, as a JSON object."""
    layers = shapes(net)
    return {
        "schema": SCHEMA,
        "device": "MYRIAD",
        "unit": "the compiler's cost x pixels",
        "total": asdict(total(layers)),
        "layers": {
            name: {**asdict(shape), **asdict(cost(shape)), "step": MyriadTable().step(shape)}
            for name, shape in layers.items()
        },
    }


def depthwise_groups(channels: int) -> list[int]:
    """Channels of each stage of a depthwise layer: as few as fit, at least two, nearly equal."""
    count = max(2, -(-channels // DEPTHWISE))
    size = -(-channels // count)
    return [min(size, channels - begin) for begin in range(0, channels, size)]


def tile_cost(cin: int, cout: int, kernel: int) -> MyriadCost:
    """One stage's cost for each pixel, in the cheapest mode.

    With m blocks side by side, a descriptor makes up to `outputs` channels, and takes one cycle
    for each of its ceil(cin / m) * kernel^2 coefficients, and the mode's start.

    Raises:
        ValueError: too many inputs for one stage.
    """
    choices = []
    for blocks, outputs, begin in _MODES:
        cycles = -(-cin // blocks) * kernel * kernel
        if cycles <= _DEEPEST:
            descriptors = -(-cout // min(outputs, round_up(cout, STEP)))
            choices.append((descriptors * (cycles + begin), descriptors))
    if not choices:
        raise ValueError(f"{cin} inputs at {kernel}x{kernel} do not fit into one stage")
    cycles, descriptors = min(choices)
    return MyriadCost(cycles, descriptors, 1)


def _convolution(shape: Shape) -> MyriadCost:
    """A layer with too many inputs is cut into equal parts, whose outputs are then added up."""
    deepest = _MODES[-1][0] * (_DEEPEST // shape.kernel**2)
    parts = -(-shape.cin // deepest)
    one = tile_cost(-(-shape.cin // parts), shape.cout, shape.kernel)
    sums = parts - 1
    return MyriadCost(one.cost * parts, one.descriptors * parts, one.stages * parts + sums)
