"""A live camera that OpenCV reads: USB and network cameras."""

from __future__ import annotations

from collections.abc import Generator

import cv2

from edge.source.base import Clock
from edge.source.capture import Capture, stated_fps
from edge.source.newest import NewestSource
from edge.types import Frame, Image

STALL = 10.0  # seconds without a picture
_FPS = 30.0  # where a camera does not tell


class CameraSource(NewestSource):
    """Frames of a capture that is open.

    Frames are counted as they come, dropped ones too: a gap shows in `index`.

    Args:
        name: of the camera, without a password.
        capture: taken over; released at the end.
        clock: gives each picture its times.
        stall: seconds to wait for a picture.

    Raises:
        SourceError: no first picture comes.
    """

    def __init__(self, name: str, capture: Capture, clock: Clock, *, stall: float = STALL) -> None:
        fps = stated_fps(capture) or _FPS
        super().__init__(name, _frames(capture, clock), fps, stall=stall)


def _frames(capture: Capture, clock: Clock) -> Generator[Frame]:
    index = 0
    try:
        while (image := _read(capture)) is not None:
            yield Frame(image, index, clock.monotonic(), clock.utc())
            index += 1
    finally:
        capture.release()


def _read(capture: Capture) -> Image | None:
    try:
        good, image = capture.read()
    except cv2.error:  # some cameras, when they are pulled out
        return None
    return image if good else None
