"""The staircase of a layer: its time against the number of its channels, and the step of it.

    ms |            ____
       |        ___|        a device works on N channels at once: channels that do not fill the
       |    ___|            last N cost as much as if they did, and often a little more
       |___|
       +---N---2N--3N---- channels

Cluster pruning (Gamanayake et al., arXiv 2003.02449) removes channels in clusters of the step and
reads the step off a drawn curve; here it is fitted. What is done with it is left to others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import CallError
from training.profile.shapes import Shape

if TYPE_CHECKING:
    from training.profile.latency import Clock, Timing

Axis = Literal["cin", "cout"]
Floats = NDArray[np.float64]

STEPS = (2, 4, 8, 16, 32, 64)
_SURE = 5.0  # standard errors that a step's height must be above 0
_WORTH = 0.01  # of the layer's time: a lower step saves too little to be heeded
_FLOOR = 0.2  # of the longest time: shorter ones are not trusted to a smaller share of themselves
_TUNING = 1.345  # residuals in standard deviations from which Huber's weights fall
_REFITS = 20


@dataclass(frozen=True, slots=True)
class Staircase:
    """Milliseconds of one layer for each of `counts` channels along `axis`, rising."""

    shape: Shape
    axis: Axis
    counts: tuple[int, ...]
    median: tuple[float, ...]
    p10: tuple[float, ...]
    p90: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.counts), len(self.median), len(self.p10), len(self.p90)}
        if len(lengths) != 1 or list(self.counts) != sorted({*self.counts}):
            raise ValueError(f"a staircase has one time for each of its rising counts: {self}")

    @classmethod
    def of(
        cls, shape: Shape, axis: Axis, counts: Sequence[int], timings: Sequence[Timing]
    ) -> Staircase:
        """A staircase of measured timings."""
        return cls(
            shape, axis, tuple(counts),
            tuple(t.median for t in timings),
            tuple(t.p10 for t in timings),
            tuple(t.p90 for t in timings),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A staircase's step in channels, 1 where there is none.

    height: what one step costs, milliseconds. gain: how much nearer the staircase comes to the
    measured times than a smooth curve does, 0..1. ragged: share by which a count that fills no
    whole number of steps is dearer than the next one that does. All 0 for a step of 1.
    """

    size: int = 1
    height: float = 0.0
    gain: float = 0.0
    ragged: float = 0.0


@dataclass(frozen=True, slots=True)
class _Fit:
    slope: float  # milliseconds for each channel that fills up a step
    error: float  # its standard error
    residual: float  # mean absolute, shares of the time


def staircase(
    shape: Shape,
    *,
    axis: Axis = "cout",
    counts: Sequence[int],
    device: str = "CPU",
    precision: str = "f32",
    threads: int = 1,
    rounds: int = 21,
    clock: Clock = time.perf_counter,
    seconds: float = math.inf,
) -> Staircase:
    """Measure a layer with each number of channels, all in turn in each round.

    Args:
        shape: the layer; a depthwise one has as many inputs as outputs.
        axis: the channels that are counted.
        counts: numbers of channels.
        device: OpenVINO's name.
        precision: of the inference.
        threads: of a CPU.
        rounds: at most so many.
        clock: gives seconds.
        seconds: no further round is begun after so long.

    Raises:
        CallError: no counts, or none that a layer can have.
        DetectorError: the device cannot run the layer.
        DataError: the clock stood still.
    """
    # a staircase can be read, and priced by, where there is no OpenVINO to measure one
    from training.profile.latency import Settings, summarise  # noqa: PLC0415
    from training.profile.layer import time_layers  # noqa: PLC0415

    counts = sorted({*counts})
    if not counts or counts[0] < 1:
        raise CallError(f"{shape}: a staircase needs channel counts of at least 1, not {counts}")
    times = time_layers(
        [with_channels(shape, axis, count) for count in counts],
        settings=Settings(device, precision, threads),
        rounds=rounds,
        clock=clock,
        seconds=seconds,
    )
    return Staircase.of(shape, axis, counts, summarise(times))


def with_channels(shape: Shape, axis: Axis, count: int) -> Shape:
    """The same layer with another number of channels."""
    if shape.kind == "depthwise":
        return replace(shape, cin=count, cout=count)
    return replace(shape, cin=count) if axis == "cin" else replace(shape, cout=count)


def window(widest: int, *, every: int = 40, fours: int = 256) -> list[int]:
    """Channel counts that show a step: each of the `every` highest, then multiples of 4.

    Small steps show among neighbours, large ones over a long way; `fours` is its length.
    """
    near = range(max(1, widest - every + 1), widest + 1)
    far = range(max(4, (widest - fours) // 4 * 4), widest + 1, 4)
    return sorted({*near, *far})


def find_step(stairs: Staircase) -> Step:
    """The step that explains the times best; 1 unless a step is beyond doubt, and worth it.

    For each candidate N the median times are fitted by a parabola, which takes up how the time
    grows at large, and a saw: the channels missing to the next multiple of N, which cost as if
    they were there. The fit is Huber's (Robust Estimation of a Location Parameter, 1964), as a
    shared machine has outliers. A candidate counts if its saw is `_SURE` standard errors above 0
    and a step as high as `_WORTH` of the time; of those, the one with the smallest residuals wins.

    A layer that costs no more than the call around it, as far as a busy machine lets that be seen,
    has times of 0 and no step.
    """
    counts, times = np.array(stairs.counts), np.array(stairs.median)
    if times.max() <= 0:
        return Step()
    span = int(counts[-1] - counts[0]) + 1
    smooth = _fit(counts, times, 0).residual if len(counts) > 4 else 0.0
    best = Step()
    for size in STEPS:
        if span < 2 * size or smooth == 0:  # two whole steps at least
            continue
        fit = _fit(counts, times, size)
        gain = 1 - fit.residual / smooth
        height = fit.slope * size
        sure = fit.slope > _SURE * fit.error and height > _WORTH * float(np.median(times))
        if sure and gain > best.gain:
            best = Step(size, height, gain, _ragged(stairs, size))
    return best


def _ragged(stairs: Staircase, size: int) -> float:
    """Median over counts within a step of how much they are dearer than its last."""
    times = dict(zip(stairs.counts, stairs.median, strict=True))
    ends = {count: -(-count // size) * size for count in stairs.counts if count % size}
    known = [times[count] / times[end] for count, end in ends.items() if times.get(end, 0) > 0]
    return max(float(np.median(known)) - 1, 0.0) if known else 0.0


def _fit(counts: NDArray[np.int64], times: Floats, size: int) -> _Fit:
    """Parabola and, for a `size` above 0, the saw of that step.

    Residuals count in shares of the time, as longer runs are disturbed by more.
    """
    x = (counts - counts.mean()) / max(float(np.ptp(counts)), 1.0)
    columns = [np.ones(len(x)), x, x * x]
    if size:
        columns.append((-counts % size).astype(float))
    unit = np.maximum(times, _FLOOR * times.max())[:, None]
    design, wanted = np.stack(columns, axis=1) / unit, times / unit[:, 0]
    weights = np.ones(len(x))
    for _ in range(_REFITS):
        root = np.sqrt(weights)[:, None]
        solution = np.linalg.lstsq(design * root, wanted * root[:, 0], rcond=None)[0]
        residual = np.abs(wanted - design @ solution)
        scale = max(1.4826 * float(np.median(residual)), 1e-12)  # of a normal distribution
        weights = np.minimum(1, _TUNING * scale / np.maximum(residual, 1e-12))
    inverse = np.linalg.pinv((design * weights[:, None]).T @ design)
    free = len(x) / max(len(x) - design.shape[1], 1)
    error = scale * math.sqrt(free * max(float(inverse[-1, -1]), 0.0))
    return _Fit(float(solution[-1]), error, float(residual.mean()))
