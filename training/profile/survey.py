"""Profile a network's layers on a device: find the steps, then measure the lattices.

For each map of the network (kernel, stride, size) the widest layer gives the staircases along its
output and its input channels. A step that is lost in the noise of one map is taken from the other
maps of the same kernel. Then a lattice of widths from a few channels up to the widest is measured
at multiples of the steps. Files and words for people are left to `profiling`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
import openvino as ov

from edge.errors import DetectorError
from edge.openvino_core import core
from training.models.ssd import SSD
from training.profile.latency import Clock, Settings, measure_nets
from training.profile.layer import time_layers
from training.profile.shapes import Map, Shape, shapes
from training.profile.staircase import Axis, Staircase, Step, find_step, staircase, window
from training.profile.table import Check, LatencyTable, Lattice, Origin, round_up

_NARROW = 8  # channels: no lattice begins below; an axis no wider than this is not pruned
DENSE = "dense"  # name of the check on the profiled network itself

Say = Callable[[str], None]
Steps = defaultdict[tuple[Map, Axis], Step]


@dataclass(frozen=True, slots=True)
class Effort:
    """How thorough a profile is: rounds of each timing, `window`'s lengths, a lattice's marks."""

    rounds: int = 21
    net_rounds: int = 60
    every: int = 40
    fours: int = 256
    shares: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)  # of the widest layer


FULL = Effort()
QUICK = Effort(rounds=5, net_rounds=10, every=4, fours=16, shares=(1 / 2, 1.0))


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every timing of one profile has in common."""

    settings: Settings
    effort: Effort
    clock: Clock
    seconds: float  # for the counted rounds of one group of layers

    def staircase(self, shape: Shape, axis: Axis) -> Staircase:
        widest = shape.cin if axis == "cin" else shape.cout
        return staircase(
            shape,
            axis=axis,
            counts=window(widest, every=self.effort.every, fours=self.effort.fours),
            device=self.settings.device,
            precision=self.settings.precision,
            threads=self.settings.threads,
            rounds=self.effort.rounds,
            clock=self.clock,
            seconds=self.seconds,
        )

    def lattice(self, group: Group, steps: Steps) -> Lattice:
        cin_step, cout_step = steps[group.map, "cin"], steps[group.map, "cout"]
        cin = marks({s.inputs for s in group.layers}, cin_step.size, self.effort.shares)
        cout = marks({s.cout for s in group.layers}, cout_step.size, self.effort.shares)
        times = time_layers(
            [group.layer(i, o) for i in cin for o in cout],
            settings=self.settings,
            rounds=self.effort.rounds,
            clock=self.clock,
            seconds=self.seconds,
        )
        rows = np.median(times, axis=0).reshape(len(cin), len(cout)).tolist()
        return Lattice(group.map, cin, cout, tuple(map(tuple, rows)), cin_step, cout_step)


@dataclass(frozen=True, slots=True)
class Group:
    """All layers of a network that have one map."""

    map: Map
    layers: tuple[Shape, ...]

    @property
    def widest(self) -> Shape:
        """The layer whose inputs and outputs are the most of the group's."""
        inputs = max(shape.inputs for shape in self.layers)
        return self.layer(inputs, max(shape.cout for shape in self.layers))

    def layer(self, inputs: int, cout: int) -> Shape:
        """A layer with this map and these channels."""
        kind, kernel, stride, height, width = self.map
        if kind == "depthwise":
            return Shape("depthwise", cout, cout, kernel, stride, height, width)
        return Shape("conv", inputs, cout, kernel, stride, height, width)


def profile_net(
    net: SSD,
    *,
    device: str = "CPU",
    precision: str = "f32",
    threads: int = 1,
    seconds: float = 240.0,
    clock: Clock,
    date: str,
    checks: Mapping[str, SSD] | None = None,
    effort: Effort = FULL,
    say: Say = lambda _: None,
) -> LatencyTable:
    """Measure everything that `LatencyTable` needs for a network and for narrower ones.

    Args:
        net: the widest of its family.
        device: OpenVINO's name.
        precision: of the inference.
        threads: of a CPU.
        seconds: for the counted rounds of all layers; compiling takes about as long again.
        clock: gives seconds.
        date: ISO 8601, goes into the table.
        checks: narrower networks of the family, to predict and measure.
        effort: how thorough.
        say: takes a line for each map.

    Raises:
        CallError: no such precision.
        DetectorError: the device is not there, or cannot run a layer.
        DataError: a layer that no table can hold, or a check that is not of the family.
    """
    settings = Settings(device, precision, threads)
    groups = group(shapes(net).values())
    origin = _origin(settings, date)
    bench = _Bench(settings, effort, clock, seconds / (3 * len(groups)))
    stairs = _staircases(bench, groups, say)
    steps = settle({(stair.shape.map, stair.axis): find_step(stair) for stair in stairs})
    lattices = []
    for number, each in enumerate(groups, start=1):
        lattices.append(bench.lattice(each, steps))
        say(f"lattice {number}/{len(groups)}: {each.widest}, {lattices[-1].points} points")
    table = LatencyTable(origin, 0.0, tuple(lattices), tuple(stairs))
    return _checked(table, {DENSE: net, **(checks or {})}, bench)


def group(layers: Iterable[Shape]) -> list[Group]:
    """Layers by their maps, each width once, in the order of execution."""
    found: dict[Map, dict[Shape, None]] = {}
    for shape in layers:
        found.setdefault(shape.map, {})[shape] = None
    return [Group(key, tuple(members)) for key, members in found.items()]


def marks(counts: Iterable[int], step: int, shares: Iterable[float]) -> tuple[int, ...]:
    """Where an axis is measured: all counts and shares of the widest, in whole steps."""
    counts = {*counts}
    widest = max(counts)
    if widest > _NARROW:
        counts |= {max(int(widest * share), _NARROW) for share in shares}
    return tuple(sorted({round_up(count, step) for count in counts}))


def settle(steps: Mapping[tuple[Map, Axis], Step]) -> Steps:
    """Give maps without a step the commonest of their kernel, if most maps of it have one.

    One kernel of the device serves all sizes of map; the larger the layer, the smaller a step is
    beside its noise.
    """
    settled = defaultdict(Step, steps)
    for key in steps:
        (kind, kernel, *_), axis = key
        peers = [s for (m, a), s in steps.items() if (*m[:2], a) == (kind, kernel, axis)]
        found = [step.size for step in peers if step.size > 1]
        if steps[key].size == 1 and 2 * len(found) > len(peers):
            size = max(sorted({*found}), key=found.count)
            ragged = median(step.ragged for step in peers if step.size == size)
            settled[key] = Step(size, ragged=ragged)
    return settled


def _staircases(bench: _Bench, groups: list[Group], say: Say) -> list[Staircase]:
    stairs = []
    for number, each in enumerate(groups, start=1):
        widest = each.widest
        wide: dict[Axis, int] = {"cout": widest.cout, "cin": widest.inputs}
        for axis, count in wide.items():
            if count > _NARROW:
                stairs.append(bench.staircase(widest, axis))
                step = find_step(stairs[-1]).size
                say(f"staircase {number}/{len(groups)}: {widest}, {axis}: step {step}")
    return stairs


def _checked(table: LatencyTable, nets: Mapping[str, SSD], bench: _Bench) -> LatencyTable:
    """The table with the overhead of the dense network, and all networks' checks."""
    parts = {name: table.predict(shapes(net)) for name, net in nets.items()}
    timings = measure_nets(
        nets,
        device=bench.settings.device,
        precision=bench.settings.precision,
        threads=bench.settings.threads,
        rounds=bench.effort.net_rounds,
        clock=bench.clock,
    )
    overhead = timings[DENSE].median - parts[DENSE]
    checks = tuple(Check(name, parts[name] + overhead, timings[name].median) for name in nets)
    return LatencyTable(table.origin, overhead, table.lattices, table.staircases, checks)


def _origin(settings: Settings, date: str) -> Origin:
    try:
        name = str(core().get_property(settings.device, "FULL_DEVICE_NAME")).strip()
    except RuntimeError as error:
        raise DetectorError(f"{settings.device}: no such device; see `headcount doctor`") from error
    return Origin(
        device=settings.device,
        model=name,
        openvino=ov.__version__,
        precision=settings.precision,
        threads=settings.threads,
        date=date,
    )
