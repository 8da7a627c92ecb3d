"""What a network's convolutions are, and what they count up to."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from torch import Tensor, nn

from edge.contract.ssd import PriorMap, PriorSpec
from edge.errors import DataError
from training.models.ssd import BACKBONES, SSD
from training.profile.shapes import Cost, Shape, cost, macs, parameters, shapes, total

pytestmark = pytest.mark.training

SPEC = PriorSpec(96, 64, (PriorMap(8, (10.0, 14.0)), PriorMap(32, (40.0,))))


class Net(nn.Module):
    """Layers in a row, on pictures of 8x6."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.spec = PriorSpec(8, 6, SPEC.maps)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """What the last layer gives."""
        out: Tensor = self.layers(x)
        return out


def test_shapes_are_those_of_the_layers() -> None:
    """Kind, channels, kernel, stride and output size, by name and in order; counts by hand."""
    found = shapes(Net(nn.Conv2d(3, 4, 3, 2, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)))
    first, second = found.values()

    assert ["layers.0", "layers.1"] == list(found)
    assert Shape("conv", 3, 4, 3, 2, 3, 4) == first
    assert Shape("depthwise", 4, 4, 3, 1, 3, 4) == second
    assert ("depthwise", 3, 1, 3, 4) == second.map
    assert 3 * 4 * 9 * 3 * 4 == macs(first)
    assert 3 * 4 * 9 * 4 == macs(second)
    assert 9 * 3 * 4 + 4 == parameters(first)
    assert Cost(macs(first) + macs(second), 112 + 40) == total(found)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_detector_is_its_convolutions(backbone: str) -> None:
    """No parameter is outside of them, each is found once, and the mode is as before."""
    net = SSD(SPEC, backbone=backbone, width=0.25, neck=16).train()
    found = shapes(net)

    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == len(found)
    assert sum(p.numel() for p in net.parameters()) == cost(net).parameters
    assert "head1.conf" == list(found)[-1]
    assert net.training


@pytest.mark.parametrize(
    "strange",
    [
        nn.Conv2d(3, 3, (1, 3)),
        nn.Conv2d(3, 3, 3, stride=(1, 2)),
        nn.Conv2d(3, 3, 3, dilation=2),
        nn.Conv2d(3, 6, 3, groups=3),
    ],
    ids=["kernel", "stride", "dilation", "depth multiplier"],
)
def test_what_no_table_can_hold_is_refused(strange: nn.Conv2d) -> None:
    """Told by its name, with what would do."""
    with pytest.raises(DataError, match=r"layers\.1: .* make it square, and plain or depthwise"):
        shapes(Net(nn.Identity(), strange))


def test_a_layer_that_runs_twice_is_refused() -> None:
    """No hook stays behind: the network still runs."""
    twice = nn.Conv2d(3, 3, 1)
    net = Net(twice, twice)
    with pytest.raises(DataError, match="runs twice"):
        shapes(net)

    assert (1, 3, 6, 8) == tuple(net(torch.zeros(1, 3, 6, 8)).shape)


def test_shapes_are_seen_where_the_network_is() -> None:
    """On whatever device: one without memory stands for all that are not the CPU."""
    net = SSD(SPEC, width=0.25)

    assert shapes(net) == shapes(net.to("meta"))
