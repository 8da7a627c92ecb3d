"""Tells what is wrong on this machine and what mends it.

Each check looks at one thing and says so in one line. It mends nothing itself, and opens what
the service opens, in the way in which the service does.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
import openvino

from edge.access import Access
from edge.config import Config, MqttConfig
from edge.contract.bundle import Bundle
from edge.detector import open_detector
from edge.doctor_camera import camera_checks, check_source
from edge.doctor_stick import stick_checks
from edge.errors import HeadcountError
from edge.mqtt import Connection
from edge.openvino_core import core
from edge.types import Frame

_FRAMES = 10  # of a test inference
_LOW_DISK_MB = 200

Verdict = tuple[bool, str]  # whether it is well, and what was seen


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw. `vital`: without it nothing can be counted."""

    check: str
    well: bool
    vital: bool
    seen: str
    mend: str = ""


def examine(
    config: Config, bundle: Callable[[], Bundle], picture: Path | None = None
) -> Iterator[Finding]:
    """Look at everything that counting needs, the cheapest first.

    Args:
        config: of the service; defaults where there is none yet.
        bundle: reads and judges the model bundle as the service does.
        picture: file for a picture of the source, with the lines on it; None keeps none.
    """
    yield _check("versions", _versions, vital=True)
    yield _check("lines", lambda: _lines(config), vital=True)
    yield _check("model", lambda: _model(bundle()), vital=True)
    for name, look in stick_checks(config.detector, bundle):
        yield _check(name, look, vital=False)
    yield _check("detector", lambda: _inference(config, bundle()), vital=True)
    for name, look in camera_checks(config.source):
        yield _check(name, look, vital=True)
    yield _check("source", lambda: check_source(config, picture), vital=True)
    yield _check("ledger", lambda: _ledger(config.ledger.path), vital=True)
    yield _check("disk", lambda: _disk(config.ledger.path), vital=False)
    yield _check("clock", _clock, vital=False)
    yield _check("broker", lambda: _broker(config.mqtt), vital=False)


def tell(findings: list[Finding], *, as_json: bool, out: TextIO) -> int:
    """Print the findings; 1 when counting is impossible, else 0."""
    if as_json:
        rows = [{name: getattr(f, name) for name in Finding.__slots__} for f in findings]
        print(json.dumps(rows), file=out)
    else:
        for finding in findings:
            mark = "ok  " if finding.well else ("FAIL" if finding.vital else "warn")
            print(f"{mark}  {finding.check:9} {finding.seen}", file=out)
            if finding.mend:
                print(f"      {'':9} mend: {finding.mend}", file=out)
    return int(any(finding.vital and not finding.well for finding in findings))


def _check(name: str, look: Callable[[], Verdict], *, vital: bool) -> Finding:
    try:
        well, seen = look()
    except HeadcountError as error:  # it says how to mend it
        what, _, mend = str(error).partition("; ")
        return Finding(name, False, vital, what, mend)
    what, _, mend = seen.partition("; mend: ")
    return Finding(name, well, vital, what, mend)


def _versions() -> Verdict:
    python = ".".join(map(str, sys.version_info[:3]))
    devices = ", ".join(core().available_devices)
    return bool(devices), (
        f"Python {python}, OpenVINO {openvino.__version__.split('-')[0]} ({devices}), "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}"
    )


def _lines(config: Config) -> Verdict:
    names = ", ".join(line.name for line in config.lines)
    if not names:
        return False, "none; mend: add a [[line]] with a, b and in_side to the configuration"
    return True, names


def _model(bundle: Bundle) -> Verdict:
    manifest = bundle.manifest
    size = f"{manifest.input.width}x{manifest.input.height}"
    return True, f"{manifest.name} {manifest.version}, {size}, every file as listed"


def _inference(config: Config, bundle: Bundle) -> Verdict:
    size = bundle.manifest.input
    picture = np.zeros((size.height, size.width, 3), np.uint8)
    with open_detector(bundle, config.detector) as detector:
        frames = (Frame(picture, index, float(index)) for index in range(_FRAMES))
        times = [sighting.ms for sighting in detector.detect(frames)]
        return True, f"{statistics.median(times):.1f} ms a picture on {detector.device}"


def _ledger(path: Path) -> Verdict:
    """Whether its folder takes a durable write; the service may have the ledger itself open."""
    folder = path.absolute().parent
    mend = f"mend: make {folder} and let {_user()} write to it"
    if not folder.is_dir():
        return os.access(folder.parent, os.W_OK), f"{folder} is not there yet; {mend}"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"headcount")
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took = 1000 * (time.perf_counter() - begun)
    except OSError as error:
        return False, f"{folder} cannot be written: {error.strerror}; {mend}"
    return True, f"{folder} can be written, {took:.1f} ms until it is on the disk"


def _user() -> str:
    return os.environ.get("USER", f"user {os.getuid()}")


def _disk(path: Path) -> Verdict:
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 2**20
    if free < _LOW_DISK_MB:
        return False, f"{free} MB free at {folder}; mend: free at least {_LOW_DISK_MB} MB"
    return True, f"{free} MB free at {folder}"


def _clock() -> Verdict:
    if Path("/run/systemd/timesync/synchronized").exists():
        return True, "synchronised"
    return False, (
        f"not known to be synchronised, it says {time.strftime('%Y-%m-%d %H:%M %Z')}; "
        "mend: sudo timedatectl set-ntp true (counts keep their order without it)"
    )


def _broker(config: MqttConfig) -> Verdict:
    if not config.url:
        return False, "none is named, the counts stay here; mend: set [mqtt] url"
    access = Access.of_config(config)
    connection = Connection.open(access, f"headcount-doctor-{os.getpid()}")
    version = connection.version
    connection.close()
    return True, f"{access} answers, MQTT {version}"
