"""Clusters by density (DBSCAN) of points whose distances are known, and how many for every radius.

Ester et al., "A Density-Based Algorithm for Discovering Clusters", KDD 1996, in the form that
scikit-learn gives it. What the points are is left to others.

    eps small                         eps large
    . . .   . .  .                    (. . .) (. .  .)     with `neighbours` 3
    each is noise                     a point is a core point if at least 3, itself one of them,
                                      lie within eps; core points within eps are one cluster
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]  # (n, n), symmetric, 0 on the diagonal

NOISE = -1

_SILENT = 1e-10  # share of the longest squared vector under which one is no direction, but rounding


def cosine_distances(products: NDArray[np.float64]) -> Distances:
    """1 - cosine, 0..2, of vectors of which only the inner products (n, n) are known.

    Vectors of length zero have no direction: they are at 0 from each other, at 1 from the rest.
    """
    squares = np.diag(products)
    silent = squares <= _SILENT * squares.max(initial=0.0)
    lengths = np.sqrt(np.where(silent, 1.0, squares))
    distances = np.clip(1 - products / np.outer(lengths, lengths), 0.0, 2.0)
    distances[silent], distances[:, silent] = 1.0, 1.0
    distances[np.ix_(silent, silent)] = 0.0
    np.fill_diagonal(distances, 0.0)
    symmetric: Distances = np.maximum(
        distances, distances.T
    )  # products that a BLAS has rounded differ by an ulp
    return symmetric


def dbscan(distances: Distances, eps: float, neighbours: int) -> NDArray[np.int64]:
    """The cluster of each point, from 0 in the order of their first core points; or `NOISE`.

    A point that is no core point belongs to the first cluster of which a core point lies within
    eps, and is noise if there is none.

    Args:
        distances: between the points.
        eps: the radius, in their unit; a point on it is within.
        neighbours: points within eps, itself among them, that make a core point (`min_samples`).
    """
    near = distances <= eps
    core = near.sum(axis=1) >= neighbours
    labels = np.full(len(distances), NOISE)
    number = 0
    for seed in np.flatnonzero(core):
        if labels[seed] == NOISE:
            labels[_reached(seed, near, core) & (labels == NOISE)] = number
            number += 1
    return labels


def _reached(seed: np.intp, near: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All points that can be reached from a core point by steps that begin at core points."""
    reached: NDArray[np.bool_] = near[seed].copy()
    fresh = reached & core
    spent = np.zeros_like(core)
    while fresh.any():
        spent |= fresh
        reached |= near[fresh].any(axis=0)
        fresh = reached & core & ~spent
    return reached


@dataclass(frozen=True, slots=True)
class Density:
    """The number of clusters and noise points as a function of eps, which only falls.

    Each array rises. core: (n,) eps from which a point is a core point; taken: (n,) from which it
    is no noise; joined: (n - 1,) at which two clusters become one. What never happens is infinite.
    """

    core: NDArray[np.float64]
    taken: NDArray[np.float64]
    joined: NDArray[np.float64]

    def count(self, eps: float) -> int:
        """Clusters and noise points at a radius: what `dbscan` gives."""
        cores, taken, joined = (
            int(np.searchsorted(events, eps, side="right"))
            for events in (self.core, self.taken, self.joined)
        )
        return cores - joined + len(self.taken) - taken

    def events(self) -> list[float]:
        """The radii at which the count can change, rising."""
        every = np.unique(np.concatenate([self.core, self.taken, self.joined]))
        return [float(eps) for eps in every if np.isfinite(eps)]

    def eps(self, count: int) -> float:
        """The least radius at which there are at most so many; infinite where there is none."""
        events = [0.0, *self.events()]
        place = bisect.bisect_left(events, True, key=lambda eps: self.count(eps) <= count)
        return events[place] if place < len(events) else float("inf")


def density(distances: Distances, neighbours: int) -> Density:
    """The density of points, for any radius at once.

    Core points are one cluster where a path joins them whose steps, and the radii at which their
    ends become core points, are within eps: the mutual reachability of Campello et al., "Density-
    Based Clustering Based on Hierarchical Density Estimates", PAKDD 2013, section 3. The edges of
    its minimum spanning tree are the radii at which clusters join.
    """
    count = len(distances)
    if count < neighbours:
        never = np.full(count, np.inf)
        return Density(never, never, np.full(max(count - 1, 0), np.inf))
    core = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1]
    reach = np.maximum(distances, core[None])  # from the core point of a column to a row's point
    mutual = np.maximum(reach, core[:, None])
    return Density(np.sort(core), np.sort(reach.min(axis=1)), np.sort(_spanning(mutual)))


def _spanning(weights: Distances) -> NDArray[np.float64]:
    """The edges' weights of a minimum spanning tree of a complete graph (Prim)."""
    count = len(weights)
    edges = np.empty(count - 1)
    outside = np.ones(count, bool)
    outside[0] = False
    best = weights[0].copy()
    for number in range(count - 1):
        nearest = int(np.argmin(np.where(outside, best, np.inf)))
        edges[number] = best[nearest]
        outside[nearest] = False
        best = np.minimum(best, weights[nearest])
    return edges
