"""Health: measured where it can be, None where it cannot, never a made-up zero."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.contract.detections import Detections
from edge.contract.manifest import Manifest
from edge.detector import Detector
from edge.health import HealthMeter
from edge.machine import Machine
from edge.types import Frame, Sighting


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without anything."""
    return Machine(tmp_path / "root", str(tmp_path / "vcgencmd"))


def firmware(machine: Machine, script: str) -> Machine:
    program = Path(machine.vcgencmd)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return machine


def tell(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo throttled=0x0", ()),
        (
            "echo throttled=0x50005",
            ("under-voltage", "throttled", "under-voltage since boot", "throttled since boot"),
        ),
        ("echo throttled=0x80008", ("soft temperature limit", "soft temperature limit since boot")),
        ("echo VCHI initialization failed; exit 255", None),
        ("exit 1", None),
    ],
    ids=["fine", "weak supply", "hot", "no access", "fails"],
)
def test_throttling_is_told_in_words(machine: Machine, script: str, expected) -> None:
    """The firmware's bits become words; no answer is no answer."""
    assert expected == firmware(machine, script).throttled()


def test_what_is_not_there_is_unknown(machine: Machine) -> None:
    """No board, no thermal zone, no /proc: None."""
    assert (None, None, None) == (machine.throttled(), machine.temperature_c(), machine.rss_mb())


def test_the_warmest_zone_and_the_resident_memory(machine: Machine) -> None:
    """Of several zones the warmest counts; one that cannot be read counts not."""
    zones = machine.root / "sys/class/thermal"
    tell(zones / "thermal_zone0/temp", "41200\n")
    tell(zones / "thermal_zone1/temp", "63500\n")
    tell(zones / "thermal_zone2/temp", "")
    tell(machine.root / "proc/self/status", "Name:\tx\nVmRSS:\t  100000 kB\n")

    assert 63.5 == machine.temperature_c()
    assert 102.4 == machine.rss_mb()


def test_this_machine_knows_its_memory() -> None:
    """The real files are where they are looked for."""
    rss = Machine().rss_mb()

    assert rss is not None
    assert 5 < rss < 100_000


class Clock:
    """Monotonic seconds that pass when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def sighting(index: int, ms: float = 20.0) -> Sighting:
    return Sighting(Frame(np.zeros((2, 2, 3), np.uint8), index, 0.0), Detections.empty(), ms)


def model() -> Manifest:
    """Only its name and version are looked at."""
    manifest = object.__new__(Manifest)
    for field, value in {"name": "heads", "version": "1.2.0"}.items():
        object.__setattr__(manifest, field, value)
    return manifest


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Eye(Detector):
    """Looks at nothing; what runs it may change."""

    device = "CPU"

    def detect(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        yield from ()


@pytest.fixture
def eye() -> Eye:
    return Eye()


@pytest.fixture
def meter(machine: Machine, clock: Clock, eye: Eye, tmp_path: Path) -> HealthMeter:
    return HealthMeter(tmp_path / "ledger.db", eye, model(), machine=machine, clock=clock)


def test_before_the_first_picture_nothing_is_known(meter: HealthMeter) -> None:
    """No rate and no age, but who counts with what."""
    health = meter.snapshot()

    assert (None, None, None) == (health.fps, health.inference_ms, health.camera_age_s)
    assert ("CPU", "heads 1.2.0", 0) == (health.device, health.model, health.dropped)
    assert health.disk_free_mb is not None
    assert {"headcount", "python"} <= health.versions.keys()


def test_rate_age_and_gaps_of_the_pictures(meter: HealthMeter, clock: Clock) -> None:
    """Ten a second, the middle of their times, and three that were left out."""
    for number in range(200):
        clock.now += 0.1
        meter.note(
            sighting(number + (3 if number > 50 else 0), ms=30.0 if number % 3 else 10.0), clock.now
        )
    clock.now += 0.5
    health = meter.snapshot()

    assert (30.0, 3) == (health.inference_ms, health.dropped)
    assert pytest.approx(0.5) == health.camera_age_s
    assert pytest.approx(9.5, abs=0.3) == health.fps


def test_what_came_before_the_first_picture_is_dropped(meter: HealthMeter, clock: Clock) -> None:
    """A camera gives pictures while the detector is loaded; nobody looks at those."""
    meter.note(sighting(7), clock.now)
    meter.note(sighting(8), clock.now)

    assert 7 == meter.snapshot().dropped


def test_a_camera_that_stalls_ages_and_its_rate_falls_to_zero(
    meter: HealthMeter, clock: Clock
) -> None:
    """A stalled camera shows as an age that grows, not as the last good rate."""
    meter.note(sighting(0), clock.now)
    clock.now += 60
    health = meter.snapshot()

    assert (0.0, 60.0, None) == (health.fps, health.camera_age_s, health.inference_ms)


def test_who_looks_is_asked_each_time(meter: HealthMeter, eye: Eye) -> None:
    """A detector that falls back is told as such, and no longer once it is well."""
    told = [(meter.snapshot().device, meter.snapshot().detector)]
    eye.device, eye.fallback = "CPU (f32), the stick failed: X_LINK_ERROR", True
    told.append((meter.snapshot().device, meter.snapshot().detector))
    eye.device, eye.fallback = "MYRIAD (OpenVINO 2021.4.2)", False
    told.append((meter.snapshot().device, meter.snapshot().detector))

    assert told == [
        ("CPU", "ok"),
        ("CPU (f32), the stick failed: X_LINK_ERROR", "fallback"),
        ("MYRIAD (OpenVINO 2021.4.2)", "ok"),
    ]


def test_a_snapshot_cannot_be_changed(meter: HealthMeter) -> None:
    """It is handed to other threads."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        meter.snapshot().dropped = 1  # type: ignore[misc]
