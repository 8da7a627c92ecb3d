"""What the doctor says of a stick: each fault where it is, with what mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.config import DetectorConfig
from edge.doctor_stick import RULE, stick_checks
from edge.machine import Machine
from tests.sticks import FakeStick, script, tiny


@pytest.fixture
def stick(tmp_path: Path) -> FakeStick:
    return FakeStick(tmp_path)


def findings(settings: DetectorConfig, stick: FakeStick, folder: Path) -> dict[str, Any]:
    """What the doctor says of the stick, by check."""
    bundle = tiny(folder)
    machine = Machine(stick.root, str(folder / "vcgencmd"))
    checks = stick_checks(settings, lambda: bundle, root=stick.root, machine=machine)
    return {name: look() for name, look in checks}


def rule(stick: FakeStick) -> None:
    path = stick.root / "etc/udev/rules.d" / RULE
    path.parent.mkdir(parents=True)
    path.touch()


def test_doctor_finds_a_stick_that_is_well(stick: FakeStick, tmp_path: Path) -> None:
    """Port, speed, power, node, runtime, and the time of a picture."""
    rule(stick)
    script(tmp_path / "vcgencmd", "echo throttled=0x0")
    told = findings(DetectorConfig(ncs_python=stick.python), stick, tmp_path)

    assert {"stick", "power", "access", "runtime", "inference"} == told.keys()
    assert all(well for well, _ in told.values()), told
    assert "Neural Compute Stick 2), 03e7:2485 at 480 Mbit/s (USB 2)" in told["stick"][1]
    assert "OpenVINO 2022.3.1 (CPU, MYRIAD) under Python 3" in told["runtime"][1]
    assert "ms a picture, ready after" in told["inference"][1]


def test_doctor_has_little_to_say_without_a_stick(stick: FakeStick, tmp_path: Path) -> None:
    """With `auto` one line, with another device none; with MYRIAD a stick is missed."""
    stick.unplug()
    settings = DetectorConfig(ncs_python=stick.python)
    auto, cpu, named = (
        findings(replace(settings, device=device), stick, tmp_path)
        for device in ("auto", "CPU", "MYRIAD")
    )

    assert {"stick": (True, "none on USB, so the CPU looks at the pictures")} == auto
    assert {} == cpu
    assert not named["stick"][0]
    assert "mend: plug it in" in named["stick"][1]
    assert named["runtime"][0]


def no_interpreter(stick: FakeStick, folder: Path) -> None:
    stick.python.unlink()


def no_node(stick: FakeStick, folder: Path) -> None:
    (stick.root / "dev/bus/usb/001/004").unlink()


def taken_by_another(stick: FakeStick, folder: Path) -> None:
    stick.plug("f63b")
    stick.behave(listed=False)


def not_listed(stick: FakeStick, folder: Path) -> None:
    stick.behave(listed=False)


def weak_supply(stick: FakeStick, folder: Path) -> None:
    script(folder / "vcgencmd", "echo throttled=0x50005")


def bad_cable(stick: FakeStick, folder: Path) -> None:
    (stick.root / "sys/bus/usb/devices/1-1.2/speed").write_text("12\n")


def broken(stick: FakeStick, folder: Path) -> None:
    stick.behave(always="boot fail")


@pytest.mark.parametrize(
    ("fault", "check", "mend"),
    [
        (no_interpreter, "runtime", "mend: run deploy/install-ncs.sh"),
        (no_node, "access", "mend: give the container /dev/bus/usb"),
        (lambda *_: None, "access", "install-ncs.sh"),
        (taken_by_another, "runtime", "mend: sudo systemctl stop headcount"),
        (not_listed, "runtime", "install-ncs.sh again"),
        (weak_supply, "power", "mend: a supply of 5.1 V"),
        (bad_cable, "stick", "mend: another cable"),
        (broken, "inference", "NC_ERROR; mend: pull the stick out"),
    ],
    ids=["python", "node", "no rule", "taken", "not listed", "power", "cable", "broken"],
)
def test_doctor_names_what_is_wrong(
    stick: FakeStick, tmp_path: Path, fault: Any, check: str, mend: str
) -> None:
    """Each fault is found where it is, with what mends it."""
    if check != "access":
        rule(stick)
    fault(stick, tmp_path)
    well, seen = findings(DetectorConfig(ncs_python=stick.python), stick, tmp_path)[check]

    assert not well
    assert mend in seen
    assert "\n" not in seen
