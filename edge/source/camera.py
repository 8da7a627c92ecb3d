"""A live camera: the newest picture wins.

A thread takes every picture as it comes and keeps only the last, so that a slow consumer sees
the present and not a growing past. A camera that stalls is an error, not a thing to mend here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2

from edge.errors import SourceError
from edge.source.base import Clock, Source
from edge.source.capture import Capture, stated_fps
from edge.types import Frame, Image

STALL = 10.0  # seconds without a picture
_FPS = 30.0  # where a camera does not tell


class CameraSource(Source):
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

    live = True

    def __init__(self, name: str, capture: Capture, clock: Clock, *, stall: float = STALL) -> None:
        self.name = name
        self.fps = stated_fps(capture) or _FPS
        self._capture = capture
        self._clock = clock
        self._stall = stall
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False  # no more pictures will come
        self._closed = False  # and none are wanted
        self._thread = threading.Thread(target=self._take_all, name=f"camera {name}", daemon=True)
        self._thread.start()
        self.size = self._wait_for_first()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """Stop; a capture that hangs is left behind with its thread, which ends with us."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join(timeout=2.0)

    def _wait_for_first(self) -> tuple[int, int]:
        try:
            self._wait()
        except SourceError:
            self.close()
            raise
        assert self._newest is not None
        rows, columns = self._newest.image.shape[:2]
        return columns, rows

    def _take(self) -> Frame | None:
        """The newest picture, as soon as there is one; None when closed."""
        self._wait()
        with self._news:
            frame, self._newest = self._newest, None
        return None if self._closed else frame

    def _wait(self) -> None:
        with self._news:
            here = self._news.wait_for(
                lambda: self._closed or self._ended or self._newest is not None, self._stall
            )
            if self._newest is None and not self._closed:
                what = "the pictures ended" if here else f"no picture for {self._stall:g} s"
                raise SourceError(f"{self.name}: {what}; check the camera, its cable and power")

    def _take_all(self) -> None:
        index = 0
        try:
            while not self._closed and (image := self._read()) is not None:
                frame = Frame(image, index, self._clock.monotonic(), self._clock.utc())
                index += 1
                with self._news:
                    self.dropped += self._newest is not None
                    self._newest = frame
                    self._news.notify_all()
        finally:
            self._capture.release()
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _read(self) -> Image | None:
        try:
            good, image = self._capture.read()
        except cv2.error:  # some cameras, when they are pulled out
            return None
        return image if good else None
