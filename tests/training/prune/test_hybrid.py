"""Blocks and channels together: who makes how much of the saving, and plans of both."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from tests.training.prune.kit import network, picture
from training.profile.shapes import macs
from training.prune.blocks import blocks
from training.prune.cluster import greedy, limits, per_price
from training.prune.hybrid import (
    Probe,
    Scaling,
    chains,
    fitted,
    nested,
    removals,
    shortened,
)
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import layout, widths

pytestmark = pytest.mark.training

NET = network(width=0.5)
WHOLE = layout(NET)
BLOCKS = blocks(NET, picture(), "backbone.")
CHAINS = chains(BLOCKS)
PRICE = WHOLE.price({}, macs)


@given(st.floats(1, 4), st.floats(1.01, 4), st.floats(0.05, 0.95))
def test_the_parts_make_up_the_whole_saving(a: float, b: float, target: float) -> None:
    """Depth times width is the target wherever it lies; at phi = 1 they are 1 / a and 1 / b."""
    scaling = Scaling(a, b)
    mild = 1 / (a * b)

    assert target == pytest.approx(scaling.depth(target) * scaling.width(target))
    assert (1, 1 / a, 1 / b) == pytest.approx(
        (scaling.phi(mild), scaling.depth(mild), scaling.width(mild))
    )


def test_a_scaling_by_hand() -> None:
    """Blocks leave 0.9 and channels 0.8 of 0.72: at 0.72 squared they leave 0.81 and 0.64."""
    scaling = fitted([Probe(("x",), 0.9, 0.8, 0.5), Probe((), 1.0, 0.72, 0.4)])

    assert (2, 0.81, 0.64) == pytest.approx(
        (scaling.phi(0.5184), scaling.depth(0.5184), scaling.width(0.5184))
    )


def test_of_equal_probes_the_one_with_fewer_blocks_gone_counts() -> None:
    """A block that buys nothing stays; and something must have been tried."""
    probes = [Probe(("x",), 0.9, 0.8, 0.5), Probe((), 1.0, 0.72, 0.5)]

    assert 1.0 == fitted(probes).depth(0.4)
    with pytest.raises(DataError, match="no split"):
        fitted([])


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.9, 2), (2, 0.9)])
def test_a_scaling_makes_things_smaller(a: float, b: float) -> None:
    """Growing one part for the other is no pruning."""
    with pytest.raises(DataError, match="nothing smaller"):
        Scaling(a, b)


@pytest.mark.parametrize(
    ("least", "gone"), [(1.0, ""), (0.9, "a"), (0.8, "ac"), (0.3, "abc"), (0.5, "ab")]
)
def test_blocks_go_in_order_while_the_price_allows(least: float, gone: str) -> None:
    """What would carry the price too low is passed over, and a lesser one goes in its place."""
    worth = {"a": 0.1, "b": 0.4, "c": 0.1}
    price = lambda names: 1 - sum(worth[name] for name in names) + 1e-9  # noqa: E731

    assert tuple(gone) == removals("abc", least, price)


def test_chains_are_the_groups_that_can_meet() -> None:
    """The five blocks of 512 channels and what feeds them are one chain; sizes are equal in it."""
    names = {chain[0].split(".")[1]: len(chain) for chain in CHAINS}

    assert sorted([2, 2, 6, 2]) == sorted(names.values())
    for chain in CHAINS:
        assert 1 == len({WHOLE.plan().sizes[name] for name in chain})


def channels_cut(share: float, seed: int, *, tie: bool) -> PruningPlan:
    """Channels cut twice, ranked anew by chance each time."""
    clusters = dict.fromkeys(WHOLE.plan().sizes, 4)
    plan = WHOLE.plan()
    for number in (1, 2):
        rng = np.random.default_rng((seed, number))
        ranking = {name: rng.random(size) for name, size in plan.sizes.items()}
        plan = greedy(
            plan, WHOLE, nested(ranking, plan, CHAINS) if tie else ranking,
            limits=limits(WHOLE, clusters, 0.125), price=macs, key=per_price,
            target=PRICE * (1 - (1 - share) * number / 2),
        )  # fmt: skip
    return plan


@settings(deadline=None, max_examples=8)
@given(share=st.floats(0.3, 0.9), seed=st.integers(0, 99))
def test_tied_groups_keep_each_others_channels(share: float, seed: int) -> None:
    """Over rounds, each ranked anew: of two groups in a chain the narrow is within the wide."""
    plan = channels_cut(share, seed, tie=True)

    for chain in CHAINS:
        for one, other in itertools.combinations(chain, 2):
            narrow, wide = sorted((set(plan.kept[one]), set(plan.kept[other])), key=len)
            assert narrow <= wide


def test_untied_groups_would_lose_more() -> None:
    """What the tie is for: blocks that go after channels cost fewer channels with it."""
    short = layout(NET, tuple(block.name for block in BLOCKS[2:5]))
    left = [
        sum(widths(shortened(channels_cut(0.4, 1, tie=tie), WHOLE, short)).values())
        for tie in (True, False)
    ]

    assert left[0] > left[1]


def test_a_clusters_worth_stays_in_a_tied_ranking() -> None:
    """Each group's scores are dealt out anew: the same numbers, of what is kept alone."""
    plan = channels_cut(0.5, 2, tie=True)
    rng = np.random.default_rng(3)
    ranking = {name: rng.random(size) for name, size in plan.sizes.items()}
    tied = nested(ranking, plan, CHAINS)

    for name, kept in plan.kept.items():
        assert sorted(ranking[name][list(kept)]) == sorted(tied[name][list(kept)])


@pytest.mark.parametrize("first", ["blocks", "channels"])
def test_both_orders_reach_the_target(first: str) -> None:
    """Blocks to 0.8 of the MACs and all to 0.5, or channels before: the surgeon agrees."""
    gone = removals(
        [block.name for block in BLOCKS], 0.8 * PRICE, lambda r: layout(NET, r).price({}, macs)
    )
    short = layout(NET, gone)
    plan = short.plan() if first == "blocks" else None
    plan = plan or shortened(channels_cut(0.7, 4, tie=True), WHOLE, short)
    rng = np.random.default_rng(5)
    plan = greedy(
        plan, short, {name: rng.random(size) for name, size in plan.sizes.items()},
        limits=limits(short, dict.fromkeys(plan.sizes, 4), 0.125), price=macs,
        target=0.5 * PRICE, key=per_price, slack=0.02,
    )  # fmt: skip
    small = layout(apply(NET, plan)).price({}, macs)

    assert gone
    assert small == short.price(widths(plan), macs)
    assert 0.48 * PRICE < small <= 0.5 * PRICE
