"""Which blocks can go, and what their importance is, checked by hand."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from edge.errors import DataError
from tests.training.prune.kit import network, picture
from training.models.resnet import ResNet
from training.prune.blocks import Block, blocks, importance, loss_without, rank_sum
from training.prune.criteria import criterion
from training.prune.evidence import Evidence
from training.prune.surgery import apply, plan_of, without

pytestmark = pytest.mark.training

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("backbone", "numbers"),
    [("mobilenet", (3, 5, 7, 8, 9, 10, 11, 13)), ("squeezenet", (3, 5, 7, 9, 10))],
)
def test_blocks_that_keep_the_shape_can_go(backbone: str, numbers: tuple[int, ...]) -> None:
    """Of MobileNet those of stride 1 that do not widen, of SqueezeNet every second: taps, too."""
    found = blocks(network(backbone), picture(), "backbone.")

    assert numbers == tuple(int("".join(filter(str.isdigit, block.name))) for block in found)


def test_residual_blocks_can_go_but_those_that_stride() -> None:
    """What passes by takes their place: no channels meet that were apart, and no weights change."""
    net = ResNet(blocks=3, width=4).eval()
    found = blocks(net, torch.zeros(1, 3, 32, 32))
    removed = [block.name for block in found]
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plan = replace(plan_of(without(net, removed)), removed=tuple(removed))
    small = apply(net, plan)
    for stage, number in ((1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)):
        net.get_submodule(f"layer{stage}")[number] = nn.Identity()

    assert ["layer1.0", "layer1.1", "layer1.2", "layer2.1", "layer2.2", "layer3.1", "layer3.2"] == (
        removed
    )
    assert [{}] * 7 == [block.passed for block in found]
    with torch.no_grad():
        assert torch.equal(net(x), small(x))


def test_a_blocks_scale_is_that_of_its_own_normalisation() -> None:
    """Not of one that scales the same channels elsewhere."""
    net = ResNet(blocks=2, width=4).eval()
    with torch.no_grad():
        net.layer2[1].bn1.weight.fill_(-3.0)
    found = blocks(net, torch.zeros(1, 3, 32, 32))
    scored = importance(net, found, criterion("bn_scale"), Evidence(), RNG)

    assert {"layer1.0": 1.0, "layer1.1": 1.0, "layer2.1": 3.0, "layer3.1": 1.0} == scored


def test_a_block_knows_whose_place_is_taken() -> None:
    """Each branch of a fire module is followed by the same branch of the one before."""
    third = blocks(network("squeezenet"), picture(), "backbone.")[0]

    assert {
        f"backbone.fire3.expand{k}.conv": f"backbone.fire2.expand{k}.conv" for k in (1, 3)
    } == third.passed
    assert 3 == len(third.convolutions)


class Branches(nn.Module):
    """Eight channels to eight, by two branches of these widths."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, first, 1), nn.Conv2d(8, second, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 8, h, w) to (B, 8, h, w)."""
        return torch.cat([self.first(x), self.second(x)], 1)


@pytest.mark.parametrize(("second", "removable"), [((2, 6), True), ((4, 4), False)])
def test_channels_must_lie_in_the_same_groups(second: tuple[int, int], removable: bool) -> None:
    """Eight channels of two and six cannot be followed by a reader of four and four."""
    net = nn.Sequential(nn.Conv2d(3, 8, 1), Branches(2, 6), Branches(*second), nn.Conv2d(8, 1, 1))
    found = {block.name for block in blocks(net, torch.zeros(1, 3, 4, 4))}

    assert removable == ("2" in found)


def test_importance_is_the_mean_over_the_filters() -> None:
    """Two convolutions with filters of L1 norm 1, 3 and 2, 4, 6: (1 + 3 + 2 + 4 + 6) / 5."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 1), nn.Conv2d(3, 1, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -3.0])[:, None, None, None])
        net[1].weight.copy_(torch.tensor([[1.0, 1.0], [-4.0, 0.0], [3.0, 3.0]])[:, :, None, None])
    block = Block("whole", ("0", "1"), {})

    assert {"whole": 3.2} == importance(net, [block], criterion("l1"), Evidence(), RNG)


def test_filters_of_one_layer_are_scored_by_themselves() -> None:
    """Where another layer makes the same channels, only the block's own filters count."""
    net = network()
    (third, *_) = blocks(net, picture(), "backbone.")
    weight = net.backbone.block3.pw.conv.weight.detach()
    scored = importance(net, [third], criterion("minimum_weight"), Evidence(), RNG)

    assert float(weight.square().mean()) == pytest.approx(scored[third.name])


def test_a_block_without_a_scored_filter_is_refused() -> None:
    """The last convolution is in no group: its width is promised to whoever reads the answer."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1))

    with pytest.raises(DataError, match="block last"):
        importance(net, [Block("last", ("1",), {})], criterion("l1"), Evidence(), RNG)


def test_the_loss_without_a_block_is_that_of_an_identity() -> None:
    """For each block alone, over the batches; what is measured leaves the network as it was."""
    net = network()
    batches = [picture(1), picture(2)]

    def loss(net: nn.Module, x: Tensor) -> Tensor:
        return sum((part.square().mean() for part in net(x)), torch.zeros(()))

    names = ["backbone.block8", "backbone.block3"]
    grown = loss_without(net, names, lambda name: without(net, [name]), batches, loss)
    whole = np.mean([float(loss(net, x).detach()) for x in batches])
    net.backbone.block3 = nn.Identity()
    short = np.mean([float(loss(net, x).detach()) for x in batches])

    assert names == list(grown)
    assert short - whole == pytest.approx(grown["backbone.block3"], rel=1e-4)


def test_ranks_are_added_up() -> None:
    """Units do not matter, and equals share a rank."""
    weight = {"a": 0.1, "b": 0.2, "c": 0.3}
    loss = {"a": 500.0, "b": -1.0, "c": -1.0}

    assert {"a": 2.0, "b": 1.0, "c": 2.0} == rank_sum([weight, loss])
