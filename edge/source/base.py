"""What every source of pictures is: a context manager that gives Frames, and a clock beside it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from edge.types import Frame


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)  # time.sleep reckons wrongly where libfaketime sets the clock


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of the machine, or of a test."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = _wait
    utc: Callable[[], datetime] = _utc_now


class Source(ABC):
    """Pictures in order.

    Attributes:
        name: the uri, without a password.
        fps: pictures per second as the source states it.
        size: (width, height) in pixels.
        live: pictures that are not taken are lost; else every picture is given.
        frames: how many there are, None where that is not known.
        dropped: pictures of a live source that nobody took in time.
    """

    name: str
    fps: float
    size: tuple[int, int]
    live: bool = False
    frames: int | None = None
    dropped: int = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Give the frames.

        Raises:
            SourceError: the source broke; it is not mended here.
        """

    def close(self) -> None:  # noqa: B027 - a file or scene holds nothing between iterations
        """Let go of the device or file; an iteration that waits ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def paced(frames: Iterable[Frame], clock: Clock) -> Iterator[Frame]:
    """Give each frame when it is due by its own time, with the wall clock of that moment.

    Frames that are late are given at once, and none is left out.
    """
    begun: float | None = None
    for frame in frames:
        now = clock.monotonic()
        begun = now - frame.t if begun is None else begun
        if begun + frame.t > now:
            clock.sleep(begun + frame.t - now)
        yield replace(frame, utc=clock.utc())
