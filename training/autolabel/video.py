"""A recording as numbered pictures; nothing but the picture at hand is kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.errors import DataError
from edge.types import Frame

SLOWEST = 8.0  # frames/s that following a person through a doorway needs


@dataclass(frozen=True, slots=True)
class Video:
    """A file that was read to its end once. Every `stride`-th picture is looked at."""

    path: Path
    fps: float
    count: int
    size: tuple[int, int]  # width, height
    stride: int

    @property
    def clip(self) -> str:
        """By what its pictures are called."""
        return "".join(c if c.isalnum() else "_" for c in self.path.stem)

    @property
    def sha256(self) -> str:
        """Of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def frames(self, every: int | None = None) -> Iterator[Frame]:
        """Pictures 0, every, 2 * every, ...; `every` is the stride unless given."""
        step = self.stride if every is None else every
        for index, image in enumerate(_decode(self.path)):
            if index % step == 0:
                yield Frame(image, index, index / self.fps)


def open_video(path: Path) -> Video:
    """Look a recording through: how long, how large, how fast.

    Raises:
        DataError: it is no video, or one without pictures.
    """
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    count, size = 0, (0, 0)
    for image in _decode(path):  # what a file says of its length is often wrong
        count, size = count + 1, (image.shape[1], image.shape[0])
    if not count:
        raise DataError(f"{path}: cannot be decoded as a video; does `ffprobe` know it?")
    if not (math.isfinite(fps) and 1 <= fps <= 240):
        raise DataError(f"{path}: says it has {fps:g} frames/s; write it anew with a true rate")
    return Video(path, fps, count, size, max(1, int(fps / SLOWEST)))


def _decode(path: Path) -> Iterator[np.ndarray]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            good, image = capture.read()
            if not good:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()
