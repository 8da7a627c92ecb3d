"""A simulated Pi camera: packages `picamera2` and `libcamera` that obey a script on the disk.

`camera_worker` runs unchanged under a shell script that puts these packages on the path of the
test's own Python. The test changes the orders while pictures flow; each picture shows its time.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import SourceConfig
from edge.types import Image

_PICAMERA2 = Path(__file__).with_name("fake_picamera2.py")

SIZE = (64, 48)
FPS = 60.0

ORDERS: dict[str, Any] = {
    "cameras": ["imx219"],
    "busy": False,
    "rate": 200.0,  # pictures per second at most
    "format": None,  # what the camera gives instead of what is asked
    "padding": 0,  # bytes at the end of each row
    "repeating": False,  # one picture again and again
    "untold": [],  # keys that its metadata lacks
    "sensor": [3280, 2464],
    "controls": ["FrameDurationLimits", "ExposureTime", "AnalogueGain"],
    # How import, numpy (which it imports), open, modes, configure, start, capture and stop fail:
    # "block" for ever, "crash", or the words of an error.
    "fail": {},
}


@dataclass(frozen=True)
class PiCamera:
    """A camera in a folder of its own."""

    folder: Path

    @classmethod
    def build(cls, folder: Path, **orders: object) -> PiCamera:
        """Write the packages and the interpreter that finds them."""
        packages = folder / "packages"
        about = packages / "picamera2-0.3.31.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: picamera2\nVersion: 0.3.31\n")
        (packages / "picamera2.py").write_text(_PICAMERA2.read_text())
        (packages / "libcamera.py").write_text(_LIBCAMERA)
        camera = cls(folder)
        places = (
            f"PYTHONPATH={shlex.quote(str(packages))} ORDERS={shlex.quote(str(camera._orders))}"
        )
        command = f'#!/bin/sh\n{places} exec {shlex.quote(sys.executable)} "$@"\n'
        camera.python.write_text(command)
        camera.python.chmod(0o755)
        camera.order(**orders)
        return camera

    @property
    def python(self) -> Path:
        """The interpreter that has Picamera2."""
        return self.folder / "python3"

    @property
    def _orders(self) -> Path:
        return self.folder / "orders.json"

    def order(self, **orders: object) -> None:
        """Behave so from now on; what is not named, as at first."""
        assert orders.keys() <= ORDERS.keys()
        new = self._orders.with_suffix(".new")
        new.write_text(json.dumps({**ORDERS, **orders}))
        new.replace(self._orders)

    def asked(self) -> Any:
        """What the camera was last configured with."""
        return json.loads(self._orders.with_name("orders.json.asked").read_text())

    def settings(self, **keys: Any) -> SourceConfig:
        """A `[source]` that leads here."""
        size = {"width": SIZE[0], "height": SIZE[1]}
        return SourceConfig(
            **{"uri": "picamera2:", "camera_python": self.python, "fps": FPS, **size, **keys}
        )


def taken(image: Image) -> float:
    """The monotonic second that an upright picture shows."""
    return int.from_bytes(image[0, :2].tobytes(), "little") / 1e6


_LIBCAMERA = """\
class CameraManager:
    version = "v0.5.2"

    @classmethod
    def singleton(cls):
        return cls()
"""
