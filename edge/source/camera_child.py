"""A child that has the Pi's camera: started, greeted, its pictures taken, its faults told.

How long to wait for it, and when to start another, is left to `picamera`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from edge.config import SourceConfig
from edge.types import Image
from edge.worker import Message, Worker, WorkerError

BACKEND = Path(__file__).with_name("camera_worker.py")

LOOK = "check the camera's cable at both ends, then rpicam-hello --list-cameras"
_ANEW = "install headcount anew, so that all its files are of one version"


class CameraFault(Exception):  # noqa: N818 - it never leaves the source
    """Why there is no picture, and how to mend it. `busy`: another program has the camera."""

    def __init__(self, what: str, mend: str, *, busy: bool = False) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.busy = busy


class CameraChild:
    """A child under the system's Python. The thread that makes one must live as long.

    Args:
        name: of the camera, for messages.
        settings: what is asked of it.
        number: of the camera; None opens none, and all that comes is the hello.

    Raises:
        CameraFault: there is no such interpreter.
    """

    def __init__(self, name: str, settings: SourceConfig, number: int | None) -> None:
        options = {
            "number": number,
            "width": settings.width,
            "height": settings.height,
            "fps": settings.fps,
            "exposure": settings.exposure,
        }
        self._python = settings.camera_python
        self._name = name
        try:
            self._worker = Worker.start(name, self._python, BACKEND, options)
        except WorkerError as error:
            mend = "install python3, or name the Python that has Picamera2 in source.camera_python"
            raise CameraFault(self._told(error), mend) from error

    def greet(self, within: float) -> Mapping[str, Any]:
        """The hello: `picamera2`, `libcamera`, `python` (versions) and `cameras` (models).

        Raises:
            CameraFault: it does not come within so many seconds, or tells what is missing.
        """
        attempt = f"try {self._python} -c 'import picamera2'"
        try:
            message = self._worker.receive(within)
        except WorkerError as error:
            raise CameraFault(f"no hello: {self._told(error)}", attempt) from error
        self._refuse(message)
        try:
            return self._worker.accept(message)
        except WorkerError as error:
            raise CameraFault(self._told(error), _ANEW) from error

    def picture(self, within: float) -> tuple[Mapping[str, Any], Image]:
        """The next picture and what is known of it; see `camera_worker`.

        Raises:
            CameraFault: it does not come within so many seconds, or tells what is wrong.
        """
        try:
            message = self._worker.receive(max(within, 0.0))
        except WorkerError as error:
            raise CameraFault(f"no picture: {self._told(error)}", LOOK) from error
        self._refuse(message)
        width, height = message.head["size"]
        if len(message.payload) != 3 * width * height:
            raise CameraFault(f"{len(message.payload)} bytes for {width}x{height}", _ANEW)
        return message.head, message.payload.reshape(height, width, 3)

    def kill(self) -> None:
        """End it at once. Any thread may."""
        self._worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def _refuse(self, message: Message) -> None:
        """Raise what a child tells as its last word."""
        kind, what = message.head.get("error"), message.head.get("what")
        faults = {
            "missing": (
                f"{self._python} has no Picamera2 ({what})",
                "sudo apt install python3-picamera2, or name the Python that has it in "
                "source.camera_python",
            ),
            "broken": (
                f"{self._python} cannot load Picamera2 ({what})",
                "sudo apt install --reinstall python3-picamera2 python3-numpy, and take away a "
                "NumPy that pip put before the system's",
            ),
            "none": (
                f"no such camera ({what})",
                f"{LOOK}; or let this user see it (group video)",
            ),
            "busy": (
                f"another program uses the camera ({what})",
                "stop it; sudo fuser -v /dev/media* tells which, or headcount's own service",
            ),
            "format": (f"the camera gives {what}, not RGB", "use v4l2:N for a USB camera"),
            "control": (
                f"the camera has no {what}",
                "leave out source.fps and source.exposure, or use v4l2:N for a USB camera",
            ),
            "failed": (f"the camera fails ({what})", LOOK),
        }
        if kind is not None:
            raise CameraFault(*faults[kind], busy=kind == "busy")

    def _told(self, error: WorkerError) -> str:
        return str(error).removeprefix(f"{self._name}: ")
