"""Selectors on a device whose latency is a staircase: what they keep, and what they refuse."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from tests.training.prune.kit import network
from training.profile.shapes import Shape
from training.prune.cluster import (
    Candidate,
    Response,
    by_chance,
    by_response,
    candidates,
    greedy,
    limits,
    normalised,
    per_price,
    spread,
    uniform,
    up,
)
from training.prune.plan import PruningPlan
from training.prune.widths import layout, widths

pytestmark = pytest.mark.training

STEP = 4
LAYOUT = layout(network(width=0.5))
CLUSTERS = {group.name: STEP for group in LAYOUT.groups}
LIMITS = limits(LAYOUT, CLUSTERS, 0.25)
WHOLE = LAYOUT.plan()


def stairs(shape: Shape) -> float:
    """A device that works on four channels at a time."""
    return up(shape.inputs, STEP) * up(shape.cout, STEP) * shape.height * shape.width * 1e-6


def ranking(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {group.name: rng.random(group.size) for group in LAYOUT.groups}


def target(share: float) -> float:
    return LAYOUT.price({}, stairs) * share


def cut(share: float, seed: int = 0) -> PruningPlan:
    return greedy(
        WHOLE, LAYOUT, ranking(seed),
        limits=LIMITS, price=stairs, target=target(share), key=per_price,
    )  # fmt: skip


@settings(deadline=None, max_examples=20)
@given(share=st.floats(0.3, 0.99), seed=st.integers(0, 99))
def test_greedy_reaches_its_target_in_whole_clusters(share: float, seed: int) -> None:
    """The price is met, widths are multiples of the step, no group falls below its floor."""
    plan = cut(share, seed)

    assert LAYOUT.price(widths(plan), stairs) <= target(share)
    for name, width in widths(plan).items():
        assert 0 == width % STEP
        assert width >= LIMITS.least[name]


@settings(deadline=None, max_examples=10)
@given(share=st.floats(0.3, 0.9), seed=st.integers(0, 99))
def test_a_lower_target_keeps_a_part_of_what_a_higher_one_keeps(share: float, seed: int) -> None:
    """The knob is monotonic: that is what the search for a measured latency stands on."""
    mild, hard = cut(share + 0.09, seed), cut(share, seed)

    for name in WHOLE.sizes:
        assert set(hard.kept[name]) <= set(mild.kept[name])


def test_a_cluster_too_large_for_what_is_left_is_passed_over() -> None:
    """With a slack the price ends close below its target, as close as clusters allow."""
    closer = greedy(
        WHOLE, LAYOUT, ranking(), limits=LIMITS, price=stairs, target=target(0.6),
        key=lambda c: -c.saved, slack=0.01,
    )  # fmt: skip
    plain = greedy(
        WHOLE, LAYOUT, ranking(), limits=LIMITS, price=stairs, target=target(0.6),
        key=lambda c: -c.saved,
    )  # fmt: skip
    ends = [LAYOUT.price(widths(plan), stairs) / target(1.0) for plan in (closer, plain)]

    assert 0.594 <= ends[0] <= 0.6
    assert ends[1] <= ends[0]


def test_within_a_layer_the_lowest_scores_go() -> None:
    """Whatever is kept scores higher than whatever is gone."""
    scores = ranking()
    for name, kept in cut(0.5).kept.items():
        gone = sorted(set(range(WHOLE.sizes[name])) - set(kept))
        if gone:
            assert scores[name][gone].max() < scores[name][list(kept)].min()


def test_what_cannot_be_reached_is_an_error() -> None:
    """Never a plan that misses the target in silence."""
    with pytest.raises(DataError, match="cannot be reached"):
        cut(0.01)


def test_a_first_cut_aligns_an_odd_width() -> None:
    """Ten channels at a step of four lose two, then four."""
    name = LAYOUT.groups[2].name
    plan = WHOLE.with_kept({name: range(10)})
    low = limits(LAYOUT, CLUSTERS, 0.0)
    found = {c.group: c for c in candidates(plan, LAYOUT, ranking(), low, stairs)}

    assert 2 == len(found[name].channels)
    assert WHOLE.sizes[name] - 8 == found[name].removed


def test_what_a_cluster_saves_is_the_difference_of_the_whole() -> None:
    """The price saved counts every layer that the group runs through."""
    before = LAYOUT.price({}, stairs)
    for c in candidates(WHOLE, LAYOUT, ranking(), LIMITS, stairs):
        after = LAYOUT.price({c.group: WHOLE.sizes[c.group] - len(c.channels)}, stairs)

        assert before - after == pytest.approx(c.saved)


def test_keys_order_the_clusters() -> None:
    """Ours by importance for the price saved; as published by the accuracy that is lost alone."""
    cheap = Candidate("a", (1,), score=1.0, saved=2.0, removed=4)
    dear = Candidate("b", (1,), score=0.5, saved=0.5, removed=8)
    useless = Candidate("c", (1,), score=0.0, saved=0.0, removed=4)
    found = {
        "a": Response((0, 8), (0.8, 0.4), (1, 1)), "b": Response((0, 8), (0.8, 0.7), (1, 1)),
        "c": Response((0, 8), (0.8, 0.8), (1, 1)),
    }  # fmt: skip

    assert [cheap, dear, useless] == sorted([useless, dear, cheap], key=per_price)
    assert [useless, dear, cheap] == sorted([cheap, dear, useless], key=by_response(found))
    assert pytest.approx(0.2) == found["a"].lost(4)
    assert math.isinf(per_price(useless))


def test_chance_is_seeded() -> None:
    """The same seed, the same clusters; another seed, others."""
    plans = [
        greedy(
            WHOLE, LAYOUT, ranking(), limits=LIMITS, price=stairs, target=target(0.6),
            key=by_chance(np.random.default_rng(seed)),
        )
        for seed in (1, 1, 2)
    ]  # fmt: skip

    assert plans[0] == plans[1] != plans[2]


@given(ratio=st.floats(0.05, 1))
def test_uniform_keeps_the_same_share_everywhere(ratio: float) -> None:
    """To the channel where it does not align; to the step below or above where it does."""
    scores = ranking()
    loose = uniform(LAYOUT, scores, ratio, LIMITS, align=False)
    tight = uniform(LAYOUT, scores, ratio, LIMITS, align=True)

    for group in LAYOUT.groups:
        least, size = LIMITS.least[group.name], group.size
        width = tight.width(group.name)
        assert loose.width(group.name) == min(size, max(least, up(ratio * size, 1)))
        assert 0 == width % STEP
        assert width == least or abs(width - ratio * size) <= STEP


def test_aligned_layers_do_not_all_change_at_once() -> None:
    """Between two shares a hundredth apart the price moves little, and never up."""
    plans = [uniform(LAYOUT, ranking(), k / 100, LIMITS, align=True) for k in range(100, 30, -1)]
    prices = [LAYOUT.price(widths(plan), stairs) / target(1.0) for plan in plans]
    steps = [before - after for before, after in itertools.pairwise(prices)]

    assert min(steps) >= 0
    assert max(steps) < 0.08


def test_layers_are_compared_after_normalisation() -> None:
    """A layer of large weights is not more important for that; a dead one stays finite."""
    scores = normalised(
        {"a": np.array([1.0, 3.0]), "b": np.array([100.0, 300.0]), "c": np.zeros(2)}
    )

    assert scores["a"].tolist() == scores["b"].tolist() == [0.5, 1.5]
    assert [1.0, 1.0] == scores["c"].tolist()


def test_scores_go_back_to_the_dense_indices() -> None:
    """Channels that are gone have no score."""
    plan = PruningPlan({"a": 4}, {"a": (1, 3)})
    scores = spread(np.array([0.5, 0.7]), plan, "a")

    assert [0.5, 0.7] == scores[[1, 3]].tolist()
    assert np.isnan(scores[[0, 2]]).all()
