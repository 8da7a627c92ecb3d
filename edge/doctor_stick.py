"""What `headcount doctor` asks about a Movidius stick: from its USB port to a picture looked at.

Each check is a name and a look, as `edge.doctor` takes them; all are cheap but the last, which
boots the stick.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, family
from edge.detector import AUTO, STICK
from edge.detector.ncs import find_python
from edge.detector.stick import Stick, find_sticks
from edge.detector.stick_link import StickError, StickLink, introduce
from edge.machine import Machine

RULE = "97-headcount-ncs.rules"

_RULES = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_PICTURES = 10
_USB2 = 480  # Mbit/s
_POLL_S = 0.05
_INSTALL = "mend: run deploy/install-ncs.sh"
_POWER = "mend: a supply of 5.1 V and 3 A, and for the stick a hub with a supply of its own"

Verdict = tuple[bool, str]  # whether it is well, and what was seen
Check = tuple[str, Callable[[], Verdict]]


def stick_checks(
    settings: DetectorConfig,
    bundle: Callable[[], Bundle],
    *,
    root: Path | None = None,
    machine: Machine | None = None,
) -> Iterator[Check]:
    """What to look at; next to nothing where there is no stick and none is asked for.

    Args:
        settings: device, and perhaps the interpreter.
        bundle: reads and judges the model bundle.
        root: of the file system.
        machine: tells of its power supply.
    """
    sticks = find_sticks(root)
    if not sticks and family(settings.device) != STICK:
        if settings.device == AUTO:
            yield "stick", lambda: (True, "none on USB, so the CPU looks at the pictures")
        return
    yield "stick", lambda: _on_usb(sticks)
    yield "power", lambda: _power(machine or Machine())
    if sticks:
        yield "access", lambda: _access(sticks, Path("/") if root is None else root)
    python = find_python(settings)
    yield "runtime", lambda: _runtime(python, sticks)
    if sticks and python is not None:
        yield "inference", lambda: _inference(python, bundle(), settings.device)


def _on_usb(sticks: Sequence[Stick]) -> Verdict:
    if not sticks:
        return False, f"none on USB; mend: plug it in; if it is, {_POWER.removeprefix('mend: ')}"
    slow = any(stick.speed is not None and stick.speed < _USB2 for stick in sticks)
    seen = ", ".join(f"{stick.kind}, 03e7:{stick.product}{_speed(stick)}" for stick in sticks)
    return not slow, f"{seen}; mend: another cable or port" if slow else seen


def _speed(stick: Stick) -> str:
    if stick.speed is None:
        return ""
    return f" at {stick.speed} Mbit/s (USB {2 if stick.speed <= _USB2 else 3})"


def _power(machine: Machine) -> Verdict:
    told = machine.throttled()
    if told is None:
        return True, "not known, as this is no Raspberry Pi"
    low = [flag for flag in told if flag.startswith("under-voltage")]
    return not low, f"{', '.join(low)}; {_POWER}" if low else "no under-voltage since boot"


def _access(sticks: Sequence[Stick], root: Path) -> Verdict:
    """Whether the stick can be opened now, and once it has booted as another device."""
    for stick in sticks:
        if not stick.node.exists():
            return False, f"{stick.node} is not there; mend: give the container /dev/bus/usb"
        if not os.access(stick.node, os.R_OK | os.W_OK):
            return False, (
                f"{stick.node} cannot be opened by this user; {_INSTALL}, and "
                "sudo usermod -aG video $USER; then log in again"
            )
    if not any((root / folder / RULE).exists() for folder in _RULES):
        return False, f"{RULE} is not installed, the stick may be lost when it boots; {_INSTALL}"
    return True, f"{', '.join(str(stick.node) for stick in sticks)} can be opened, {RULE} is there"


def _runtime(python: Path | None, sticks: Sequence[Stick]) -> Verdict:
    if python is None:
        return False, f"no Python whose OpenVINO knows {STICK}; {_INSTALL}"
    try:
        hello = introduce(python)
    except StickError as error:
        return False, f"{error}; {_INSTALL} again"
    devices = ", ".join(hello["devices"])
    seen = f"OpenVINO {hello['runtime']} ({devices}) under Python {hello['python']}"
    if STICK in map(family, hello["devices"]) or not sticks:
        return True, seen
    if any(stick.booted for stick in sticks):
        return False, (
            f"{seen} does not see the stick, which another program has booted; "
            "mend: sudo systemctl stop headcount; or pull the stick out and plug it in again"
        )
    return False, f"{seen} does not see the stick; {_INSTALL} again, it tells what is missing"


def _inference(python: Path, bundle: Bundle, device: str) -> Verdict:
    size = bundle.manifest.input
    picture = np.zeros((size.height, size.width, 3), np.uint8)
    link = StickLink(python, bundle, device if family(device) == STICK else STICK)
    begun = time.monotonic()
    try:
        while not link.advance():
            if link.failed:
                return False, f"{link.trouble}; mend: pull the stick out and plug it in again"
            time.sleep(_POLL_S)
        ready = time.monotonic() - begun
        times = []
        for _ in range(_PICTURES):
            link.send(picture)
            times.append(link.receive()[1])
    except StickError as error:
        return False, f"{error}; mend: pull the stick out and plug it in again"
    finally:
        link.close()
    return True, f"{statistics.median(times):.1f} ms a picture, ready after {ready:.1f} s"
