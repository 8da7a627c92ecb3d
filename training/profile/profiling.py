"""`headcount-train profile`: measure a network's device, write the profile, print a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from edge.errors import CallError
from training.models.ssd import BACKBONES, SSD
from training.profile.figure import write_figure
from training.profile.latency import Clock
from training.profile.myriad import MyriadTable, cost, profile_myriad, total
from training.profile.shapes import Shape, macs, shapes
from training.profile.survey import FULL, QUICK, profile_net
from training.profile.table import LatencyTable, write_json

PROFILE = "profile.json"
FIGURE = "staircase.png"

Say = Callable[[str], None]


def run_profile(
    net: SSD,
    *,
    device: Literal["cpu", "myriad"],
    precision: str = "f32",
    threads: int = 1,
    out: Path,
    quick: bool = False,
    clock: Clock,
    now: datetime,
    say: Say = print,
) -> None:
    """Profile a network and write `profile.json`, and `staircase.png` if it was measured.

    Args:
        net: the widest network of its family; narrower ones can be predicted from its profile.
        device: "cpu" is measured here, "myriad" reckoned as the stick's compiler does.
        precision: of the inference on a CPU.
        threads: of a CPU.
        out: a folder that exists.
        quick: few counts and rounds, to see that it works.
        clock: gives seconds.
        now: goes into the profile.
        say: takes each line of what is told.

    Raises:
        CallError: no such device or precision.
        DetectorError: OpenVINO cannot run a layer here.
        DataError: a layer that cannot be profiled, or files that cannot be written.
    """
    if device == "myriad":
        write_json(out / PROFILE, profile_myriad(net))
        say(_myriad_table(net))
        return
    if device != "cpu":
        raise CallError(f"--device {device}: can be cpu or myriad")
    narrow = half(net)
    table = profile_net(
        net,
        precision=precision,
        threads=threads,
        clock=clock,
        date=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        checks={"half width": narrow} if narrow else {},
        effort=QUICK if quick else FULL,
        say=say,
    )
    table.write(out / PROFILE)
    outputs = [each for each in table.staircases if each.axis == "cout"]
    stairs = [(each, table.step(each.shape)) for each in outputs]
    write_figure(out / FIGURE, stairs, _title(table))
    say(_cpu_table(net, table))


def half(net: SSD) -> SSD | None:
    """The network of the same family at half the width; none if that is not narrower everywhere."""
    (name,) = (name for name, kind in BACKBONES.items() if type(net.backbone) is kind)
    last = max(net.backbone.channels)
    share = net.backbone.channels[last] / BACKBONES[name](1.0, (1, 1)).channels[last]
    neck = max(net.heads()[0].loc.in_channels // 2, 1)
    narrow = SSD(net.spec, backbone=name, width=share / 2, neck=neck)
    wide = shapes(net)
    fits = (
        layer in wide and shape.cin <= wide[layer].cin and shape.cout <= wide[layer].cout
        for layer, shape in shapes(narrow).items()
    )
    return narrow if all(fits) else None


def _title(table: LatencyTable) -> str:
    origin = table.origin
    return (
        f"{origin.model}, OpenVINO {origin.openvino.split('-')[0]}, {origin.precision}, "
        f"{origin.threads} thread(s): median, 10 to 90 %"
    )


def _cpu_table(net: SSD, table: LatencyTable) -> str:
    layers = list(dict.fromkeys(shapes(net).values()))
    lines = [f"{'layer':<44} {'MMAC':>7} {'ms':>7} {'step':>4}"]
    lines += [f"{_row(s)} {table.ms(s):>7.3f} {table.step(s):>4}" for s in layers]
    lines += [
        f"{c.name}: predicted {c.predicted:.2f} ms, measured {c.measured:.2f} ms "
        f"({c.predicted / c.measured - 1:+.1%})"
        for c in table.checks
    ]
    return "\n".join(lines)


def _myriad_table(net: SSD) -> str:
    layers = shapes(net)
    lines = [f"{'layer':<44} {'MMAC':>7} {'cost':>10} {'stages':>6} {'step':>4}"]
    for shape in dict.fromkeys(layers.values()):
        one = cost(shape)
        lines.append(f"{_row(shape)} {one.cost:>10} {one.stages:>6} {MyriadTable().step(shape):>4}")
    whole = total(layers)
    lines.append(f"the network: cost {whole.cost}, {whole.stages} stages; no time was measured")
    return "\n".join(lines)


def _row(shape: Shape) -> str:
    return f"{shape!s:<44} {macs(shape) / 1e6:>7.1f}"
