"""How long compiled models take: all in turn, round after round, on one device.

In turn, because a shared machine is never as quiet in one minute as in the next: what disturbs a
round disturbs all models of it. Compiled several times and in several orders, because the same
network is up to 3 % faster or slower by where its memory happens to lie and by who ran before it.
Which models, and what follows from their times, is left to others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge.errors import CallError, DataError, DetectorError
from edge.openvino_core import core
from training.models.graph import convert
from training.models.ssd import SSD

Clock = Callable[[], float]  # seconds
PRECISIONS = ("f32", "f16", "bf16")
COMPILATIONS = 5  # unless said otherwise
WARM_UP = 3  # rounds that are not counted
FEWEST = 5  # rounds that are counted, however long they take


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one inference over `rounds`."""

    median: float
    p10: float
    p90: float
    best: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and how a model runs. `threads` is for the CPU alone."""

    device: str = "CPU"
    precision: str = "f32"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS or self.threads < 1:
            raise CallError(
                f"precision {self.precision}, {self.threads} threads: the precision is one of "
                f"{', '.join(PRECISIONS)}, and threads are at least 1"
            )

    @property
    def options(self) -> dict[str, str | int]:
        """OpenVINO's names. Without the hint, a CPU that has bfloat16 would choose it by itself."""
        options: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        return {**options, "INFERENCE_NUM_THREADS": self.threads} if self._is_cpu else options

    @property
    def _is_cpu(self) -> bool:
        return self.device.upper() == "CPU"


def measure(
    models: Mapping[str, ov.Model],
    *,
    device: str = "CPU",
    precision: str = "f32",
    threads: int = 1,
    rounds: int = 50,
    compilations: int = COMPILATIONS,
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Time whole models, one after the other in each round.

    Args:
        models: what is timed, by name.
        device, precision, threads: of `Settings`.
        rounds: inferences of each, shared among the compilations: at least `FEWEST` for each.
        compilations: how often each is compiled anew.
        clock: gives seconds.

    Raises:
        CallError: no such precision.
        DetectorError: a model cannot run on the device.
        DataError: the clock stood still.
    """
    settings, names = Settings(device, precision, threads), list(models)
    each = math.ceil(rounds / compilations)
    times = np.empty((compilations, max(each, FEWEST), len(names)))
    for number, found in enumerate(times):
        order = np.random.default_rng(number).permutation(len(names))
        requests = [start(compile_model(models[names[k]], settings)) for k in order]
        found[:, order] = interleave([r.infer for r in requests], rounds=each, clock=clock)
    return dict(zip(names, summarise(times.reshape(-1, len(names))), strict=True))


def measure_nets(
    nets: Mapping[str, SSD],
    *,
    device: str = "CPU",
    precision: str = "f32",
    threads: int = 1,
    rounds: int = 50,
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Convert networks, and time them as `measure` does; weights stay float32."""
    models = {name: convert(net) for name, net in nets.items()}
    return measure(
        models, device=device, precision=precision, threads=threads, rounds=rounds, clock=clock
    )


def cpu_clock(threads: int) -> Clock:
    """The clock to choose by: on one thread, that of the CPU's work for this process.

    On a shared machine a long inference is interrupted by others and a short one is not; what
    was interrupted does not count on this clock. With more threads only the wall tells.
    """
    return time.process_time if threads == 1 else time.perf_counter


def compile_model(model: ov.Model, settings: Settings) -> ov.CompiledModel:
    """Make a model ready for its device.

    Raises:
        DetectorError: the device is not there, or refuses the model.
    """
    try:
        return core().compile_model(model, settings.device, settings.options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DetectorError(
            f"{settings.device} cannot run the model in {settings.precision}: {reason}; "
            "`headcount doctor` lists the devices"
        ) from error


def start(compiled: ov.CompiledModel) -> ov.InferRequest:
    """A request with pictures of its own: noise, as zeros may be cheaper than colours."""
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        data = request.get_tensor(port).data
        data[:] = np.random.default_rng(0).uniform(0, 255, data.shape)
    return request


def interleave(
    runs: Sequence[Callable[[], object]],
    *,
    rounds: int,
    clock: Clock,
    seconds: float = math.inf,
) -> NDArray[np.float64]:
    """Call all in turn, round after round, after a warm-up.

    Args:
        runs: what is timed.
        rounds: at most so many, at least `FEWEST`.
        clock: gives seconds.
        seconds: no further round is begun after so long.

    Returns:
        Milliseconds, (rounds, runs).

    Raises:
        DataError: the clock stood still. Even a call that does nothing takes microseconds; who
            sees none of it has a clock that moves with the system's ticks alone.
    """
    for _ in range(WARM_UP):
        for run in runs:
            run()
    begin = clock()
    rows: list[list[float]] = []
    while len(rows) < max(rounds, FEWEST):
        if len(rows) >= FEWEST and clock() - begin > seconds:
            break
        rows.append([_elapsed(run, clock) for run in runs])
    times = np.array(rows).reshape(len(rows), len(runs)) * 1000
    if runs and times.max() <= 0:
        raise DataError(
            "the clock stood still through every run: it moves with this system's ticks alone; "
            "measure on another, or with more threads, which go by the wall clock"
        )
    return times


def summarise(times: NDArray[np.float64]) -> list[Timing]:
    """The timings of `interleave`'s columns."""
    low, median, high = np.percentile(times, (10, 50, 90), axis=0).tolist()
    rows = zip(median, low, high, times.min(axis=0).tolist(), strict=True)
    return [Timing(*row, len(times)) for row in rows]


def _elapsed(run: Callable[[], object], clock: Clock) -> float:
    begin = clock()
    run()
    return clock() - begin
