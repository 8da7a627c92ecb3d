"""What every detector is: frames in, sightings out, in order, each frame exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Self

from edge.types import Frame, Sighting


class Detector(ABC):
    """Finds heads or bodies.

    Attributes:
        device: what runs it, for people; of one that falls back, what runs it now.
        fallback: whether that stands in for the device that was asked for, and why is in `device`.
    """

    device: str
    fallback: bool = False

    @abstractmethod
    def detect(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        """Look at each frame.

        The next frame is taken and handed to the device before a sighting is given, so that
        decoding, inference and counting overlap: a sighting is one frame late, or a few where the
        detector was opened for a recording.

        Raises:
            DetectorError: the device broke; it is not mended here.
        """

    def close(self) -> None:  # noqa: B027 - an in-process device goes with the object
        """Let go of the device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
