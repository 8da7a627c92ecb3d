"""The oracle: what was cut computes what the dense network does with those channels at zero."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edge.errors import DataError
from tests.training.prune.kit import BACKBONES, network, picture, random_plan, zeroed
from training.prune.blocks import blocks
from training.prune.groups import groups
from training.prune.hybrid import shortened
from training.prune.plan import PruningPlan
from training.prune.surgery import apply, plan_of
from training.prune.widths import layout

pytestmark = pytest.mark.training

LIMIT = 1e-5


def run(net: nn.Module, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        return net(picture(seed))


def apart(a: tuple[torch.Tensor, torch.Tensor], b: tuple[torch.Tensor, torch.Tensor]) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("backbone", BACKBONES)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_pruned_equals_dense_with_those_channels_at_zero(backbone: str, seed: int) -> None:
    """For any plan, also one that leaves a single channel, outputs differ by less than 1e-5."""
    net = network(backbone, seed=seed % 7)
    plan = random_plan(net, np.random.default_rng(seed))

    assert apart(run(apply(net, plan)), zeroed(net, plan, picture())) < LIMIT


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_oracle_sees_a_wrong_channel(backbone: str) -> None:
    """The proof can fail: silencing more than the plan says is far above the limit."""
    net = network(backbone)
    plan = random_plan(net, np.random.default_rng(3))
    name = "head0.feature.pw.conv"
    kept = plan.kept[name]
    other = plan.with_kept({name: kept[: len(kept) // 2]})

    assert apart(run(apply(net, plan)), zeroed(net, other, picture())) > 100 * LIMIT


@pytest.mark.parametrize("backbone", BACKBONES)
def test_torch_pruning_agrees(backbone: str) -> None:
    """A second witness: another library's surgeon gives the same network for the same channels."""
    pytest.importorskip(
        "torch_pruning", reason="needs the [pruning-bench] extra: torch_pruning is missing"
    )
    from training.prune.peer import prune_alike  # noqa: PLC0415

    net = network(backbone)
    plan = random_plan(net, np.random.default_rng(5))

    assert apart(run(apply(net, plan)), run(prune_alike(net, plan))) < LIMIT


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_dense_plan_changes_nothing_and_the_original_stays(backbone: str) -> None:
    """Surgery works on a copy."""
    net = network(backbone)
    before = run(net)
    small = apply(net, random_plan(net, np.random.default_rng(1)))

    assert 0 == apart(before, run(apply(net, plan_of(net))))
    assert 0 == apart(before, run(net))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())


def test_two_cuts_are_one() -> None:
    """A plan applied after a milder one gives the network that it gives at once."""
    net = network()
    first = random_plan(net, np.random.default_rng(2))
    second = first.with_kept(
        {name: kept[: -(-len(kept) // 2)] for name, kept in first.kept.items()}
    )
    stepwise = apply(apply(net, first), second, first)

    assert 0 == apart(run(apply(net, second)), run(stepwise))


def cut_short(net: nn.Module, rng: np.random.Generator) -> PruningPlan:
    """A plan with some removable blocks gone, and some of the channels that are left."""
    removable = [block.name for block in blocks(net, picture(), "backbone.")]
    removed = [name for name in removable if rng.random() < 0.5] or removable[:1]
    short = identities(net, removed)
    return replace(random_plan(short, rng), removed=tuple(removed))


def identities(net: nn.Module, removed: Sequence[str]) -> nn.Module:
    """The dense network with blocks replaced by hand."""
    short = copy.deepcopy(net)
    for name in removed:
        parent, _, child = name.rpartition(".")
        setattr(short.get_submodule(parent), child, nn.Identity())
    return short


@pytest.mark.parametrize("backbone", BACKBONES)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_blocks_it_equals_dense_with_identities(backbone: str, seed: int) -> None:
    """Blocks and channels gone: the dense network with identities and those channels at zero.

    Taps of a head are among the blocks: the head reads the block before.
    """
    net = network(backbone, seed=seed % 7)
    plan = cut_short(net, np.random.default_rng(seed))
    short = identities(net, plan.removed)

    assert apart(run(apply(net, plan)), zeroed(short, plan, picture())) < LIMIT


@pytest.mark.parametrize("backbone", BACKBONES)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_blocks_can_go_after_channels(backbone: str, seed: int) -> None:
    """Channels, then blocks and more channels: the network that both give at once."""
    rng = np.random.default_rng(seed)
    net = network(backbone, seed=seed % 7)
    channels = random_plan(net, rng)
    # two in common at least: of a network once cut, a depthwise layer of one is none any more
    channels = channels.with_kept({name: {0, 1, *kept} for name, kept in channels.kept.items()})
    removed = cut_short(net, rng).removed
    both = shortened(channels, layout(net), layout(net, removed))
    both = both.with_kept({name: kept[: -(-len(kept) // 2)] for name, kept in both.kept.items()})
    stepwise = apply(apply(net, channels), both, channels)

    assert 0 == apart(run(apply(net, both)), run(stepwise))


def test_what_is_gone_cannot_come_back() -> None:
    """A later plan has neither a block nor a channel that an earlier one has cut."""
    net = network()
    removed = replace(layout(net, ("backbone.block8",)).plan(), removed=("backbone.block8",))
    fewer = removed.with_kept({"backbone.block3.pw.conv": (0, 1)})

    with pytest.raises(DataError, match="blocks that are gone"):
        apply(apply(net, removed), plan_of(net), removed)
    with pytest.raises(DataError, match="channels that are gone"):
        apply(apply(net, fewer), removed, fewer)


def test_a_block_whose_ends_differ_cannot_go() -> None:
    """Without a stride, too: more channels leave block 1 than enter it."""
    net = network()
    sizes = {group.name: group.size for group in groups(identities(net, ["backbone.block1"]))}
    plan = PruningPlan(sizes, {n: tuple(range(k)) for n, k in sizes.items()}, ("backbone.block1",))

    with pytest.raises(DataError, match="block1: its output has not its input's shape"):
        apply(net, plan)


@pytest.mark.parametrize("block", ["backbone.block6", "backbone.block99"])
def test_a_block_that_changes_the_shape_cannot_go(block: str) -> None:
    """Nor one that is not there; the message names it."""
    net = network()
    plan = plan_of(net)

    with pytest.raises(DataError, match=block):
        apply(net, type(plan)(plan.sizes, plan.kept, (block,)))


def test_a_plan_of_another_network_is_refused() -> None:
    """Widths must be those that the plan was made for."""
    with pytest.raises(DataError, match="another network"):
        apply(network(width=0.5), plan_of(network(width=0.25)))


def test_memory_format_and_gradients_are_kept() -> None:
    """A pruned network trains as its parent did: channels last, frozen convolutions frozen."""
    net = network().to(memory_format=torch.channels_last)
    net.backbone.stem.requires_grad_(False)
    small = apply(net, random_plan(net, np.random.default_rng(4)))
    weight = small.backbone.block4.pw.conv.weight

    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.requires_grad
    assert not small.backbone.stem.conv.weight.requires_grad
