"""What pruning knows of the hardware: prices from a profile, and whole networks on the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from training.models.graph import convert
from training.models.ssd import SSD
from training.profile.latency import cpu_clock
from training.profile.latency import measure as measure_models
from training.profile.myriad import MyriadTable
from training.profile.shapes import Shape, shapes
from training.profile.table import LatencyTable
from training.prune.groups import ChannelGroup
from training.prune.widths import Layout, Price

MYRIAD = "myriad"
_ROUNDS = 80  # inferences of each network in one comparison


class Table(Protocol):
    """What a device's profile tells of one layer."""

    def step(self, shape: Shape) -> int:
        """Channels by which its output must shrink before the device notices."""


@dataclass(frozen=True, slots=True)
class Device:
    """The hardware that a network is pruned for.

    price: of one layer's shape: milliseconds, or a compiler's cost. cluster: group to the step
    of its latency in channels. measure: a network's latency over the dense network's, from one
    run in which both take turns; where no device is at hand, from the prices.
    """

    price: Price
    cluster: Mapping[str, int]
    measure: Callable[[SSD], float]


def open_device(dense: SSD, layout: Layout, profile: str) -> Device:
    """The device that a profile's file is of, or a stick by its compiler's cost: "myriad".

    Raises:
        DataError: the file is no profile, or one of another network.
    """
    if profile == MYRIAD:
        return myriad(dense, layout, MyriadTable())
    table = LatencyTable.read(Path(profile))
    for shape in layout.shapes.values():
        table.ms(shape)  # says which layer it does not know
    return cpu(dense, layout, table)


def cpu(dense: SSD, layout: Layout, table: LatencyTable) -> Device:
    """This machine's CPU, by the profile that was measured on it."""
    origin = table.origin

    def measure(net: SSD) -> float:
        both = measure_models(
            {"dense": convert(dense), "net": convert(net)},
            device=origin.device, precision=origin.precision, threads=origin.threads,
            rounds=_ROUNDS, clock=cpu_clock(origin.threads),
        )  # fmt: skip
        return both["net"].median / both["dense"].median

    return Device(cache(table.ms), clusters(layout, table), measure)


def myriad(dense: SSD, layout: Layout, table: MyriadTable) -> Device:
    """A Movidius stick, by its compiler's cost; nothing is measured."""
    whole = table.predict(shapes(dense))
    return Device(
        cache(table.cost),
        clusters(layout, table),
        lambda net: table.predict(shapes(net)) / whole,
    )


def clusters(layout: Layout, table: Table) -> dict[str, int]:
    """The cluster of each group: the widest step among the convolutions that make its channels."""
    return {group.name: _cluster(layout, group, table) for group in layout.groups}


def _cluster(layout: Layout, group: ChannelGroup, table: Table) -> int:
    made = (layout.shapes[slot.conv] for slot in (*group.producers, *group.depthwise))
    return min(group.size, max(table.step(shape) for shape in made))
