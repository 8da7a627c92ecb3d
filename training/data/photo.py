"""A picture file: its bytes, its header, its pixels upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.errors import DataError
from edge.types import Image
from training.data.container import Header, check_whole, read_header

SUFFIXES = (".jpg", ".jpeg", ".png")

_HEAD = 1 << 18  # bytes that hold the header of nearly every file


def read_photo(path: Path) -> bytes:
    """The bytes of a picture file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def probe(path: Path) -> Header:
    """The header of a file, of which only the beginning is read.

    Raises:
        DataError: it cannot be read, or is neither JPEG nor PNG.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return read_header(head)
    except ValueError:
        pass  # perhaps a long preamble: the whole file decides
    try:
        return read_header(read_photo(path))
    except ValueError as error:
        raise DataError(f"{path}: cannot be decoded as a picture: {error}") from error


def decode(data: bytes) -> Image:
    """Pixels (h, w, 3) uint8 BGR, upright: 16 bits become 8, grey becomes BGR, alpha is dropped.

    Raises:
        ValueError: the file is damaged or cut off.
    """
    header = read_header(data)
    check_whole(data)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f"it does not decode: {str(error).splitlines()[0]}") from error
    if image is None:
        raise ValueError("it is damaged and does not decode")
    return turned(np.asarray(image, np.uint8), header.orientation)


def turned(image: Image, orientation: int) -> Image:
    """A stored picture as its EXIF orientation (1 to 8) wants it shown."""
    flipped = {2: image[:, ::-1], 3: image[::-1, ::-1], 4: image[::-1], 7: image[::-1, ::-1]}
    image = flipped.get(orientation, image)
    if orientation in (5, 7):
        image = image.transpose(1, 0, 2)
    elif orientation in (6, 8):
        image = np.rot90(image, -1 if orientation == 6 else 1)
    return np.ascontiguousarray(image)
