"""One cut of a classifier, by any of the ways: the network goes in, plan and smaller network out.

A plan here is of the network as it is; `onto` tells it in channels of the dense one. The price of
a layer is its multiply-accumulates, so that methods of every kind end with the same share of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from training.cifar.arms import Arm, Round
from training.cifar.deck import Batch, Deck
from training.cifar.fitting import cross_entropy
from training.cifar.recipe import Cut
from training.models.classifier import Classifier
from training.profile.shapes import input_size, macs
from training.prune.blocks import blocks, importance
from training.prune.cluster import Limits, Ranking, greedy, limits, normalised, per_price, uniform
from training.prune.criteria import COMPARABLE, ON_PICTURES, criterion
from training.prune.evidence import Evidence, gather
from training.prune.hybrid import removals
from training.prune.icp import (
    NEIGHBOURS,
    NEIGHBOURS_PUBLISHED,
    alike,
    choose_eps,
    given_back,
    largest,
)
from training.prune.maps import Seen, distances, made_maps, read_maps
from training.prune.merging import merged
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import Layout, Widths, layout

_HALVINGS = 20  # of the interval in which the uniform share is looked for
_PUBLISHED = 128  # pictures of the one batch that ICP looks at


@dataclass(frozen=True, slots=True)
class Cutter:
    """What a cut needs beside the network.

    arm, rule: how. whole: multiply-accumulates of the dense network's convolutions. batches: of
    training pictures. rng: for criteria by chance.
    """

    arm: Arm
    rule: Cut
    whole: float
    batches: Sequence[Batch]
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Result:
    """A smaller network, what was cut from the one before, and by which radius, if by one."""

    net: Classifier
    plan: PruningPlan
    eps: float | None = None


def look(deck: Deck, rule: Cut, size: int, seed: int) -> list[Batch]:
    """The batches on which criteria look, moved and mirrored as those which are learnt from."""
    return list(islice(deck.shuffled(size, seed, epoch=0), rule.batches))


def cut(net: Classifier, part: Round, cutter: Cutter) -> Result:
    """Cut a network to the share that a round asks for.

    Raises:
        DataError: the share cannot be reached.
    """
    net.eval()
    goal = part.share * cutter.whole
    if part.way.startswith("clusters"):
        return _clusters(net, goal, cutter, published=part.way == "clusters-published")
    plan = {"uniform": _uniform, "blocks": _blocks, "channels": _channels}[part.way](
        net, goal, cutter
    )
    return Result(apply(net, plan), plan)


def onto(before: PruningPlan, plan: PruningPlan) -> PruningPlan:
    """A plan of what `before` left of the dense network, told in the dense network's channels."""
    return PruningPlan(
        {name: before.sizes[name] for name in plan.kept},
        {name: tuple(before.kept[name][k] for k in kept) for name, kept in plan.kept.items()},
        (*before.removed, *plan.removed),
    )


def _uniform(net: Classifier, goal: float, cutter: Cutter) -> PruningPlan:
    """The greatest share of every layer's channels that meets the goal."""
    found = layout(net)
    ranking = _ranking(net, found, cutter)
    room = _limits(found, cutter.rule)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        plan = uniform(found, ranking, middle, room, align=True)
        wide = found.price({n: plan.width(n) for n in plan.sizes}, macs) > goal
        low, high = (low, middle) if wide else (middle, high)
    return uniform(found, ranking, low, room, align=True)


def _channels(net: Classifier, goal: float, cutter: Cutter) -> PruningPlan:
    """Channel by channel, by importance lost for each multiplication saved."""
    found = layout(net)
    ranking = _ranking(net, found, cutter)
    if cutter.arm.criterion not in COMPARABLE:
        ranking = normalised(ranking)
    return greedy(
        found.plan(), found, ranking, limits=_limits(found, cutter.rule), price=macs,
        target=goal, key=per_price,
    )  # fmt: skip


def _blocks(net: Classifier, goal: float, cutter: Cutter) -> PruningPlan:
    """Whole blocks, the least important first, as long as no less than the goal is left."""
    device = next(net.parameters()).device
    removable = blocks(net, torch.zeros(1, 3, *input_size(net), device=device))
    # the first of each stage stays, as published: what it changes nobody else can change
    left = [block for block in removable if not block.name.endswith(".0")]
    name = cutter.arm.criterion
    told = importance(net, left, criterion(name), _evidence(net, cutter), cutter.rng)
    gone = removals(
        sorted(told, key=told.__getitem__), goal, lambda names: layout(net, names).price({}, macs)
    )
    return layout(net, gone).plan()


def _clusters(net: Classifier, goal: float, cutter: Cutter, *, published: bool) -> Result:
    """Clusters of feature maps give the widths, the criterion says which channels stay.

    Ours is `training.prune.icp`'s: widths in the device's steps, and what goes is merged.
    """
    found = layout(net)
    pictures = [batch[0] for batch in cutter.batches]
    seen: dict[str, Seen] = (
        made_maps(net, found.groups, pictures[0][:_PUBLISHED]) if published
        else read_maps(net, found.groups, pictures)
    )  # fmt: skip
    neighbours = NEIGHBOURS_PUBLISHED if published else NEIGHBOURS
    near = {
        name: alike(distances(maps, centred=not published), neighbours)
        for name, maps in seen.items()
    }
    room = _limits(found, cutter.rule, published=published)

    def cost(widths: Widths) -> float:
        return found.price(widths, macs)

    choice = choose_eps(near, room, cost, goal)
    if not published:
        choice = given_back(choice, near, room, cost, goal)
    ranking = _ranking(net, found, cutter)
    kept = {name: largest(ranking[name], width) for name, width in choice.widths.items()}
    plan = found.plan().with_kept(kept)
    return Result(apply(net if published else merged(net, plan, seen), plan), plan, choice.eps)


def _limits(found: Layout, rule: Cut, *, published: bool = False) -> Limits:
    step = 1 if published else rule.step
    sizes = {group.name: min(step, group.size) for group in found.groups}
    return limits(found, sizes, 0.0 if published else rule.least)


def _ranking(net: Classifier, found: Layout, cutter: Cutter) -> Ranking:
    score, evidence = criterion(cutter.arm.criterion), _evidence(net, cutter)
    return {group.name: score(net, group, evidence, cutter.rng) for group in found.groups}


def _evidence(net: Classifier, cutter: Cutter) -> Evidence:
    name = cutter.arm.criterion
    if name not in ON_PICTURES:
        return Evidence()
    ranks = cutter.rule.ranks if name == "map_rank" else 0
    return gather(net, cutter.batches, cross_entropy, rank_pictures=ranks)
