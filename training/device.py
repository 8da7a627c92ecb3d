"""What pruning knows of the hardware: prices from a profile, and whole networks on the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from training.models.ssd import SSD
from training.profile.myriad import MyriadTable
from training.profile.shapes import Shape, cost, macs, shapes
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

    price: of one layer's shape: milliseconds, a compiler's cost, or multiply-accumulates.
    cluster: group to the step of its latency in channels. measure: a network's latency over the
    dense network's, from one run in which both take turns; where no device is at hand, or
    another target is to be reached, from the prices.
    """

    price: Price
    cluster: Mapping[str, int]
    measure: Callable[[SSD], float]


def open_device(dense: SSD, layout: Layout, profile: str, target: str = "latency") -> Device:
    """The device that a profile's file is of, or a stick by its compiler's cost: "myriad".

    Args:
        dense: the network to be cut.
        layout: of it.
        profile: file, or "myriad".
        target: what is to be reached on it, one of `training.config.TARGETS`.

    Raises:
        DataError: the file is no profile, or one of another network.
    """
    if profile == MYRIAD:
        device = myriad(dense, layout, MyriadTable())
        return _counting(device, dense) if target == "macs" else device
    table = LatencyTable.read(Path(profile))
    for shape in layout.shapes.values():
        table.ms(shape)  # says which layer it does not know
    device = Device(cache(table.ms), clusters(layout, table), _predicted(dense, table.predict))
    if target == "macs":
        return _counting(device, dense)
    return device if target == "predicted" else replace(device, measure=_clocked(dense, table))


def myriad(dense: SSD, layout: Layout, table: MyriadTable) -> Device:
    """A Movidius stick, by its compiler's cost; nothing is measured."""
    return Device(cache(table.cost), clusters(layout, table), _predicted(dense, table.predict))


def _counting(device: Device, dense: SSD) -> Device:
    """A device on which multiply-accumulates are the price; its clusters stay."""
    whole = cost(dense).macs
    return replace(device, price=macs, measure=lambda net: cost(net).macs / whole)


def _predicted(
    dense: SSD, predict: Callable[[Mapping[str, Shape]], float]
) -> Callable[[SSD], float]:
    whole = predict(shapes(dense))
    return lambda net: predict(shapes(net)) / whole


def _clocked(dense: SSD, table: LatencyTable) -> Callable[[SSD], float]:
    """Networks on this machine's CPU, under the circumstances of the profile."""
    # OpenVINO is for the clock alone: a host that trains for other devices may have none.
    from training.models.graph import convert  # noqa: PLC0415
    from training.profile.latency import cpu_clock  # noqa: PLC0415
    from training.profile.latency import measure as measure_models  # noqa: PLC0415

    origin = table.origin

    def measure(net: SSD) -> float:
        both = measure_models(
            {"dense": convert(dense), "net": convert(net)},
            device=origin.device, precision=origin.precision, threads=origin.threads,
            rounds=_ROUNDS, clock=cpu_clock(origin.threads),
        )  # fmt: skip
        return both["net"].median / both["dense"].median

    return measure


def clusters(layout: Layout, table: Table) -> dict[str, int]:
    """The cluster of each group: the widest step among the convolutions that make its channels."""
    return {group.name: _cluster(layout, group, table) for group in layout.groups}


def _cluster(layout: Layout, group: ChannelGroup, table: Table) -> int:
    made = (layout.shapes[slot.conv] for slot in (*group.producers, *group.depthwise))
    return min(group.size, max(table.step(shape) for shape in made))
