"""How many channels stay by their clusters, and which."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from training.prune.cluster import Limits, up
from training.prune.dbscan import NOISE, dbscan
from training.prune.icp import (
    Alike,
    alike,
    choose_eps,
    given_back,
    largest,
    medoid,
    representatives,
    widths_at,
)

pytestmark = pytest.mark.training


def line(*places: float) -> np.ndarray:
    """Distances of points on a line."""
    at = np.array(places)
    return np.abs(at[:, None] - at[None])


def groups(
    seed: int, sizes: tuple[int, ...] = (12, 24, 40), neighbours: int = 3
) -> dict[str, Alike]:
    """Groups of channels scattered in a square."""
    rng = np.random.default_rng(seed)
    found = {}
    for number, size in enumerate(sizes):
        at = rng.random((size, 2))
        apart = np.linalg.norm(at[:, None] - at[None], axis=-1)
        found[f"g{number}"] = alike(apart, neighbours)
    return found


def limits(found: dict[str, Alike], step: int = 4, share: float = 0.25) -> Limits:
    least = {name: up(share * each.size, step) for name, each in found.items()}
    return Limits(dict.fromkeys(found, step), least)


def channels(widths: dict[str, int]) -> float:
    return float(sum(widths.values()))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), eps=st.floats(0, 1), wider=st.floats(0, 0.5))
def test_a_wider_radius_never_widens_a_layer(seed: int, eps: float, wider: float) -> None:
    """Widths fall in steps to their floors: what the search for a latency stands on."""
    found = groups(seed)
    rule = limits(found)
    before, after = widths_at(eps, found, rule), widths_at(eps + wider, found, rule)

    for name, each in found.items():
        assert rule.least[name] <= after[name] <= before[name] <= each.size
        assert 0 == after[name] % 4


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), share=st.floats(0.4, 1))
def test_the_least_radius_that_meets_the_target(seed: int, share: float) -> None:
    """Met at it, missed at any lower one; what it overshot is given back as far as it goes."""
    found = groups(seed)
    rule, target = limits(found), share * 76
    choice = choose_eps(found, rule, channels, target)
    lower = widths_at(choice.eps * (1 - 1e-9) - 1e-12, found, rule)
    back = given_back(choice, found, rule, channels, target)

    assert channels(choice.widths) <= channels(back.widths) <= target
    assert channels(lower) > target or choice.eps == 0
    assert all(back.widths[name] >= width for name, width in choice.widths.items())
    assert target - channels(back.widths) < 4 or back.widths == {
        name: each.size for name, each in found.items()
    }


def test_a_target_out_of_reach_is_an_error() -> None:
    """Never a plan that misses it in silence."""
    found = groups(0)
    with pytest.raises(DataError, match="cannot be reached"):
        choose_eps(found, limits(found), channels, 10)


def test_the_medoid_of_each_cluster_and_all_noise_stay() -> None:
    """Two bunches of three and a lone channel: the middle ones and the lone one."""
    group = alike(line(0, 1, 2.1, 50, 51.1, 52, 100), neighbours=3)

    assert [1, 4, 6] == representatives(group, 3)
    assert 1 == medoid(group.distances, np.array([0, 1, 2]))


def test_room_that_is_left_goes_to_those_farthest_from_all() -> None:
    """A width rounded up to the device's step has room for more than the clusters need."""
    group = alike(line(0, 1, 2, 3, 4.5, 100), neighbours=6)  # all or none are one cluster

    assert [2] == representatives(group, 1)
    assert [2, 5] == representatives(group, 2)
    assert [0, 2, 4, 5] == representatives(group, 4)
    assert list(range(6)) == representatives(group, 6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), width=st.integers(10, 40))
def test_every_cluster_is_spoken_for(seed: int, width: int) -> None:
    """As many as asked for stay; each cluster at their radius has one of them, noise all."""
    group = groups(seed)["g2"]
    kept = representatives(group, width)
    labels = dbscan(group.distances, group.density.eps(width), group.neighbours)

    assert width == len(set(kept))
    if width < group.size:
        assert set(range(labels.max() + 1)) <= set(labels[kept])
        assert set(np.flatnonzero(labels == NOISE)) <= set(kept)


def test_as_published_clusters_count_and_norms_choose() -> None:
    """Five alike and one apart make two; the two of the largest L1 stay, alike or not."""
    group = alike(line(0, 1e-3, 2e-3, 3e-3, 4e-3, 1), neighbours=5)
    l1 = np.array([1.0, 9.0, 2.0, 8.0, 3.0, 4.0])

    assert 2 == group.density.count(0.01)
    assert 6 == group.density.count(1e-4)
    assert [1, 3] == largest(l1, 2)
    assert [2, 5] == representatives(group, 2)


def test_a_group_of_fewer_channels_than_make_a_cluster_stays_whole() -> None:
    """Four channels, five needed: equal as they are, none goes."""
    found = {"few": alike(np.zeros((4, 4)), 5), "more": alike(np.zeros((8, 8)), 5)}
    rule = Limits(dict.fromkeys(found, 1), dict.fromkeys(found, 1))

    assert {"few": 4, "more": 1} == widths_at(2.0, found, rule)
