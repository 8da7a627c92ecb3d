"""Blocks and channels together: how much of a saving each part makes, and plans of both.

    compound scaling, backwards        d = a^-phi  of the latency is left by the blocks,
    (Tan and Le, EfficientNet,         w = b^-phi  of that is left by the channels;
    ICML 2019, Eq. 3, with phi < 0)    a and b are found once, at phi = 1, for a mild cut

Nothing here touches a network or looks at pictures. In which order the parts are cut, and what is
fitted between them, is left to the callers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import DataError
from training.prune.blocks import Block
from training.prune.bypass import bypasses
from training.prune.cluster import Ranking
from training.prune.plan import PruningPlan
from training.prune.widths import Layout

Chain = tuple[str, ...]  # groups which take each other's places when blocks go


@dataclass(frozen=True, slots=True)
class Scaling:
    """Shares of a price that blocks and channels leave at phi = 1: 1 / a and 1 / b.

    EfficientNet measures depth and width in layers and channels, and fixes a * b^2 for a cost
    that it reckons. Here both are shares of the device's price, so that a * b is the whole
    saving, whatever a layer or a channel is worth.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        if not (self.a >= 1 and self.b >= 1 and self.a * self.b > 1):
            raise DataError(f"a scaling of {self.a:g} and {self.b:g} makes nothing smaller")

    def phi(self, target: float) -> float:
        """How far to scale for `target` (0..1) of the price."""
        return math.log(1 / target) / math.log(self.a * self.b)

    def depth(self, target: float) -> float:
        """The share of the price that blocks leave."""
        return float(self.a ** -self.phi(target))

    def width(self, target: float) -> float:
        """The share of the rest that channels leave."""
        return float(self.b ** -self.phi(target))


@dataclass(frozen=True, slots=True)
class Probe:
    """A mild cut that was tried.

    removed: blocks. depth, width: shares of the price that blocks and channels left. figure: of
    merit on validation, the greater the better.
    """

    removed: tuple[str, ...]
    depth: float
    width: float
    figure: float


def fitted(probes: Sequence[Probe]) -> Scaling:
    """The scaling of the best probe; of equals, that which removes the fewest blocks.

    Raises:
        DataError: there is none.
    """
    if not probes:
        raise DataError("no split between blocks and channels was tried")
    best = max(probes, key=lambda probe: (probe.figure, -len(probe.removed)))
    return Scaling(1 / best.depth, 1 / best.width)


def removals(
    order: Iterable[str], least: float, price: Callable[[tuple[str, ...]], float]
) -> tuple[str, ...]:
    """Blocks that go, in an order: one which would carry the price below `least` is passed over.

    Args:
        order: names, the least important first.
        least: of the price.
        price: of the network without some blocks.
    """
    gone: tuple[str, ...] = ()
    for name in order:
        if price((*gone, name)) >= least:
            gone = (*gone, name)
    return gone


def shortened(plan: PruningPlan, whole: Layout, short: Layout) -> PruningPlan:
    """A plan of some channels, with blocks gone, too: where two groups meet, what both keep.

    Args:
        plan: of the network of `whole`.
        whole: what the plan is of.
        short: the same without more blocks.

    Raises:
        DataError: two groups that meet have no channel in common.
    """
    kept = {group.name: set(plan.kept[group.name]) for group in short.groups}
    for gone, stays in bypasses(whole.groups, short.groups).items():
        kept[stays] &= set(plan.kept[gone])
    return short.plan().with_kept(kept)


def chains(found: Iterable[Block]) -> tuple[Chain, ...]:
    """Groups which can come to meet when blocks go, put together."""
    member: dict[str, set[str]] = {}
    for block in found:
        for out, given in block.passed.items():
            both = member.get(out, {out}) | member.get(given, {given})
            member |= dict.fromkeys(both, both)
    unique = {id(chain): chain for chain in member.values()}
    return tuple(tuple(sorted(chain)) for chain in unique.values())


def nested(ranking: Ranking, plan: PruningPlan, tied: Iterable[Chain]) -> Ranking:
    """A ranking by which groups of a chain keep each other's channels, the narrow the wide's.

    Two groups that meet when the block between them goes keep what both have. Ranked each by
    itself, that would be little: of two halves a quarter. So channels of a chain are ordered
    together, by the mean of their scores over each layer's mean, those which some group has lost
    first; every group's own scores are dealt out in that order, so that what a cluster of it is
    worth stays what it is.

    Args:
        ranking: scores of the channels that `plan` keeps.
        plan: what is left.
        tied: the chains.
    """
    out = dict(ranking)
    for chain in tied:
        present = [name for name in chain if name in plan.kept]
        order = _order(ranking, plan, present)
        for name in present:
            stays = np.array(sorted(plan.kept[name], key=order.__getitem__))
            dealt = np.full(plan.sizes[name], np.nan)
            dealt[stays] = np.sort(ranking[name][stays])
            out[name] = dealt
    return out


def _order(ranking: Ranking, plan: PruningPlan, chain: Sequence[str]) -> Mapping[int, int]:
    """Channel to its place, the first to go first."""
    lives: dict[int, int] = defaultdict(int)
    score: dict[int, float] = defaultdict(float)
    for name in chain:
        kept = list(plan.kept[name])
        mean = float(ranking[name][kept].mean()) or 1.0
        for channel in kept:
            lives[channel] += 1
            score[channel] += float(ranking[name][channel]) / mean
    first = sorted(lives, key=lambda k: (lives[k], score[k] / lives[k]))
    return {channel: place for place, channel in enumerate(first)}
