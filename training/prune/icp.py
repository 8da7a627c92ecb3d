"""Iterative clustering pruning: how many channels stay by the clusters of their feature maps.

Chang et al., "Iterative clustering pruning for convolutional neural networks", Knowledge-Based
Systems 265:110386, 2023. One radius eps for all layers says how many clusters and lone channels
(noise) each of them has; that many channels stay.

                as published                         ours
    maps        made, of one mean picture            read, of every picture, centred
    a cluster   5 channels or more                   2 or more
    width       clusters + noise                     the same, up to the device's step
    stays       the filters of the largest L1        the most important; or medoids and noise
    goes        cut                                  merged, see `training.prune.merging`

Channels are counted in the network that was looked at.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import DataError
from training.prune.cluster import Limits, up
from training.prune.dbscan import NOISE, Density, Distances, dbscan, density
from training.prune.groups import ChannelGroup
from training.prune.maps import distances, made_maps, read_maps
from training.prune.widths import Widths

# channels that make a cluster; of two alike one is too many, and small layers have no five
NEIGHBOURS, NEIGHBOURS_PUBLISHED = 2, 5

Cost = Callable[[Widths], float]  # of a whole network at these widths


@dataclass(frozen=True, slots=True)
class Alike:
    """How alike the channels of one group are.

    distances: (n, n) of their maps. density: clusters for every radius. neighbours: channels that
    make a cluster; a group of fewer cannot be cut.
    """

    distances: Distances
    density: Density
    neighbours: int

    @property
    def size(self) -> int:
        """Channels of the group."""
        return len(self.distances)


def alike(distances: Distances, neighbours: int) -> Alike:
    """What there is to know of a group before a radius is chosen."""
    return Alike(distances, density(distances, neighbours), neighbours)


def look(
    net: nn.Module, groups: Sequence[ChannelGroup], inputs: Iterable[Tensor], *, published: bool
) -> dict[str, Alike]:
    """How alike the channels of each group are on some pictures.

    Args:
        net: is run, and left as it was.
        groups: of the network.
        inputs: batches of its input; as published, the first alone is looked at.
        published: maps and clusters as published, or ours.
    """
    if published:
        seen = made_maps(net, groups, next(iter(inputs)))
    else:
        seen = read_maps(net, groups, inputs)
    return {
        name: alike(
            distances(places, centred=not published),
            NEIGHBOURS_PUBLISHED if published else NEIGHBOURS,
        )
        for name, places in seen.items()
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """A radius, and the width of each group that it gives."""

    eps: float
    widths: dict[str, int]


def choose_eps(groups: Mapping[str, Alike], limits: Limits, cost: Cost, target: float) -> Choice:
    """The least radius at which the cost is not above its target.

    Raises:
        DataError: it is, at every radius.
    """
    radii = np.unique([0.0, *(eps for each in groups.values() for eps in each.density.events())])
    place = bisect.bisect_left(
        radii, True, key=lambda eps: cost(widths_at(eps, groups, limits)) <= target
    )
    if place == len(radii):
        least = cost(widths_at(float(radii[-1]), groups, limits))
        raise DataError(
            f"the target cannot be reached: with every channel alike the cost is {least:.4g}, the "
            f"target {target:.4g}; lower `least` or raise the target"
        )
    eps = float(radii[place])
    return Choice(eps, widths_at(eps, groups, limits))


def widths_at(eps: float, groups: Mapping[str, Alike], limits: Limits) -> dict[str, int]:
    """Clusters and noise of each group, in whole steps, and no fewer than its floor."""
    return {
        name: _width(each.density.count(eps), each.size, name, limits)
        for name, each in groups.items()
    }


def _width(count: int, size: int, name: str, limits: Limits) -> int:
    return min(size, max(limits.least[name], up(count, limits.cluster[name])))


def given_back(
    choice: Choice, groups: Mapping[str, Alike], limits: Limits, cost: Cost, target: float
) -> Choice:
    """The choice with wider groups, as far as the target allows.

    The last step of an early layer can be worth a twentieth of the whole, and carries the cost that
    far below its target. Of the steps that still fit, that one is taken back first for which the
    radius had to be the widest.
    """
    widths = dict(choice.widths)
    while True:
        wider = [
            (each.density.eps(widths[name]), name, min(each.size, widths[name] + step))
            for name, each in groups.items()
            if widths[name] < each.size
            for step in [limits.cluster[name]]
        ]
        fitting = [(eps, n, w) for eps, n, w in wider if cost({**widths, n: w}) <= target]
        if not fitting:
            return Choice(choice.eps, widths)
        _, name, width = max(fitting)
        widths[name] = width


def representatives(group: Alike, width: int) -> list[int]:
    """Noise, the medoid of each cluster, and as many others as the width has room for.

    The radius is the least that gives no more than the width. Of the others those come first that
    are farthest from all that stay.
    """
    if width >= group.size:
        return list(range(group.size))
    labels = dbscan(group.distances, group.density.eps(width), group.neighbours)
    kept = [int(lone) for lone in np.flatnonzero(labels == NOISE)]
    kept += [
        medoid(group.distances, np.flatnonzero(labels == number))
        for number in range(labels.max(initial=NOISE) + 1)
    ]
    while len(kept) < width:
        nearest = group.distances[:, kept].min(axis=1)
        nearest[kept] = -1.0
        kept.append(int(nearest.argmax()))
    return sorted(kept)


def medoid(distances: Distances, members: NDArray[np.int64]) -> int:
    """The member of a cluster that has the others closest, by the sum of the distances."""
    return int(members[distances[np.ix_(members, members)].sum(axis=1).argmin()])


def largest(scores: NDArray[np.float64], width: int) -> list[int]:
    """The channels of the highest scores in the whole layer, whatever their cluster.

    So does the code of the paper, with the L1 norms of the filters: clusters are for the number
    alone. Ours does so with a loss. What is like nothing else is not for that of any use: with
    medoids and noise in their place hardly anything was left of a detector, see docs/adr/0022.
    """
    return sorted(int(k) for k in np.argsort(scores, kind="stable")[-width:])
