"""Clusters by density: scikit-learn as the witness, and the count that only falls."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.prune.dbscan import NOISE, cosine_distances, dbscan, density

pytestmark = pytest.mark.training

Case = tuple[np.ndarray, float, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Vectors in loose bunches, some of them equal or zero, a radius, and what makes a core."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    count, wide = draw(st.integers(1, 40)), draw(st.sampled_from([2, 3, 8]))
    bunches = rng.normal(size=(draw(st.integers(1, 6)), wide))
    vectors = bunches[rng.integers(len(bunches), size=count)]
    vectors = vectors + draw(st.sampled_from([0.0, 0.05, 0.3])) * rng.normal(size=(count, wide))
    vectors[rng.random(count) < 0.1] = 0
    return vectors, draw(st.floats(0, 1.5)), draw(st.integers(1, 6))


def distances_of(vectors: np.ndarray) -> np.ndarray:
    return cosine_distances(vectors @ vectors.T)


@settings(deadline=None, max_examples=80)
@given(case=cases())
def test_labels_are_those_of_scikit_learn(case: Case) -> None:
    """The same label for every point: cores, points at a cluster's edge, noise."""
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn is missing")
    vectors, eps, neighbours = case
    distances = distances_of(vectors)
    theirs = cluster.DBSCAN(eps=eps or 1e-300, min_samples=neighbours, metric="precomputed")

    assert theirs.fit(distances).labels_.tolist() == dbscan(distances, eps, neighbours).tolist()


@settings(deadline=None, max_examples=60)
@given(case=cases())
def test_distances_are_those_of_scikit_learn(case: Case) -> None:
    """Save that vectors of zero, which have no direction, are alike among themselves."""
    pairwise = pytest.importorskip("sklearn.metrics.pairwise", reason="scikit-learn is missing")
    vectors = case[0]
    silent = ~vectors.any(axis=1)
    theirs = pairwise.cosine_distances(vectors)
    theirs[np.ix_(silent, silent)] = 0

    assert theirs == pytest.approx(distances_of(vectors), abs=1e-9)


def test_core_edge_and_noise_by_hand() -> None:
    """On a line, within 1: three points make a core, its neighbours its edge, the far one noise."""
    places = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    distances = np.abs(places[:, None] - places[None])

    assert [0, 0, 0, 0, NOISE] == dbscan(distances, 1.0, 3).tolist()
    assert [NOISE] * 5 == dbscan(distances, 1.0, 4).tolist()
    assert [0, 0, 0, 0, 1] == dbscan(distances, 1.0, 1).tolist()


@settings(deadline=None, max_examples=80)
@given(case=cases())
def test_the_count_for_every_radius_is_that_of_the_clusters(case: Case) -> None:
    """Clusters and noise points, at a radius between events and at every event."""
    vectors, eps, neighbours = case
    distances = distances_of(vectors)
    found = density(distances, neighbours)
    for radius in (eps, *found.events()):
        labels = dbscan(distances, radius, neighbours)

        assert found.count(radius) == labels.max(initial=-1) + 1 + (labels == NOISE).sum()


@settings(deadline=None, max_examples=60)
@given(case=cases(), wider=st.floats(0, 1))
def test_a_wider_radius_never_leaves_more(case: Case, wider: float) -> None:
    """The knob is monotonic, and its least radius for a count is found from the count."""
    vectors, eps, neighbours = case
    found = density(distances_of(vectors), neighbours)
    count = found.count(eps)

    assert found.count(eps + wider) <= count
    assert found.eps(count) <= eps or count == len(vectors)
    assert found.count(found.eps(count)) <= count


def test_fewer_points_than_make_a_core_are_never_a_cluster() -> None:
    """Four equal points, five needed: all are noise at every radius."""
    found = density(np.zeros((4, 4)), 5)

    assert 4 == found.count(2.0)
    assert [] == found.events()
    assert math.isinf(found.eps(3))
