"""A live source: the newest picture wins.

A thread takes every picture as it comes and keeps only the last, so that a slow consumer sees
the present and not a growing past. Where pictures come from is left to an iterator; a source that
stalls is an error, not a thing to mend here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator

from edge.errors import SourceError
from edge.source.base import Source
from edge.types import Frame

_CLOSING_S = 2.5  # a thread that hangs longer is left behind; it ends with us


class NewestSource(Source):
    """The newest of the frames that come.

    Args:
        name: of the camera, without a password.
        frames: every frame as it comes; closed at the end. A SourceError that ends it is given to
            the consumer after the last frame.
        fps: as the camera states it.
        stall: seconds to wait for a frame.
        stop: asks `frames` to end, from any thread; nothing where it cannot be asked.

    Raises:
        SourceError: no first frame comes.
    """

    live = True

    def __init__(
        self,
        name: str,
        frames: Generator[Frame],
        fps: float,
        *,
        stall: float,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.fps = fps
        self._frames = frames
        self._stall = stall
        self._stop = stop
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False  # no more frames will come
        self._closed = False  # and none are wanted
        self._error: SourceError | None = None  # why they ended
        self._thread = threading.Thread(target=self._take_all, name=f"camera {name}", daemon=True)
        self._thread.start()
        self.size = self._wait_for_first()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """Stop; frames that hang are left behind with their thread, which ends with us."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._stop()
        self._thread.join(timeout=_CLOSING_S)

    def _wait_for_first(self) -> tuple[int, int]:
        try:
            self._wait()
        except BaseException:  # an interruption, too, leaves nothing behind
            self.close()
            raise
        assert self._newest is not None
        rows, columns = self._newest.image.shape[:2]
        return columns, rows

    def _take(self) -> Frame | None:
        """The newest frame, as soon as there is one; None when closed."""
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
                advice = "check the camera, its cable and power"
                raise self._error or SourceError(f"{self.name}: {what}; {advice}")

    def _take_all(self) -> None:
        try:
            with contextlib.closing(self._frames) as frames:
                for frame in frames:
                    if self._put(frame):
                        return
        except SourceError as error:
            self._error = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _put(self, frame: Frame) -> bool:
        """Keep a frame instead of the last; whether no more are wanted."""
        with self._news:
            self.dropped += self._newest is not None
            self._newest = frame
            self._news.notify_all()
            return self._closed
