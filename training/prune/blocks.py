"""Whole blocks: which of a network's can be replaced by nothing, and how important each is.

A layer's importance is the mean of its filters', looked at once (Elkerdawy et al., "To Filter
Prune, or to Layer Prune", ACCV 2020; Sadaqa and Liu, arXiv 2509.08714, rank layers by criteria of
channels, too). To that comes what the block itself tells: how much the loss grows without it.
Criteria of different units are put together by ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from edge.errors import DataError
from training.prune.bypass import bypasses
from training.prune.criteria import Criterion
from training.prune.evidence import B, Evidence
from training.prune.groups import ChannelGroup, groups
from training.prune.surgery import without

LOSS = "loss"  # the criterion that looks at blocks and not at filters


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a network that nothing can take the place of.

    name: of the module. convolutions: those in it, in order. passed: groups of its output to
    those of its input, which take their places.
    """

    name: str
    convolutions: tuple[str, ...]
    passed: Mapping[str, str]


def blocks(net: nn.Module, picture: Tensor, within: str = "") -> tuple[Block, ...]:
    """The removable blocks of a network, in the order of execution.

    The innermost modules with two convolutions or more whose output has their input's shape, and
    whose channels lie in the same groups of channels behind them as before them. The first
    residual block of a stage that strides or widens is none, as its shape changes.

    Args:
        net: the dense network.
        picture: (1, channels, height, width), to see the shapes of.
        within: names of blocks begin so.
    """
    kept = _shaped_alike(net, picture, within)
    innermost = [name for name in kept if not any(k.startswith(f"{name}.") for k in kept)]
    whole = groups(net)
    found = []
    for name in innermost:
        try:
            passed = bypasses(whole, groups(without(net, [name])))
        except DataError:
            continue
        sizes = {group.name: group.size for group in whole}
        if all(sizes[out] == sizes[given] for out, given in passed.items()):
            found.append(Block(name, tuple(_convolutions(net, name)), passed))
    return tuple(found)


def _shaped_alike(net: nn.Module, picture: Tensor, within: str) -> list[str]:
    """Modules of two convolutions or more that keep the shape, in the order of execution."""
    kept: list[str] = []

    def note(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(_: nn.Module, given: tuple[object, ...], output: object) -> None:
            (x, *rest), y = given, output
            alike = isinstance(x, Tensor) and isinstance(y, Tensor) and x.shape == y.shape
            if alike and not rest:
                kept.append(name)

        return hook

    hooks = [
        module.register_forward_hook(note(name))
        for name, module in net.named_modules()
        if name.startswith(within) and name and len(_convolutions(net, name)) > 1
    ]
    training = net.training
    try:
        with torch.inference_mode():
            net.eval()(picture)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return kept


def _convolutions(net: nn.Module, block: str) -> list[str]:
    modules = net.get_submodule(block).named_modules(prefix=block)
    return [name for name, module in modules if isinstance(module, nn.Conv2d)]


def importance(
    net: nn.Module,
    found: Iterable[Block],
    criterion: Criterion,
    evidence: Evidence,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Mean of a criterion over the filters of each block.

    Filters of depthwise convolutions have no score, as they follow the channels that they read;
    nor have those whose width is fixed, as that of what is added up in a ResNet for CIFAR.

    Args:
        net: the network, with all of these blocks in it.
        found: the blocks.
        criterion: of filters.
        evidence: gathered on `net`.
        rng: for a criterion by chance.

    Raises:
        DataError: a block has no filter that can be scored.
    """
    every = groups(net)
    out = {}
    for block in found:
        scores = [criterion(net, group, evidence, rng) for group in _made_in(block, every)]
        if not scores:
            raise DataError(f"block {block.name}: none of its filters is in a group to be scored")
        out[block.name] = float(np.concatenate(scores).mean())
    return out


def _made_in(block: Block, every: Iterable[ChannelGroup]) -> list[ChannelGroup]:
    """The channels that a block makes, and of those who make them, what is in the block alone."""
    inside = f"{block.name}."
    return [
        replace(
            group,
            producers=(slot,),
            norms=tuple(norm for norm in group.norms if norm.conv.startswith(inside)),
        )
        for group in every
        for slot in group.producers
        if slot.conv in block.convolutions
    ]


def loss_without(
    net: nn.Module,
    removed: Iterable[str],
    shorten: Callable[[str], nn.Module],
    batches: Sequence[B],
    loss: Callable[[nn.Module, B], Tensor],
) -> dict[str, float]:
    """By how much the mean loss on some batches grows without each block alone.

    Args:
        net: the network with all its blocks.
        removed: names of the blocks.
        shorten: gives the network without one.
        batches: at least one.
        loss: of a network on a batch, a scalar.
    """

    def mean(net: nn.Module) -> float:
        with torch.no_grad():
            return float(np.mean([float(loss(net, batch)) for batch in batches]))

    whole = mean(net)
    return {name: mean(shorten(name)) - whole for name in removed}


def rank_sum(criteria: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The sum of each block's ranks over criteria: 0 for the least important; equals share one."""
    return {
        name: float(sum(sum(other < each[name] for other in each.values()) for each in criteria))
        for name in criteria[0]
    }
