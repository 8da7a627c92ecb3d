"""What is priced and measured for each target, and that only a clock needs OpenVINO."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.training.prune.kit import network, random_plan
from training.device import MYRIAD, open_device
from training.profile.shapes import cost, macs, shapes
from training.profile.staircase import Step
from training.profile.table import LatencyTable, Lattice, Origin
from training.prune.surgery import apply
from training.prune.widths import layout

pytestmark = pytest.mark.training

NET = network()
SMALL = apply(NET, random_plan(NET, np.random.default_rng(0)))
ORIGIN = Origin("CPU", "a CPU", "2026.4", "f32", 1, "2026-01-31T12:00:00Z")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A device that takes a microsecond for each product of channels, in steps of eight."""
    axis = (1, 512)
    ms = tuple(tuple(i * o / 1000 for o in axis) for i in axis)
    maps = {shape.map for shape in shapes(NET).values()}
    lattices = tuple(Lattice(each, axis, axis, ms, Step(), Step(8)) for each in sorted(maps))
    LatencyTable(ORIGIN, 0.0, lattices).write(tmp_path / "profile.json")
    return tmp_path / "profile.json"


def test_multiply_accumulates_are_a_target(profile: Path) -> None:
    """They are price and measure; clusters are still the device's."""
    found = open_device(NET, layout(NET), str(profile), "macs")
    latency = open_device(NET, layout(NET), str(profile), "latency")

    assert found.price is macs
    assert cost(SMALL).macs / cost(NET).macs == found.measure(SMALL)
    assert found.cluster == latency.cluster
    assert {8} == set(found.cluster.values())


def test_the_profile_alone_can_predict(profile: Path) -> None:
    """Of the table's times the pruned network's share; the price is the table's."""
    found = open_device(NET, layout(NET), str(profile), "predicted")
    table = LatencyTable.read(profile)
    shape = next(iter(shapes(SMALL).values()))

    assert table.ms(shape) == found.price(shape)
    assert table.predict(shapes(SMALL)) / table.predict(shapes(NET)) == found.measure(SMALL)


def test_a_sticks_macs_are_a_target() -> None:
    """A stick's clusters go with the multiply-accumulates as its target, too."""
    found = open_device(NET, layout(NET), MYRIAD, "macs")

    assert cost(SMALL).macs / cost(NET).macs == found.measure(SMALL)


def test_pruning_by_a_profile_needs_no_openvino() -> None:
    """A host that trains for other devices can prune and fit without it."""
    code = (
        "import sys; sys.modules['openvino'] = None; "
        "import training.bench, training.pruning, training.reporting"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
