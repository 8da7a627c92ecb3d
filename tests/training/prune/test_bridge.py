"""What a bridge is fitted to, and where none is built."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from tests.training.prune.kit import BACKBONES, network, picture
from training.prune.blocks import blocks
from training.prune.bridge import Bridge, bridges, build_bridges, fit_bridges
from training.prune.groups import groups
from training.prune.plan import PruningPlan
from training.prune.surgery import apply, plan_of, without
from training.prune.widths import layout

pytestmark = pytest.mark.training


def run(net: nn.Module, x: Tensor) -> object:
    return net(x)


def linear() -> nn.Sequential:
    """A stem, a block of two convolutions without activations, and a reader."""
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(6, 9, 1), nn.Conv2d(9, 6, 1))
    return nn.Sequential(nn.Conv2d(3, 6, 1), block, nn.Conv2d(6, 2, 1)).eval()


def pictures(count: int = 2) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(4, 3, 5, 7) for _ in range(count)]


def removal(net: nn.Module, *names: str) -> PruningPlan:
    """The plan that takes blocks away and nothing else."""
    short = plan_of(without(net, names))
    return replace(short, removed=names)


def bridged(net: nn.Module, plan: PruningPlan, x: Sequence[Tensor]) -> nn.Module:
    return apply(build_bridges(net, fit_bridges(net, bridges(net, plan), x, run)), plan)


def test_a_linear_block_is_bridged_exactly() -> None:
    """What the stem can give alone it does give, on pictures that it never saw."""
    net = linear()
    plan = removal(net, "1")
    seen, (_, unseen) = pictures(1), pictures(2)
    with torch.no_grad():
        whole = net(unseen)
        apart = [
            float((whole - short(unseen)).abs().max())
            for short in (bridged(net, plan, seen), apply(net, plan))
        ]

    assert apart[0] < 1e-3 < 0.1 < apart[1]


def test_of_a_network_that_was_cut_the_common_channels_are_bridged() -> None:
    """The stem keeps channels 0, 1, 2, 5 and the block gives 1, 2, 4: 1 and 2 are bridged."""
    net = linear()
    channels = plan_of(net).with_kept({"0": (0, 1, 2, 5), "1.1": (1, 2, 4)})
    both = replace(removal(net, "1"), kept={"0": (1, 2)})
    found = bridges(apply(net, channels), both, channels)

    assert (Bridge("0", "1.1", (1, 2), (0, 1)),) == found


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_bridge_is_nearer_than_none(backbone: str) -> None:
    """Of each detector's removable blocks, where one goes its reader hears less that is new."""
    net = network(backbone)
    x = torch.cat([picture(seed) for seed in range(12)])
    for block in blocks(net, picture(), "backbone."):
        plan = removal(net, block.name)
        found = bridges(net, plan)
        fitted = build_bridges(net, fit_bridges(net, found, [x], run))
        for bridge in found:
            wanted = outputs(net, bridge.lost, x)[:, list(bridge.outputs)]
            plain, learnt = (
                outputs(each, bridge.taker, x)[:, list(bridge.filters)] for each in (net, fitted)
            )

            assert (learnt - wanted).square().mean() < (plain - wanted).square().mean()


def outputs(net: nn.Module, layer: str, x: Tensor) -> Tensor:
    seen = []
    hook = net.get_submodule(layer).register_forward_hook(lambda _, __, y: seen.append(y))
    with torch.no_grad():
        net(x)
    hook.remove()
    return seen[0]


def test_several_blocks_in_a_row_are_bridged_at_once() -> None:
    """The layer before the first gives what the last one gave."""
    net = network()
    (bridge,) = bridges(net, removal(net, "backbone.block8", "backbone.block9"))

    assert "backbone.block7.pw.conv" == bridge.taker
    assert "backbone.block9.pw.conv" == bridge.lost


class Overheard(nn.Module):
    """What stands before the block is read by another layer, too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.block = nn.Sequential(nn.Conv2d(4, 5, 1), nn.Conv2d(5, 4, 1))
        self.reader, self.ear = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) to (B, 4, h, w)."""
        x = self.stem(x)
        return torch.cat([self.reader(self.block(x)), self.ear(x)], 1)


def test_where_somebody_else_listens_there_is_no_bridge() -> None:
    """Another reader would be given what it does not know."""
    net = Overheard()

    assert () == bridges(net, removal(net, "block"))


def test_without_a_constant_to_add_there_is_no_bridge() -> None:
    """A layer without bias cannot give what one with a bias gave."""
    net = linear()
    net[0].bias = None

    assert () == bridges(net, removal(net, "1"))


def test_with_normalisation_there_is_no_bridge() -> None:
    """What stands behind the taker would scale what was fitted."""
    net = linear()
    net.insert(1, nn.BatchNorm2d(6))
    plan = PruningPlan({"0": 6}, {"0": tuple(range(6))}, ("2",))

    assert () == bridges(net, plan)


def test_without_blocks_to_go_there_is_nothing_to_bridge() -> None:
    """A plan of channels alone, or of blocks that are gone already."""
    net = network()
    plan = removal(net, "backbone.block8")

    assert () == bridges(net, layout(net).plan())
    assert () == bridges(apply(net, plan), plan, plan)
    assert len(groups(net)) == len(plan.sizes) + 1


def test_a_seldom_seen_input_is_not_relied_on() -> None:
    """An input that is always zero leaves finite weights."""
    net = linear()
    with torch.no_grad():
        net[0].weight[:, 1] = 0
    x = [each * torch.tensor([1.0, 0.0, 1.0])[:, None, None] for each in pictures()]
    (weights,) = fit_bridges(net, bridges(net, removal(net, "1")), x, run).values()

    assert np.isfinite(weights.numpy()).all()
    assert 0 == pytest.approx(float(weights[:, 1].abs().max()), abs=1e-9)
