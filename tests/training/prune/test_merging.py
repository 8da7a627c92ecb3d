"""What goes is made up for: without a trace where one channel is another's multiple."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.training.prune.kit import BACKBONES, network, picture, random_plan
from training.prune.groups import groups
from training.prune.maps import read_maps
from training.prune.merging import merged
from training.prune.plan import PruningPlan
from training.prune.surgery import apply, plan_of

pytestmark = pytest.mark.training


def chain(*, depthwise: bool = False, kernel: int = 1, bias: bool = True) -> nn.Sequential:
    """A producer of four channels, one maker of an answer, and what may stand between."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(2, 4, 1), nn.ReLU()]
    if depthwise:
        layers += [nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(4, 3, kernel, padding=kernel // 2, bias=bias)).eval()


def inputs(count: int = 2) -> list[Tensor]:
    return [
        torch.randn(3, 2, 6, 7, generator=torch.Generator().manual_seed(k)) for k in range(count)
    ]


def scaled(conv: nn.Module, scale: float) -> None:
    """Make filter 3 a multiple of filter 1."""
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight[3] = scale * conv.weight[1]
        if conv.bias is not None:
            conv.bias[3] = scale * conv.bias[1]


def both(net: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    """How far a network without channel 3 is from the whole one: merged, plainly cut."""
    plan = plan_of(net).with_kept({"0": [0, 1, 2]})
    seen = read_maps(net, groups(net), inputs())
    with torch.inference_mode():
        whole = net(x)
        return tuple(
            (apply(each, plan)(x) - whole).abs().max() for each in (merged(net, plan, seen), net)
        )  # type: ignore[return-value]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_multiple_of_another_channel_goes_without_a_trace(
    *, depthwise: bool, kernel: int, bias: bool
) -> None:
    """Also behind a depthwise layer whose filters are multiples, on pictures never seen."""
    net = chain(depthwise=depthwise, kernel=kernel, bias=bias)
    scaled(net[0], 2.5)
    if depthwise:
        with torch.no_grad():
            net[2].weight[3] = 0.4 * net[2].weight[1]  # the bias follows the map's scale, too
            net[2].bias[3] = 2.5 * 0.4 * net[2].bias[1]
    merged_off, plain_off = both(net, inputs(3)[-1])

    assert merged_off < 1e-5
    assert plain_off > 1e-2


def test_other_depthwise_filters_make_another_channel() -> None:
    """Equal before the depthwise layer, blurred against sharpened behind: hardly to be merged."""
    net = chain(depthwise=True)
    scaled(net[0], 1.0)
    with torch.no_grad():
        net[2].weight[1], net[2].weight[3] = 1 / 9, -1.0
        net[2].weight[3, 0, 1, 1] = 8.5
        net[2].bias.zero_()
    merged_off, plain_off = both(net, inputs(3)[-1])

    assert 0.1 * plain_off < merged_off


def test_a_constant_channel_goes_into_the_bias() -> None:
    """Its filter is dead, its bias is not; nothing that stays is like it."""
    net = chain()
    with torch.no_grad():
        net[0].weight[3] = 0
        net[0].bias[3] = 1.5
    merged_off, plain_off = both(net, inputs(3)[-1])

    assert merged_off < 1e-5
    assert plain_off > 1e-2


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_merging_is_the_better_start_on_what_was_seen(seed: int) -> None:
    """With one channel gone the reader's output is nearer by least squares, never farther."""
    net = chain(bias=False)
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(4, 2, 1, 1, generator=torch.Generator().manual_seed(seed)))
    plan = plan_of(net).with_kept({"0": [0, 1, 2]})
    new = merged(net, plan, read_maps(net, groups(net), inputs()))
    x = torch.cat(inputs())
    with torch.inference_mode():
        errors = [float((apply(n, plan)(x) - net(x)).square().sum()) for n in (new, net)]

    assert errors[0] <= errors[1] * (1 + 1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_real_networks_are_merged_at_every_reader(backbone: str) -> None:
    """Shapes stay, the given network too; a plan that keeps everything changes nothing."""
    net = network(backbone)
    seen = read_maps(net, groups(net), [picture(k) for k in range(3)])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plan = random_plan(net, np.random.default_rng(1))
    same, new = merged(net, plan_of(net), seen), merged(net, plan, seen)

    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(torch.equal(before[name], value) for name, value in same.state_dict().items())
    changed = {k for k, v in new.state_dict().items() if not torch.equal(before[k], v)}
    for group in groups(net):
        gone = sorted(set(range(group.size)) - set(plan.kept[group.name]))
        for slot, maps in seen[group.name].items():
            if maps.total[gone].any():  # of what is made up for by a constant, the bias alone
                assert changed & {f"{slot.conv}.weight", f"{slot.conv}.bias"}


def test_two_channels_may_have_one_heir() -> None:
    """Both are added to what it already had."""
    net = chain()
    with torch.no_grad():
        for k, scale in ((0, 2.0), (3, 3.0)):
            net[0].weight[k], net[0].bias[k] = scale * net[0].weight[1], scale * net[0].bias[1]
    plan = PruningPlan({"0": 4}, {"0": (1, 2)})
    new = apply(merged(net, plan, read_maps(net, groups(net), inputs())), plan)
    x = inputs(3)[-1]

    with torch.inference_mode():
        assert float((new(x) - net(x)).abs().max()) < 1e-5
