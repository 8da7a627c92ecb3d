"""Timing in turn, on a clock that the test holds; and real models on this machine's CPU."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import time
from collections.abc import Callable

import numpy as np

from edge.errors import CallError, DataError, DetectorError
from edge.openvino_core import core
from tests.training.kit import recipe
from training.models.ssd import SSD
from training.profile.latency import (
    COMPILATIONS,
    FEWEST,
    WARM_UP,
    Settings,
    Timing,
    compile_model,
    interleave,
    measure,
    measure_nets,
    summarise,
)
from training.profile.layer import layer_model, time_layers
from training.profile.shapes import Shape

pytestmark = pytest.mark.training

POINTWISE = Shape("conv", 16, 24, 1, 1, 5, 7)


class Machine:
    """A clock, and things to run that take a given time on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def task(self, name: str, seconds: float) -> Callable[[], None]:
        """Something that takes so long."""

        def run() -> None:
            self.log.append(name)
            self.now += seconds

        return run


def test_models_take_turns_after_a_warm_up() -> None:
    """Round after round, each once; times are milliseconds in the order given."""
    machine = Machine()
    runs = [machine.task("a", 0.002), machine.task("b", 0.005)]
    times = interleave(runs, rounds=7, clock=machine.clock)

    assert ["a", "b"] * (WARM_UP + 7) == machine.log
    assert np.allclose([[2.0, 5.0]] * 7, times)


def test_a_budget_ends_the_rounds_but_a_few_are_always_made() -> None:
    """No round begins after the budget; `FEWEST` are made whatever it is."""
    machine = Machine()
    tasks = [machine.task("a", 1.0)]

    assert 11 == len(interleave(tasks, rounds=100, clock=machine.clock, seconds=10.5))
    assert FEWEST == len(interleave(tasks, rounds=100, clock=machine.clock, seconds=0.0))
    assert FEWEST == len(interleave(tasks, rounds=1, clock=machine.clock))


def test_a_clock_that_stands_still_is_told() -> None:
    """Runs that take no time at all are no measurement: one line, and the way out."""
    with pytest.raises(DataError, match="the clock stood still through every run"):
        time_layers([POINTWISE], settings=Settings(), rounds=5, clock=lambda: 1.0)


def test_a_timing_tells_the_middle_and_the_ends() -> None:
    """Of 0 to 100 ms: the percentiles by name, the best, the rounds."""
    (timing,) = summarise(np.arange(101.0)[:, None])

    assert Timing(median=50, p10=10, p90=90, best=0, rounds=101) == timing


def test_networks_are_measured_by_name() -> None:
    """Both run on this CPU, compiled several times; the wider one is not the faster."""
    spec = recipe().spec
    nets = {"wide": SSD(spec, width=1.0), "narrow": SSD(spec, width=0.25)}
    times = measure_nets(nets, rounds=9, clock=time.process_time)

    assert list(nets) == list(times)
    assert COMPILATIONS * FEWEST == times["wide"].rounds
    assert times["narrow"].best < times["wide"].best


def test_a_call_or_a_device_that_is_wrong_is_told() -> None:
    """One line for each: precision, threads, no such device."""
    with pytest.raises(CallError, match="precision f64"):
        measure({}, precision="f64")
    with pytest.raises(CallError, match="0 threads"):
        measure({}, threads=0)
    with pytest.raises(DetectorError, match="NOWHERE cannot run the model"):
        measure({"layer": layer_model(POINTWISE)}, device="NOWHERE")


@pytest.mark.parametrize(
    "shape",
    [
        POINTWISE,
        Shape("conv", 3, 8, 3, 2, 6, 8),
        Shape("conv", 4, 8, 3, 1, 6, 8),
        Shape("depthwise", 8, 8, 3, 1, 6, 8),
        Shape("depthwise", 8, 8, 3, 2, 6, 8),
    ],
    ids=str,
)
def test_a_lone_layer_makes_the_map_of_its_shape(shape: Shape) -> None:
    """Channels last, the input `stride` times as large; outputs are clamped to 0..6."""
    compiled = compile_model(layer_model(shape), Settings())
    given = np.full(tuple(compiled.input(0).shape), 9, np.float32)
    made = compiled(given)[0]

    assert (1, shape.height * shape.stride, shape.width * shape.stride, shape.cin) == given.shape
    assert (1, shape.height, shape.width, shape.cout) == made.shape
    assert 0 <= made.min() < made.max() <= 6


def test_nothing_but_the_convolution_runs_in_a_lone_layer() -> None:
    """Neither transposes nor conversions cost time, so the layer's time is the convolution's."""
    model = layer_model(Shape("conv", 64, 64, 1, 1, 16, 16))
    settings = Settings()
    compiled = core().compile_model(model, "CPU", {**settings.options, "PERF_COUNT": "YES"})
    request = compiled.create_infer_request()
    request.infer()
    executed = [node.node_type for node in request.profiling_info if "EXECUTED" in str(node.status)]
    if "avx512" not in " ".join(node.exec_type for node in request.profiling_info):
        pytest.skip("another kernel than the one for AVX-512 may want another layout")

    assert ["Convolution"] == executed


def test_lone_layers_are_timed_without_the_call() -> None:
    """A layer of a thousand times the work takes longer; none takes less than nothing."""
    small = Shape("conv", 8, 8, 1, 1, 2, 2)
    large = Shape("conv", 128, 128, 1, 1, 24, 24)
    times = time_layers([small, large], settings=Settings(), rounds=9, clock=time.process_time)

    assert (9, 2) == times.shape
    assert times.min() >= 0
    assert np.median(times[:, 0]) < np.median(times[:, 1])
