"""The step is found in staircases that are known: with noise, with outliers, and none in a ramp."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import CallError
from training.profile.latency import summarise
from training.profile.shapes import Shape
from training.profile.staircase import Staircase, Step, find_step, staircase, window, with_channels

pytestmark = pytest.mark.training

SHAPE = Shape("conv", 64, 128, 1, 1, 16, 16)
ROUNDS = 21


def made(
    counts: list[int], size: int, slope: float, seed: int, *, base: float = 0.0, noise: float = 0.03
) -> Staircase:
    """A staircase as a noisy machine would give it: each run off by `noise`, 1 in 20 three times
    as long.
    """
    rng = np.random.default_rng(seed)
    level = base + slope * -(-np.array(counts) // size) * size
    runs = level * (1 + noise * rng.standard_normal((ROUNDS, len(counts))))
    runs[rng.random(runs.shape) < 0.05] *= 3
    return Staircase.of(SHAPE, "cout", counts, summarise(runs))


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from([8, 16, 32, 64]),
    slope=st.floats(1e-4, 1.0),
    base=st.floats(0, 0.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_step_is_found(size: int, slope: float, base: float, seed: int) -> None:
    """With 3 % of noise and outliers, whatever a channel and the rest of the layer cost."""
    stairs = made(window(160), size, slope, seed, base=base * slope * 160)
    step = find_step(stairs)

    assert size == step.size
    assert 0.6 < step.height / (slope * size) < 1.4
    assert 0 < step.gain <= 1


@pytest.mark.parametrize("size", [2, 4])
def test_small_steps_are_found_in_narrow_layers(size: int) -> None:
    """Where a step of few channels is more than the noise: among the first 24 channels."""
    found = [find_step(made(list(range(1, 25)), size, 0.01, seed)).size for seed in range(20)]

    assert 20 == found.count(size)


@settings(max_examples=60, deadline=None)
@given(
    widest=st.integers(48, 1024),
    slope=st.floats(0, 1.0),
    base=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_ramp_has_no_step(widest: int, slope: float, base: float, seed: int) -> None:
    """A straight line with the same noise: 1, and no gain."""
    stairs = made(window(widest), 1, slope, seed, base=base)

    assert Step() == find_step(stairs)


def test_a_bent_ramp_without_noise_has_no_step() -> None:
    """A time that grows faster and faster is no staircase."""
    counts = window(96)
    times = tuple(float(n * n) for n in counts)

    assert Step() == find_step(Staircase(SHAPE, "cout", tuple(counts), times, times, times))


def test_ragged_counts_that_cost_more_are_told() -> None:
    """Within a step, 5 % more than at its end: the step, and the share."""
    counts = window(128)
    times = tuple(-(-n // 16) * (1.05 if n % 16 else 1.0) for n in counts)
    step = find_step(Staircase(SHAPE, "cout", tuple(counts), times, times, times))

    assert 16 == step.size
    assert pytest.approx(0.05) == step.ragged


def test_too_few_counts_have_no_step() -> None:
    """One count, or a range that holds no two steps: 1."""
    assert Step() == find_step(made([8], 8, 1.0, 0))
    assert Step() == find_step(made(list(range(1, 16)), 8, 1.0, 0))


def test_a_window_shows_neighbours_and_large_steps() -> None:
    """The highest counts one by one, below them multiples of 4, none below 1."""
    assert list(range(1, 13)) == window(12)
    counts = window(512, every=8, fours=64)

    assert list(range(505, 513)) == counts[-8:]
    assert [448, 452] == counts[:2]


def test_a_staircase_is_measured() -> None:
    """Each count once, rising; percentiles in order."""
    stairs = staircase(SHAPE, axis="cin", counts=[32, 8, 32, 16], rounds=5, clock=time.process_time)

    assert (8, 16, 32) == stairs.counts
    assert all(
        low <= m <= high for low, m, high in zip(stairs.p10, stairs.median, stairs.p90, strict=True)
    )
    with pytest.raises(CallError, match="at least 1"):
        staircase(SHAPE, counts=[0, 4], clock=time.process_time)


def test_channels_are_changed_along_one_axis() -> None:
    """A depthwise layer changes both, as it must."""
    depthwise = Shape("depthwise", 8, 8, 3, 1, 4, 4)

    assert 24 == with_channels(SHAPE, "cin", 24).cin
    assert SHAPE.cout == with_channels(SHAPE, "cin", 24).cout
    assert (6, 6) == (
        with_channels(depthwise, "cout", 6).cin,
        with_channels(depthwise, "cin", 6).cout,
    )


def test_times_must_fit_the_counts() -> None:
    """A staircase with a time too few, or falling counts, cannot be made."""
    for counts, times in (((1, 2), (1.0,)), ((2, 1), (1.0, 2.0))):
        with pytest.raises(ValueError, match="one time for each"):
            Staircase(SHAPE, "cout", counts, times, times, times)


def test_a_layer_that_is_lost_in_its_call_has_no_step() -> None:
    """Times that are all 0, as a small layer's are on a busy machine: 1, and no error."""
    counts = list(range(1, 9))
    lost = Staircase.of(SHAPE, "cout", counts, summarise(np.zeros((ROUNDS, len(counts)))))

    assert Step() == find_step(lost)
