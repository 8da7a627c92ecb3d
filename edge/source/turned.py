"""Pictures of a camera that hangs on its side or head: turned upright.

Here and not in the camera, so that it is the same for every source; libcamera can turn by half a
turn at most, and not with every sensor. Only frames that somebody takes are turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2

from edge.source.base import Source
from edge.types import Frame

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class TurnedSource(Source):
    """The frames of another source, turned.

    Args:
        source: taken over; closed with this one.
        degrees: 90, 180 or 270, clockwise.
    """

    def __init__(self, source: Source, degrees: int) -> None:
        self._source = source
        self._turn = _TURNS[degrees]
        self.name, self.fps = source.name, source.fps
        self.live, self.frames, self.dropped = source.live, source.frames, source.dropped
        self.size = source.size if degrees == 180 else source.size[::-1]

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            self.dropped = self._source.dropped
            yield replace(frame, image=cv2.rotate(frame.image, self._turn))

    def close(self) -> None:
        """Close the other source."""
        self._source.close()
