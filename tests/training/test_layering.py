"""In which round of a hybrid pruning what goes, and how far."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from hypothesis import given
from hypothesis import strategies as st

from training.config import ORDERS, Prune
from training.layering import Stage, stage

pytestmark = pytest.mark.training


def rules(order: str) -> st.SearchStrategy[Prune]:
    """Rules of several rounds."""
    return st.builds(
        Prune,
        method=st.just("hybrid"), order=st.just(order), latency=st.floats(0.1, 0.9),
        rounds=st.integers(2, 6), depth=st.floats(0, 0.9),
    )  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
@given(st.data())
def test_blocks_go_once_and_channels_end_at_the_target(order: str, data: st.DataObject) -> None:
    """In the first round or in the last; what channels are cut to falls from round to round."""
    rule = data.draw(rules(order))
    left = rule.latency**rule.depth
    stages = [stage(rule, number, left) for number in range(1, rule.rounds + 1)]
    goals = [each.channels for each in stages if each.channels is not None]

    assert [0 if order == "layers" else rule.rounds - 1] == [
        number for number, each in enumerate(stages) if each.blocks is not None
    ]
    assert rule.latency == pytest.approx(goals[-1])
    assert goals == sorted(goals, reverse=True)


def test_layers_first_by_hand() -> None:
    """To 0.25, half of the saving by blocks: they leave 0.5, and three rounds share the rest."""
    rule = Prune(method="hybrid", latency=0.25, depth=0.5, rounds=4)

    assert Stage(0.5, None) == stage(rule, 1)
    assert [0.52 - 0.09, 0.34, 0.25] == pytest.approx(
        [stage(rule, number, 0.52).channels for number in (2, 3, 4)]
    )


def test_channels_first_by_hand() -> None:
    """Channels leave what blocks bring to a tenth above the target, and settle that tenth."""
    rule = Prune(method="hybrid", order="channels", latency=0.25, depth=0.5, rounds=3)

    assert [0.775, 0.55] == pytest.approx([stage(rule, number).channels for number in (1, 2)])
    assert (0.275, 0.25) == pytest.approx((stage(rule, 3).blocks, stage(rule, 3).channels))


def test_in_one_round_both_go_at_once() -> None:
    """As in a dry run."""
    assert Stage(0.5, 0.25) == stage(Prune(method="hybrid", latency=0.25, depth=0.5), 1)
