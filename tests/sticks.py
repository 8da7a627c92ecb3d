"""A simulated stick, its USB port and its interpreter; a bundle that it and the CPU can run.

The picture of frame n is black but for one quarter, whose blue tells n. The one detection in it
tells by its score which frame was looked at, and by its height who looked.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle
from edge.detector.ncs import StickDetector, open_stick
from edge.detector.stick_link import Patience
from edge.restarts import RestartRule
from edge.types import Frame, Sighting
from tests.test_detector import SSD, blue_graph, make

FAKE = Path(__file__).with_name("fake_openvino.py")
SCORE = 0.3
COLOURS = 150  # frames that can be told from each other

# Failures are many in these tests, and time is short.
QUICK = Patience(
    answer=1.0, start=5.0, look=0.02, gone=0.2, ready=3.0,
    rule=RestartRule(limit=4, window_s=60.0, first_s=0.02, most_s=0.1, rest_s=60.0),
)  # fmt: skip

CALM = replace(QUICK, answer=20.0, start=60.0, ready=20.0)  # where nothing is to fail


class FakeStick:
    """A stick that is plugged in and well, until told otherwise.

    Attributes:
        python: its interpreter.
        root: of the file system that has its USB port.
    """

    def __init__(self, folder: Path) -> None:
        self.python = folder / "python"
        self.root = folder / "root"
        self.home = folder / "stick"
        package = self.home / "openvino"
        package.mkdir(parents=True)
        shutil.copy(FAKE, package / "__init__.py")
        (package / "preprocess.py").write_text("from openvino import PrePostProcessor\n")
        script(self.python, f'PYTHONPATH={self.home} exec {sys.executable} "$@"')
        self._script = {
            "listed": True, "boot_s": 0.0, "ms": 1.0, "drift_ms": 0.0, "always": "",
            "outputs": [["loc", [1, 4, 4]], ["conf", [1, 4, 2]]],
        }  # fmt: skip
        self.plug()

    @property
    def boots(self) -> int:
        """How often it was booted."""
        path = self.home / "boots"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def behave(self, **script: object) -> None:
        """Change how it is; takes effect at once."""
        self._script.update(script)
        beside = self.home / "script.new"
        beside.write_text(json.dumps(self._script))
        beside.replace(self.home / "script.json")

    def fault(self, kind: str) -> None:
        """Let one thing go wrong; see `fake_openvino.fired`."""
        beside = self.home / "fault.new"
        beside.write_text(kind)
        beside.replace(self.home / "fault")

    def plug(self, product: str = "2485") -> None:
        """Plug it in."""
        port = self.root / "sys/bus/usb/devices/1-1.2"
        port.mkdir(parents=True, exist_ok=True)
        told = {"idVendor": "03e7", "idProduct": product, "busnum": "1", "devnum": "4"}
        for name, text in {**told, "speed": "480"}.items():
            (port / name).write_text(f"{text}\n")
        node = self.root / "dev/bus/usb/001/004"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        self.behave(listed=True)

    def unplug(self) -> None:
        """Pull it out."""
        self.behave(listed=False)
        shutil.rmtree(self.root / "sys/bus/usb/devices/1-1.2", ignore_errors=True)

    def mend(self) -> None:
        """Plug it in, well and fast; no fault waits any more."""
        (self.home / "fault").unlink(missing_ok=True)
        self.behave(ms=1.0, drift_ms=0.0, always="")
        self.plug()

    def open(self, bundle: Bundle, patience: Patience = CALM) -> StickDetector:
        """A detector on it."""
        settings = DetectorConfig(device="MYRIAD", ncs_python=self.python, threads=1)
        return open_stick(bundle, settings, SCORE, patience=patience, root=self.root)


def script(path: Path, text: str) -> Path:
    """A program of the shell."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def tiny(folder: Path) -> Bundle:
    """A bundle whose network the simulated stick knows."""
    return make(folder, SSD, blue_graph())


def frame(index: int) -> Frame:
    """The picture of a frame; see above."""
    image = np.zeros((32, 32, 3), np.uint8)
    row, column = divmod(index % 4, 2)
    image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16, 0] = _colour(index)
    return Frame(image, index, index / 10)


def _colour(index: int) -> int:
    return 255 - index % COLOURS


@dataclass(frozen=True)
class Look:
    """Which frame was looked at, by whom, and when."""

    index: int
    by: str  # stick or cpu
    at: float  # monotonic seconds
    device: str
    fallback: bool


def read(sighting: Sighting, detector: StickDetector) -> Look:
    """What a sighting tells; that it is of its own frame is checked."""
    index = sighting.frame.index
    (box,) = sighting.detections.boxes
    (score,) = sighting.detections.scores
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2

    assert (index % 4, _colour(index)) == (2 * (y > 0.5) + (x > 0.5), round(255 * float(score)))
    height = float(box[3] - box[1])
    by = "cpu" if abs(height - 12 / 32) < 1e-3 else "stick"
    return Look(index, by, time.monotonic(), detector.device, detector.fallback)


def looks(
    detector: StickDetector,
    events: dict[int, Callable[[], object]],
    *,
    until: Callable[[list[Look]], bool],
    pace: float = 0.005,
    most: float = 20.0,
) -> list[Look]:
    """Feed frames until a condition holds or `most` seconds are over; each is seen once, in order.

    Args:
        detector: looks at them.
        events: what happens before the frame of an index is taken.
        until: is asked after each look.
        pace: seconds between two frames.
        most: seconds.
    """
    seen: list[Look] = []
    ends = time.monotonic() + most
    enough = False

    def frames() -> Iterator[Frame]:
        index = 0
        while not enough and time.monotonic() < ends:
            events.get(index, lambda: None)()
            yield frame(index)
            index += 1
            time.sleep(pace)

    for sighting in detector.detect(frames()):
        seen.append(read(sighting, detector))
        enough = enough or until(seen)

    assert list(range(len(seen))) == [look.index for look in seen]
    assert enough, f"not in {most:g} s; last: {seen[-1] if seen else None}"
    return seen


def who(seen: Iterable[Look]) -> list[str]:
    """Who looked, each named once a turn."""
    turns: list[str] = []
    for look in seen:
        if not turns or turns[-1] != look.by:
            turns.append(look.by)
    return turns
