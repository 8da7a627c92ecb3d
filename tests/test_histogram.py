"""The histogram: a median of any number of values."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.histogram import Histogram


def median(values: list[float]) -> float | None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram.median()


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200))
def test_the_median_is_right_to_half_a_thousandth(values: list[float]) -> None:
    """Of an odd number of values the middle one, of an even number the mean of both."""
    assert pytest.approx(statistics.median(values), rel=0.00051) == median(values)


@pytest.mark.parametrize(("value", "taken"), [(0.0, 0.001), (1e-9, 0.001), (1e30, 1e6)])
def test_what_is_too_small_or_large_is_taken_for_the_limit(value: float, taken: float) -> None:
    """No value breaks it."""
    assert pytest.approx(taken, rel=0.002) == median([value])


def test_of_nothing_there_is_no_median() -> None:
    """It is unknown, not zero."""
    assert median([]) is None
