"""OpenCV's captures: opened without a word on stderr, so that our one line is the only one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import cv2

from edge.types import Image

# OpenCV hands this to FFmpeg with the first video of the process, read or written, and never
# again; therefore it stands here. Set it yourself to see FFmpeg's own words.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def read(self) -> tuple[bool, Image | None]:
        """The next picture, and whether there is one."""

    def get(self, prop: int) -> float:
        """A property, 0 where it is not known."""

    def release(self) -> None:
        """Let go of the file or device."""


def open_capture(
    what: str | int, backend: int = cv2.CAP_ANY, options: Sequence[int] = ()
) -> Capture | None:
    """Open a video, camera or stream; None where OpenCV cannot."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture: Any = cv2.VideoCapture(what, backend, list(options))
    if not capture.isOpened():
        capture.release()
        return None
    return capture  # type: ignore[no-any-return]


def stated_fps(capture: Capture) -> float | None:
    """The rate that a capture states, if it makes sense."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0.1 <= fps <= 1000 else None
