"""The oracle for classifiers: with normalisation, sums, concatenations and a linear layer."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from torch import Tensor, nn

from tests.training.prune.kit import random_plan
from training.models.classifier import Classifier
from training.models.googlenet import GoogLeNet
from training.models.resnet import ResNet
from training.models.vgg import VGG
from training.prune.blocks import blocks
from training.prune.groups import groups
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import layout

pytestmark = pytest.mark.training

LIMIT = 1e-5  # of the largest output: those of a random GoogLeNet are hundreds
NETS = {
    "resnet": lambda: ResNet(2, 8),
    "vgg": lambda: VGG(0.125),
    "googlenet": lambda: GoogLeNet(0.125),
}


def network(name: str, seed: int) -> Classifier:
    """Random weights, and a normalisation that shifts and scales every channel by its own."""
    torch.manual_seed(seed)
    net = NETS[name]()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
                module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return net.eval()


def picture(seed: int) -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def silenced(net: Classifier, plan: PruningPlan, x: Tensor) -> Tensor:
    """What the dense network gives when all that read a channel of those which go read zeros."""
    hooks = []
    for group in groups(net):
        gone = sorted(set(range(group.size)) - set(plan.kept[group.name]))
        for slot in group.consumers:
            channels = [slot.offset + channel for channel in gone]
            hooks.append(net.get_submodule(slot.conv).register_forward_pre_hook(_zero(channels)))
    with torch.inference_mode():
        out: Tensor = net(x)
    for hook in hooks:
        hook.remove()
    return out


def apart(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.abs().max())


def _zero(channels: list[int]):  # type: ignore[no-untyped-def]
    def hook(_: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        held = given[0].clone()
        held[:, channels] = 0
        return (held,)

    return hook


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", range(3))
def test_pruned_equals_dense_with_those_channels_at_zero(name: str, seed: int) -> None:
    """For any plan, also one that leaves a single channel of a group."""
    net, x = network(name, seed), picture(seed)
    plan = random_plan(net, np.random.default_rng(seed))
    small = apply(net, plan)
    with torch.inference_mode():
        got = small(x)

    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())
    assert apart(got, silenced(net, plan, x)) < LIMIT


@pytest.mark.parametrize("name", NETS)
def test_the_oracle_sees_a_wrong_channel(name: str) -> None:
    """The proof can fail: other channels than the plan's give another result."""
    net, x = network(name, 0), picture(0)
    plan = random_plan(net, np.random.default_rng(0))
    group = max(groups(net), key=lambda group: group.size)
    turned = [(k + 1) % group.size for k in plan.kept[group.name]]
    with torch.inference_mode():
        got = apply(net, plan)(x)

    other = plan.with_kept({group.name: turned})
    assert apart(got, silenced(net, other, x)) > 1e3 * LIMIT


def test_a_block_without_its_branch_is_its_shortcut() -> None:
    """A removed residual block passes on what it is given, as it is positive; the rest stays."""
    net, x = network("resnet", 1), picture(1)
    removable = [block.name for block in blocks(net, x) if not block.name.endswith(".0")]
    name = removable[-1]
    small = apply(net, layout(net, [name]).plan())
    block = net.get_submodule(name)
    hook = block.register_forward_hook(lambda _, given, __: given[0])
    with torch.inference_mode():
        want, got = net(x), small(x)
    hook.remove()

    assert name.endswith(".1")
    assert torch.allclose(want, got, atol=LIMIT)
    assert not torch.allclose(got, net(x), atol=LIMIT)
