"""Which channels go: cluster pruning as published, its conventional twin, ours, and controls.

Every selector takes scores and gives a plan; none touches a network. A cluster is a run of
consecutive channels in the ranking of one layer, as wide as the step of the device's latency.

    uniform   the same share of every layer (with and without alignment)
    greedy    cluster by cluster, the one with the lowest key first, until the price is met
              key = predicted loss of accuracy (as published), of importance for each
              millisecond saved (ours), or chance
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edge.errors import DataError
from training.prune.criteria import Scores
from training.prune.plan import PruningPlan
from training.prune.widths import Layout, Price, widths

_GOLDEN = (5**0.5 - 1) / 2  # its multiples, less their whole part, lie evenly between 0 and 1

Ranking = Mapping[str, Scores]  # group to the scores of the dense network's channels


@dataclass(frozen=True, slots=True)
class Candidate:
    """The next cluster of a group.

    channels: those to remove. score: the sum of their scores. saved: price saved, which can be
    negative. removed: channels of the group that would be gone afterwards.
    """

    group: str
    channels: tuple[int, ...]
    score: float
    saved: float
    removed: int


Key = Callable[[Candidate], float]


@dataclass(frozen=True, slots=True)
class Limits:
    """How a selector may cut.

    cluster: channels of one cut, for each group. least: channels of each group that must stay.
    """

    cluster: Mapping[str, int]
    least: Mapping[str, int]


def limits(layout: Layout, cluster: Mapping[str, int], share: float) -> Limits:
    """Limits that leave at least a share (0..1) of each group, and never less than a cluster."""
    least = {
        group.name: min(
            group.size, max(cluster[group.name], up(share * group.size, cluster[group.name]))
        )
        for group in layout.groups
    }
    return Limits(cluster, least)


def up(count: float, step: int) -> int:
    """The smallest multiple of a step that is not less than a count."""
    return math.ceil(round(count / step, 9)) * step


def uniform(
    layout: Layout, ranking: Ranking, ratio: float, limits: Limits, *, align: bool
) -> PruningPlan:
    """Keep the same share of every group: its channels of the highest scores.

    Aligned widths are the multiple of the cluster below or above the share. Each group has a
    point of its own at which it goes to the one above: layers of one width would otherwise all
    change at once, and no latency between could be had.

    Args:
        layout: of the dense network.
        ranking: scores of every group's channels.
        ratio: share of channels to keep, 0..1.
        limits: the least to keep, and the clusters that `align` keeps whole.
        align: round to clusters, or keep the very share.
    """
    kept = {}
    for number, group in enumerate(layout.groups, start=1):
        step = limits.cluster[group.name] if align else 1
        point = number * _GOLDEN % 1 if align else 0.0
        wanted = up(max(ratio * group.size - point * step, 0), step)
        width = min(group.size, max(limits.least[group.name], wanted))
        kept[group.name] = np.argsort(ranking[group.name], kind="stable")[-width:]
    return layout.plan().with_kept(kept)


def greedy(
    start: PruningPlan, layout: Layout, ranking: Ranking, *,
    limits: Limits, price: Price, target: float, key: Key, slack: float = 1.0,
) -> PruningPlan:  # fmt: skip
    """Remove clusters, that of the lowest key first, until the price is at most `target`.

    One cluster of an early layer can be worth a twentieth of the whole. Those which would carry
    the price further below the target than `slack` are passed over while others are left.

    Args:
        start: what is gone already.
        layout: of the dense network.
        ranking: scores of every group's channels; those that are gone are not looked at.
        limits: sizes of the cuts and floors.
        price: of one layer's shape.
        target: sum of the layers' prices to reach.
        key: what makes a cluster cheap to lose.
        slack: share of the target, 0..1; at 1 no cluster is passed over.

    Raises:
        DataError: every group is at its floor, and the price is still above.
    """
    plan = start
    while (now := layout.price(widths(plan), price)) > target:
        found = candidates(plan, layout, ranking, limits, price)
        if not found:
            raise DataError(
                f"the target cannot be reached: with every group at its floor the price is "
                f"{now:.4g}, the target {target:.4g}; lower `least` or raise the target"
            )
        fitting = [each for each in found if now - each.saved >= target * (1 - slack)]
        best = min(fitting or found, key=key)
        gone = set(best.channels)
        plan = plan.with_kept({best.group: [k for k in plan.kept[best.group] if k not in gone]})
    return plan


def candidates(
    plan: PruningPlan, layout: Layout, ranking: Ranking, limits: Limits, price: Price
) -> list[Candidate]:
    """The next cluster of each group that is above its floor."""
    before = widths(plan)
    found = []
    for group in layout.groups:
        width, step = before[group.name], limits.cluster[group.name]
        cut = width % step or step  # the first cut of an odd width aligns it
        if width - cut < limits.least[group.name]:
            continue
        kept = np.array(plan.kept[group.name])
        scores = ranking[group.name][kept]
        lowest = np.argsort(scores, kind="stable")[:cut]
        after = {**before, group.name: width - cut}
        saved = sum(
            price(layout.shape(conv, before)) - price(layout.shape(conv, after))
            for conv in layout.convolutions(group)
        )
        channels = tuple(int(k) for k in kept[lowest])
        removed = group.size - width + cut
        found.append(Candidate(group.name, channels, float(scores[lowest].sum()), saved, removed))
    return found


def per_price(candidate: Candidate) -> float:
    """Ours: importance lost for each unit of price saved; what saves nothing comes last."""
    return candidate.score / candidate.saved if candidate.saved > 0 else math.inf


def by_chance(rng: np.random.Generator) -> Key:
    """The control: any cluster."""
    return lambda _: float(rng.random())


@dataclass(frozen=True, slots=True)
class Response:
    """Single-layer performance response: a layer loses filters alone, without fine-tuning.

    removed: (n,) rising counts of filters gone, the first 0. accuracy, latency: (n,) at those
    counts; the latter is the sum of the layers' prices.
    """

    removed: tuple[int, ...]
    accuracy: tuple[float, ...]
    latency: tuple[float, ...]

    def lost(self, removed: int) -> float:
        """Accuracy lost at a count, linear between those that were measured."""
        return self.accuracy[0] - float(np.interp(removed, self.removed, self.accuracy))


def by_response(responses: Mapping[str, Response]) -> Key:
    """As published, reconstructed: the cluster whose layer, alone, would lose the least accuracy.

    Gamanayake et al. (IEEE J-STSP 14(4), 2020) take clusters greedily, ranked once on the dense
    network; in which order across the layers could not be recovered from the text at hand.
    """
    return lambda candidate: responses[candidate.group].lost(candidate.removed)


def normalised(ranking: Ranking) -> dict[str, Scores]:
    """Scores divided by their layer's mean, so that layers of other scales can be compared."""
    out = {}
    for name, scores in ranking.items():
        mean = float(np.nanmean(scores))
        out[name] = scores / mean if mean > 0 else np.ones_like(scores)
    return out


def spread(scores: Scores, plan: PruningPlan, name: str) -> Scores:
    """Scores of a pruned network's channels, put back at the dense network's indices."""
    out = np.full(plan.sizes[name], np.nan)
    out[list(plan.kept[name])] = scores
    return out
