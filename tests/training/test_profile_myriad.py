"""The stick's cost: known layers, and, as a proof, the compiler's own dump of the same layers."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import re
import subprocess
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import openvino as ov
from torch import nn

from edge.contract.ssd import PriorMap, PriorSpec
from tests.old_openvino import LAST_WITH_MYRIAD, old_python, require_libusb
from training.ir10 import downgrade
from training.models.graph import convert
from training.models.ssd import SSD
from training.profile.myriad import (
    MyriadCost,
    MyriadTable,
    cost,
    depthwise_groups,
    tile_cost,
    total,
)
from training.profile.shapes import Shape, shapes

pytestmark = pytest.mark.training

SIZE = 8  # a map so small that the compiler need not cut it
CONVERTED = 2  # stages that turn the input to FP16 and the output back

# Compiles an IR for a Myriad X that is not there, and dumps the graph; see tests/ncs
DUMP = """
import sys
from openvino.inference_engine import IECore
core = IECore()
config = {"VPU_MYRIAD_PLATFORM": "VPU_MYRIAD_2480",
          "MYRIAD_DUMP_INTERNAL_GRAPH_FILE_NAME": sys.argv[2]}
try:
    core.load_network(core.read_network(sys.argv[1]), "MYRIAD", config)
except Exception as error:
    print(error)
"""


def conv(cin: int, cout: int, kernel: int = 1) -> Shape:
    """A convolution on a small map."""
    return Shape("conv", cin, cout, kernel, 1, SIZE, SIZE)


def depthwise(channels: int) -> Shape:
    """A depthwise 3x3 layer on a small map."""
    return Shape("depthwise", channels, channels, 3, 1, SIZE, SIZE)


# each takes what the one before gives: the compiler sees one chain
CHAIN = (
    conv(32, 48), conv(48, 64, 3), conv(64, 72), conv(72, 128, 3), conv(128, 33), conv(33, 20, 3),
    conv(20, 250), conv(250, 512), conv(512, 100), conv(100, 17, 3), conv(17, 1000), conv(1000, 64),
    conv(64, 300, 3), conv(300, 8), conv(8, 512), conv(512, 100, 3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "cycles", "descriptors"),
    [
        ((128, 32, 1), 35, 1),
        ((128, 64, 1), 43, 1),
        ((128, 128, 1), 69, 1),
        ((64, 64, 3), 155, 1),
        ((64, 128, 3), 310, 2),
        ((72, 128, 3), 346, 2),
        ((512, 1024, 1), 2088, 8),
    ],
)
def test_cost_of_known_layers(layer: tuple[int, int, int], cycles: int, descriptors: int) -> None:
    """What the compiler of 2021.4.2 said of inputs, outputs, kernel."""
    assert MyriadCost(cycles, descriptors, 1) == tile_cost(*layer)


def test_cost_counts_pixels_but_stages_do_not() -> None:
    """Twice the map, twice the cost; the stages are those of the graph."""
    shape = conv(128, 128)
    wide = Shape("conv", 128, 128, 1, 1, SIZE, 2 * SIZE)

    assert MyriadCost(69 * SIZE * SIZE, 1, 1) == cost(shape)
    assert MyriadCost(2 * cost(shape).cost, 1, 1) == cost(wide)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(72, [24] * 3), (33, [17, 16]), (97, [25, 25, 25, 22]), (32, [16, 16]), (512, [32] * 16)],
)
def test_depthwise_layers_are_cut_into_groups(channels: int, groups: list[int]) -> None:
    """Of at most 32 channels, at least two, as equal as can be."""
    assert groups == depthwise_groups(channels)


def test_aligned_depthwise_chains_have_fewer_stages() -> None:
    """96 channels: 3 stages. 95 and 97 need copies, and 97 one group more."""
    assert [3 + 1, 3, 4 + 4] == [cost(depthwise(count)).stages for count in (95, 96, 97)]
    assert cost(depthwise(97)).cost > cost(depthwise(96)).cost


def test_outputs_cost_in_steps_of_8_at_least() -> None:
    """The table's step is true: within 8 outputs, or 32 depthwise channels, nothing is saved."""
    table = MyriadTable()
    for shape, counts in ((conv(64, 64), range(57, 65)), (depthwise(64), range(63, 65))):
        costs = {table.cost(_widened(shape, count)) for count in counts}

        assert 1 == len(costs)
    assert (8, 32) == (table.step(conv(64, 64)), table.step(depthwise(64)))


def test_too_many_inputs_are_cut_and_summed() -> None:
    """512 inputs at 3x3 do not fit: two halves and their sum."""
    assert MyriadCost(2 * 1225 * SIZE * SIZE, 14, 3) == cost(conv(512, 100, 3))
    with pytest.raises(ValueError, match="do not fit"):
        tile_cost(512, 100, 3)


def _widened(shape: Shape, count: int) -> Shape:
    return depthwise(count) if shape.kind == "depthwise" else conv(shape.cin, count)


@dataclass(frozen=True)
class Compiled:
    """A dumped graph: each convolution's parts with their (cycles, descriptors), all stages."""

    parts: dict[str, dict[str, tuple[int, int]]]
    stages: int

    def cycles(self, layer: str) -> int:
        """Of one pixel."""
        return sum(cycles for cycles, _ in self.parts[layer].values())

    def descriptors(self, layer: str) -> int:
        """Of one strip of the map."""
        return sum(descriptors for _, descriptors in self.parts[layer].values())


def compiled(model: ov.Model, folder: Path) -> Compiled:
    """What the compiler for the stick makes of a model; strips of a map count once."""
    require_libusb()
    python = old_python(LAST_WITH_MYRIAD)
    xml, dump = folder / "model.xml", folder / "model.dot"
    ov.save_model(model, xml, compress_to_fp16=True)
    xml.write_bytes(downgrade(xml.read_bytes()))
    command = [str(python), "-c", DUMP, str(xml), str(dump)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)

    assert "no available devices with platform" in done.stdout, done.stdout + done.stderr
    text = dump.read_text()
    parts: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for name, part, descriptors, cycles in re.findall(
        r"Stage __module\.(\S+?)/aten::_convolution/\w+?(@\S*?)?\\ltype = MyriadXHwOp"
        r".*?numDescr = (\d+)\\l.*?cost = (\d+)\\l",
        text,
    ):
        strip = re.sub(r"@soh=\d+/\d+", "", part)
        parts[name][strip] = int(cycles), int(descriptors)
    return Compiled(parts, len(re.findall(r'label="\[\d+ / \d+\] Stage ', text)))


def chain_model(layers: tuple[Shape, ...]) -> ov.Model:
    """The layers one after the other, named by their numbers."""
    net = nn.Sequential(
        *(
            nn.Conv2d(
                s.cin, s.cout, s.kernel, padding=s.kernel // 2,
                groups=s.cin if s.kind == "depthwise" else 1,
            )
            for s in layers
        )
    ).eval()  # fmt: skip
    shape = [1, layers[0].cin, SIZE, SIZE]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", DeprecationWarning)
        return ov.convert_model(net, example_input=torch.zeros(shape), input=shape)


@pytest.mark.proof
def test_costs_are_the_compilers(tmp_path: Path) -> None:
    """Cycles and descriptors of 16 layers of odd and even widths, 1x1 and 3x3, all equal."""
    graph = compiled(chain_model(CHAIN), tmp_path)
    for number, shape in enumerate(CHAIN):
        mine = cost(shape)

        assert graph.cycles(str(number)) * SIZE * SIZE == mine.cost, shape
        assert graph.descriptors(str(number)) == mine.descriptors, shape


@pytest.mark.proof
@pytest.mark.parametrize("channels", [31, 33, 48, 60, 63, 64, 65, 72, 80, 96, 100, 127, 128, 136])
def test_stages_are_the_compilers(channels: int, tmp_path: Path) -> None:
    """A depthwise layer between two 1x1: stages of the whole graph, cost of the groups."""
    chain = (conv(64, channels), depthwise(channels), conv(channels, 64))
    graph = compiled(chain_model(chain), tmp_path)
    layers = {str(number): shape for number, shape in enumerate(chain)}

    assert graph.stages - CONVERTED == total(layers).stages
    assert graph.cycles("1") * SIZE * SIZE == cost(chain[1]).cost


@pytest.mark.proof
@pytest.mark.parametrize("width", [1.0, 0.5])
def test_costs_of_a_detector_are_the_compilers(width: float, tmp_path: Path) -> None:
    """SSD-MobileNet at 352x256: every one of its convolutions, on maps of every size."""
    maps = (PriorMap(8, (10.0, 16.0, 24.0)), PriorMap(16, (34.0,)), PriorMap(32, (73.0, 105.0)))
    net = SSD(PriorSpec(352, 256, maps), width=width)
    graph = compiled(convert(net), tmp_path)
    mine = {name: cost(s).cost // (s.height * s.width) for name, s in shapes(net).items()}

    assert {name: graph.cycles(f"net.{name}") for name in mine} == mine
