"""The exact assignment against every possible one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.assignment import Pair, assign


def pairs_of(benefit: list[list[float]]) -> list[Pair]:
    """The pairs of a matrix that are worth something."""
    return [
        (i, j, value) for i, row in enumerate(benefit) for j, value in enumerate(row) if value > 0
    ]


def best_total(benefit: list[list[float]]) -> float:
    """The largest sum over all ways to pair rows with columns, or to leave them alone."""
    rows, columns = len(benefit), len(benefit[0])
    if rows > columns:
        return best_total([list(column) for column in zip(*benefit, strict=True)])
    return max(
        sum(max(benefit[row][column], 0.0) for row, column in enumerate(chosen))
        for chosen in permutations(range(columns), rows)
    )


matrices = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(st.floats(-5, 10), min_size=columns, max_size=columns), min_size=1, max_size=5
    )
)


@given(matrices)
def test_no_other_assignment_is_worth_more(benefit: list[list[float]]) -> None:
    """The sum equals the brute-force one, and nobody is paired twice or for nothing."""
    pairs = assign(pairs_of(benefit))

    assert best_total(benefit) == pytest.approx(sum(benefit[i][j] for i, j in pairs))
    assert len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs})
    assert all(benefit[i][j] > 0 for i, j in pairs)
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("benefit", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([[5.0, 0.0], [0.0, 4.0]], [(0, 0), (1, 1)], id="nothing competes"),
        pytest.param([[5.0, 4.0], [4.0, 0.0]], [(0, 1), (1, 0)], id="not the greedy choice"),
        pytest.param([[1.0], [2.0], [0.5]], [(1, 0)], id="more rows than columns"),
    ],
)
def test_small_cases(benefit: list[list[float]], expected: list[tuple[int, int]]) -> None:
    """Cases that can be checked by eye."""
    assert expected == assign(pairs_of(benefit))


@pytest.mark.parametrize("size", [40, 200])
def test_a_crowd_is_assigned_exactly(size: int) -> None:
    """As good as an optimum that is known: a hidden permutation worth more than all else."""
    rng = np.random.default_rng(size)
    hidden = rng.permutation(size)
    benefit = rng.uniform(0, 1, (size, size))
    benefit[np.arange(size), hidden] += 1

    assert list(enumerate(hidden.tolist())) == assign(pairs_of(benefit.tolist()))


def test_equal_benefits_are_no_trouble() -> None:
    """Everybody could be anybody: all are paired, and it ends."""
    pairs = assign(pairs_of([[1.0] * 30] * 20))

    assert 20 == len(pairs) == len({j for _, j in pairs})
