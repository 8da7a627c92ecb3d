"""Criteria: their formulas by hand, and what pictures tell."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from torch import Tensor, nn

from edge.errors import CallError
from tests.training.prune.kit import BACKBONES, network, picture
from training.prune.criteria import CRITERIA, criterion
from training.prune.evidence import Evidence, gather
from training.prune.groups import ChannelGroup, Slot, groups

pytestmark = pytest.mark.training

WEIGHTS = [[3.0, 4.0], [0.0, 1.0], [-2.0, 2.0]]


@pytest.fixture
def pair() -> tuple[nn.Module, ChannelGroup]:
    """Three filters of two weights each, and what reads them."""
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 1, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(WEIGHTS)[:, :, None, None])
    (group,) = groups(net)
    return net, group


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("minimum_weight", [12.5, 0.5, 4.0]),
        ("l1", [7.0, 1.0, 4.0]),
        ("l2", [5.0, 1.0, 8**0.5]),
        ("geometric_median", [18**0.5 + 29**0.5, 18**0.5 + 5**0.5, 29**0.5 + 5**0.5]),
    ],
)
def test_weights_by_hand(
    name: str, wanted: list[float], pair: tuple[nn.Module, ChannelGroup]
) -> None:
    """Eq. 3 is the mean of the squares; L1, L2 and the sum of distances as their names say."""
    scores = criterion(name)(*pair, Evidence(), np.random.default_rng(0))

    assert scores.tolist() == pytest.approx(wanted, rel=1e-5)


def square(net: nn.Module, x: Tensor) -> Tensor:
    """A loss that every output has a say in."""
    out = net(x)
    parts = out if isinstance(out, tuple) else (out,)
    return sum((part.square().mean() for part in parts), torch.zeros(()))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_taylor_is_the_slope_of_a_gate(backbone: str) -> None:
    """What is gathered equals the loss's change, by finite differences, as a channel fades."""
    net = network(backbone).double()
    x = picture(1).double()
    evidence = gather(net, [x], square)
    group = groups(net)[-3]
    scores = criterion("taylor")(net, group, evidence, np.random.default_rng(0))
    for channel in (0, group.size - 1):
        slopes = []
        for slot in group.consumers:
            conv = net.get_submodule(slot.conv)
            whole = conv.weight.detach().clone()
            losses = []
            for gate in (1 + 1e-5, 1 - 1e-5):
                with torch.no_grad():
                    conv.weight.copy_(whole)
                    conv.weight[:, slot.offset + channel] *= gate
                    losses.append(float(square(net, x)))
            slopes.append(((losses[0] - losses[1]) / 2e-5) ** 2)
            conv.weight.data.copy_(whole)

        assert sum(slopes) ** 0.5 == pytest.approx(scores[channel], rel=1e-3, abs=1e-6)


def test_bn_scale_is_the_deviation_of_the_output(pair: tuple[nn.Module, ChannelGroup]) -> None:
    """What batch normalisation would scale by, measured on the pictures, over all batches."""
    net, group = pair
    batches = [torch.randn(2, 2, 5, 7, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    evidence = gather(net, batches, square)
    out = net[0](torch.cat(batches)).transpose(0, 1).flatten(1)
    scores = criterion("bn_scale")(net, group, evidence, np.random.default_rng(0))

    assert scores.tolist() == pytest.approx(out.std(1, correction=0).tolist(), rel=1e-4)


def test_weight_taylor_by_hand(pair: tuple[nn.Module, ChannelGroup]) -> None:
    """The sum of (w * dL/dw)^2 over a filter, the mean over batches."""
    net, group = pair
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 2.0, 3.0]])[:, :, None, None])
    evidence = gather(
        net,
        [torch.ones(1, 2, 1, 1), 3 * torch.ones(1, 2, 1, 1)],
        lambda net, x: net(x).sum(),
    )
    scores = criterion("weight_taylor")(net, group, evidence, np.random.default_rng(0))
    # dL/dw = x * v with v the weight that reads the filter; over x = 1 and 3 the mean square is 5
    wanted = [5 * v**2 * (a**2 + b**2) for v, (a, b) in zip((1, 2, 3), WEIGHTS, strict=True)]

    assert scores.tolist() == pytest.approx(wanted)


def test_map_taylor_is_the_slope_of_a_maps_gate() -> None:
    """With one picture it is |dL/dg| over the map's cells, by finite differences, of norm 1."""
    net = network("mobilenet").double()
    x = picture(1).double()
    group = groups(net)[3]
    evidence = gather(net, [x], square)
    scores = criterion("map_taylor")(net, group, evidence, np.random.default_rng(0))
    act = net.get_submodule(group.name.removesuffix(".conv")).act
    slopes = []
    for channel in range(group.size):
        losses = []
        for gate in (1 + 1e-5, 1 - 1e-5):
            hook = act.register_forward_hook(_gated(channel, gate))
            with torch.no_grad():
                losses.append(float(square(net, x)))
            hook.remove()
        slopes.append(abs(losses[0] - losses[1]))

    assert 1 == pytest.approx(np.linalg.norm(scores))
    assert scores.tolist() == pytest.approx(
        (slopes / np.linalg.norm(slopes)).tolist(), rel=1e-3, abs=1e-6
    )


def _gated(channel: int, gate: float):
    def hook(_: nn.Module, __: object, output: Tensor) -> Tensor:
        scale = torch.ones(output.shape[1], dtype=output.dtype)
        scale[channel] = gate
        return output * scale[:, None, None]

    return hook


def test_map_rank_is_numpys_mean_rank() -> None:
    """Over the pictures that were asked for and no more, of what the next layer reads."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(5, 3, 6, 8)).astype(np.float32)
    maps[:, 1] = rng.normal(size=(5, 6, 1)) * rng.normal(size=(5, 1, 8))  # of rank 1
    maps[2, 2] = 0
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 1, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[:, :, None, None])
    (group,) = groups(net)
    batches = [torch.from_numpy(maps[:3]), torch.from_numpy(maps[3:])]
    evidence = gather(net, batches, square, rank_pictures=4)
    scores = criterion("map_rank")(net, group, evidence, np.random.default_rng(0))

    assert scores.tolist() == np.linalg.matrix_rank(maps[:4]).mean(0).tolist()
    assert [6.0, 1.0, 4.5] == scores.tolist()


def test_a_linear_layer_reads_channels_too() -> None:
    """Behind a global mean, gates and maps of single cells are seen as those of a convolution."""
    conv, linear = nn.Conv2d(2, 3, 1), nn.Linear(3, 2)
    net = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    evidence = gather(net, [x], square, rank_pictures=4)

    assert (3,) == evidence.taylor["3"].shape == evidence.map_taylor["3"].shape
    assert [1.0, 1.0, 1.0] == evidence.map_rank["3"].tolist()


def test_gathering_leaves_no_trace() -> None:
    """Weights, frozen parameters and hooks are afterwards as before."""
    net = network()
    net.backbone.stem.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    gather(net, [picture(2)], square)

    assert not net.backbone.stem.conv.weight.requires_grad
    assert net.backbone.block1.dw.conv.weight.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("name", sorted(CRITERIA))
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_criterion_scores_every_group(backbone: str, name: str) -> None:
    """One finite number a channel, none negative."""
    net = network(backbone)
    evidence = gather(net, [picture(3)], square, rank_pictures=1)
    for group in groups(net):
        scores = criterion(name)(net, group, evidence, np.random.default_rng(0))

        assert (group.size,) == scores.shape
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()


def test_several_producers_count_by_their_mean() -> None:
    """Filters that make one channel together are judged together."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, 2.0])[:, None, None, None])
        net[1].weight.copy_(torch.tensor([3.0, 6.0])[:, None, None, None])
    both = ChannelGroup("0", 2, (Slot("0"), Slot("1")))

    assert [2.0, 4.0] == criterion("l1")(net, both, Evidence(), np.random.default_rng(0)).tolist()


def test_an_unknown_criterion_is_refused() -> None:
    """The message lists those that are known."""
    with pytest.raises(CallError, match="minimum_weight"):
        criterion("beauty")
