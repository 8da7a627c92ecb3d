"""Shrunken pictures kept in files, by the content they were made from.

A file is named after the sha256 of the photo, the size and the version of this code: a photo
that changes, another size or another way of shrinking makes another entry, and nothing is ever
out of date. The folder may be removed at any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from edge.types import Image
from training.data.photo import decode

VERSION = 1  # of what is done to a photo; another number makes all entries anew

_HEAD = 16  # bytes: rows, columns, version, checksum of these and the pixels; little-endian uint32
_MOST = 1 << 28  # bytes that an entry may claim to hold


class ShrunkCache:
    """Decodes photos and shrinks them, or remembers what came of it."""

    def __init__(self, folder: Path | None, long_side: int) -> None:
        """Keep entries in a folder, made when needed; None keeps none."""
        self.folder = folder
        self.long_side = long_side

    def load(self, data: bytes) -> Image:
        """The photo (h, w, 3) uint8 BGR, upright, neither side above `long_side`.

        A folder that cannot be written is told of once, and then done without.

        Raises:
            ValueError: the bytes are no whole picture.
        """
        if self.folder is None:
            return shrink(decode(data), self.long_side)
        key = f"{hashlib.sha256(data).hexdigest()}-{self.long_side}-{VERSION}"
        path = self.folder / key[:2] / f"{key}.raw"
        kept = _read(path)
        if kept is not None:
            return kept
        image = shrink(decode(data), self.long_side)
        self._keep(path, image)
        return image

    def _keep(self, path: Path, image: Image) -> None:
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(_header(image))
                file.write(image.data)
            beside.replace(path)
        except OSError as error:
            print(f"{self.folder}: no more pictures are kept: {error.strerror}", file=sys.stderr)
            self.folder = None
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def shrink(image: Image, long_side: int) -> Image:
    """Scale a picture down so that no side is longer; a small one stays as it is."""
    scale = min(1.0, long_side / max(image.shape[:2]))
    if scale == 1:
        return image
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _header(image: Image) -> bytes:
    what = np.array([*image.shape[:2], VERSION], "<u4").tobytes()
    return what + zlib.crc32(image.data, zlib.crc32(what)).to_bytes(4, "little")


def _read(path: Path) -> Image | None:
    """The entry; None when there is none, or it is damaged."""
    try:
        with path.open("rb", buffering=0) as file:
            head = np.frombuffer(file.read(_HEAD), "<u4")
            if len(head) != _HEAD // 4 or 3 * int(head[0]) * int(head[1]) > _MOST:
                return None
            image = np.empty((int(head[0]), int(head[1]), 3), np.uint8)
            length = file.readinto(image.data.cast("B")) if image.size else 0
    except (OSError, ValueError):
        return None
    whole = length == image.nbytes > 0
    return image if whole and _header(image) == head.tobytes() else None
