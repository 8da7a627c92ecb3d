"""Hybrid pruning: in which round blocks go, which, and what channels have to make up for.

    layers first      round 1: blocks              2 .. last: channels, to the target
    channels first    1 .. last - 1: channels      last: blocks, then channels to the target

A block is coarse: at the end it is always channels that bring the network to its target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from training.choosing import Job, Select, loss_on_batches, rank_pictures, ranked, reach
from training.config import Prune
from training.models.ssd import SSD
from training.profile.shapes import input_size
from training.prune.blocks import LOSS, Block, blocks, importance, loss_without, rank_sum
from training.prune.bridge import Bridge, bridges, build_bridges, fit_bridges
from training.prune.cluster import Ranking, greedy, limits, normalised, per_price
from training.prune.criteria import COMPARABLE, ON_PICTURES, criterion
from training.prune.evidence import Evidence, gather
from training.prune.hybrid import chains, nested, removals, shortened
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import Layout, layout, widths

_ROOM = 1.1  # of the target: what blocks leave at least, so that channels can settle the rest
_LOSSES = 8  # batches, on which the network is run without each block


@dataclass(frozen=True, slots=True)
class Stage:
    """What a round of a hybrid pruning does.

    blocks: share of the dense network's price to which blocks go; None: none goes. channels: the
    share to which channels go afterwards; None: none goes.
    """

    blocks: float | None
    channels: float | None


def stage(rule: Prune, number: int, left: float = 1.0) -> Stage:
    """What a round does.

    Args:
        rule: order, rounds, target, and the part of the saving that blocks make.
        number: of the round, from 1.
        left: share of the price that the first round left, for later rounds of layers first.
    """
    target, rounds = rule.latency, rule.rounds
    depth = target**rule.depth
    if rounds == 1:
        return Stage(depth, target)
    if rule.order == "layers":
        if number == 1:
            return Stage(depth, None)
        return Stage(None, left - (left - target) * (number - 1) / (rounds - 1))
    if number == rounds:
        return Stage(_ROOM * target, target)
    before = min(_ROOM * target / depth, 1.0)  # blocks then leave _ROOM times the target
    return Stage(None, 1 - (1 - before) * number / (rounds - 1))


def choose_hybrid(job: Job, number: int, plan: PruningPlan, net: SSD) -> PruningPlan:
    """The plan of a round of a hybrid pruning; the last one's by measured latency.

    Raises:
        DataError: the target cannot be reached.
    """
    left = layout(job.dense, plan.removed).price({}, job.device.price) / _whole(job)
    goal = stage(job.rule, number, left)
    start = plan if goal.blocks is None else _cut_blocks(job, number, plan, net, goal.blocks)
    if goal.channels is None:
        return start
    ranking = channel_ranking(job, number, plan, net)
    if job.rule.order == "channels" and goal.blocks is None:
        ranking = nested(ranking, plan, chains(removable(job)))
    ranking = handed_over(job, ranking, bridges(net, start, plan))
    select = channels(job, start, ranking)
    if number < job.rule.rounds:
        return select(goal.channels)
    return reach(
        select, lambda p: job.device.measure(apply(net, p, plan)), goal.channels,
        job.rule.tolerance, job.say, job.unit,
    )  # fmt: skip


def channel_ranking(job: Job, number: int, plan: PruningPlan, net: SSD) -> Ranking:
    """Scores of the channels that `plan` left in `net`, comparable between layers."""
    ranking = ranked(job, number, plan, net)
    return ranking if job.rule.criterion in COMPARABLE else normalised(ranking)


def handed_over(job: Job, ranking: Ranking, found: Iterable[Bridge]) -> Ranking:
    """The ranking of a network with bridges: a channel is worth what the one was that it gives."""
    if not job.rule.bridge:
        return ranking
    return {**ranking, **{bridge.taker: ranking[bridge.lost] for bridge in found}}


def channels(job: Job, start: PruningPlan, ranking: Ranking) -> Select:
    """Ours, from a network without some blocks: from the share of the dense price to a plan."""
    short = layout(job.dense, start.removed)
    whole = _whole(job)
    return lambda share: greedy(
        start, short, ranking,
        limits=limits(short, job.device.cluster, job.rule.least), price=job.device.price,
        target=whole * share, key=per_price, slack=job.rule.tolerance,
    )  # fmt: skip


def removable(job: Job) -> tuple[Block, ...]:
    """The blocks of the dense network's backbone that can go."""
    height, width = input_size(job.dense)
    return blocks(job.dense, torch.zeros(1, 3, height, width), "backbone.")


def _whole(job: Job) -> float:
    return job.layout.price({}, job.device.price)


def _cut_blocks(job: Job, number: int, plan: PruningPlan, net: SSD, share: float) -> PruningPlan:
    """The plan with blocks gone, the least important first, as far as the share allows."""
    told = block_importance(job, number, plan, net)
    shorten = _shortener(job, plan)

    def price(removed: tuple[str, ...]) -> float:
        short, left = shorten(removed)
        return short.price(widths(left), job.device.price)

    gone = removals(sorted(told, key=told.__getitem__), share * _whole(job), price)
    for name, value in told.items():
        job.say(f"{name}: importance {value:.4g}{', goes' if name in gone else ''}")
    return shorten(gone)[1]


def _shortener(
    job: Job, plan: PruningPlan
) -> Callable[[tuple[str, ...]], tuple[Layout, PruningPlan]]:
    """From blocks that go, too, to what is left: layout, and the plan on it."""
    whole = layout(job.dense, plan.removed)

    def shorten(removed: tuple[str, ...]) -> tuple[Layout, PruningPlan]:
        short = layout(job.dense, (*plan.removed, *removed))
        return short, shortened(plan, whole, short)

    return shorten


def block_importance(job: Job, number: int, plan: PruningPlan, net: SSD) -> Mapping[str, float]:
    """How important each block is that `plan` left in `net`, by the recipe's criteria.

    One criterion gives its own figures, several the sum of their ranks.
    """
    left = [block for block in removable(job) if block.name not in plan.removed]
    names = job.rule.layer_criteria
    evidence = Evidence()
    if set(names) & set(ON_PICTURES):
        batches, loss = loss_on_batches(job, number)
        evidence = gather(net, batches, loss, rank_pictures=rank_pictures(*names))
    rng = np.random.default_rng((job.recipe.fit.seed, number))
    told = [
        _losses(job, number, plan, net, left) if name == LOSS
        else importance(net, left, criterion(name), evidence, rng)
        for name in names
    ]  # fmt: skip
    return told[0] if len(told) == 1 else rank_sum(told)


def _losses(
    job: Job, number: int, plan: PruningPlan, net: SSD, left: list[Block]
) -> dict[str, float]:
    batches, loss = loss_on_batches(job, number)
    shorten = _shortener(job, plan)
    plans = {block.name: shorten((block.name,))[1] for block in left}
    found = {name: bridges(net, each, plan) for name, each in plans.items()}
    fitted = _fitted(job, number, net, chain(*found.values()))

    def without(name: str) -> SSD:
        built = {bridge: fitted[bridge] for bridge in found[name] if bridge in fitted}
        return apply(build_bridges(net, built), plans[name], plan)

    return loss_without(net, plans, without, list(islice(batches, _LOSSES)), loss)


def cut_hybrid(job: Job, number: int, net: SSD, new: PruningPlan, plan: PruningPlan) -> SSD:
    """The network after a round's cut, with bridges where blocks go if the recipe says so.

    Args:
        job: of the pruning.
        number: of the round, which tells what pictures to look at.
        net: before the cut.
        new: what is left of the dense network after it.
        plan: what was left before.
    """
    found = bridges(net, new, plan)
    return apply(build_bridges(net, _fitted(job, number, net, found)), new, plan)


def _fitted(job: Job, number: int, net: SSD, wanted: Iterable[Bridge]) -> Mapping[Bridge, Tensor]:
    """The weights of bridges; none where the rule wants none."""
    every = tuple(wanted) if job.rule.bridge else ()
    if not every:
        return {}
    batches, _ = loss_on_batches(job, number)
    device = next(net.parameters()).device
    return fit_bridges(net, every, batches, lambda net, data: net(data.pictures.to(device)))
