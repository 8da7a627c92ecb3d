"""A video file: every frame, at its own time, as often as asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2

from edge.config import SourceConfig
from edge.errors import SourceError
from edge.source.base import Clock, Source, paced
from edge.source.capture import Capture, open_capture, stated_fps
from edge.types import Frame, Image

_log = logging.getLogger(__name__)

_FPS = 25.0  # where a file does not tell
_WHOLE = 0.95  # share of the stated frames below which a file looks cut; containers only estimate


class FileSource(Source):
    """The frames of a video, with t = index / fps.

    Args:
        settings: its uri is the path; `fps` overrides the file's own.
        clock: plays the file at its own rate by this clock; None gives frames as fast as taken.

    Raises:
        SourceError: there is no such file, or no picture of it can be decoded.
    """

    def __init__(self, settings: SourceConfig, clock: Clock | None = None) -> None:
        self.name = settings.uri
        self._path = Path(settings.uri)
        self._loop = settings.loop
        self._clock = clock
        capture = self._open()
        first = _next_image(capture)
        stated, self._frames = stated_fps(capture), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if first is None:
            raise self._no_video()
        self.size = first.shape[1], first.shape[0]
        self.frames = self._frames if self._frames > 0 and not self._loop else None
        if stated is None and settings.fps is None:
            _log.warning("%s: states no rate; %g frames/s assumed", self.name, _FPS)
        self.fps = settings.fps or stated or _FPS

    def __iter__(self) -> Iterator[Frame]:
        frames = (
            Frame(image, index, index / self.fps) for index, image in enumerate(self._images())
        )
        return frames if self._clock is None else paced(frames, self._clock)

    def _images(self) -> Iterator[Image]:
        while True:
            capture, count = self._open(), 0
            try:
                while (image := _next_image(capture)) is not None:
                    count += 1
                    yield image
            finally:
                capture.release()
            self._note_end(count)
            if not self._loop:
                return

    def _note_end(self, count: int) -> None:
        if count == 0:  # it could be read when it was opened
            raise self._no_video()
        if count < _WHOLE * self._frames:
            _log.warning(
                "%s: ends after %d of %d frames; is it cut or damaged?",
                self.name,
                count,
                self._frames,
            )

    def _open(self) -> Capture:
        if self._path.is_dir():
            raise SourceError(f"{self._path}: is a folder; give a video in it")
        if not self._path.exists():
            raise SourceError(f"{self._path}: no such video; check the path")
        capture = open_capture(str(self._path))
        if capture is None:
            raise self._no_video()
        return capture

    def _no_video(self) -> SourceError:
        return SourceError(
            f"{self._path}: does not decode; is it a whole video? convert it to MP4 (H.264)"
        )


def _next_image(capture: Capture) -> Image | None:
    good, image = capture.read()
    return image if good else None
