"""The structure of JPEG and PNG files: what the header says, and whether all of the file is there.

OpenCV fills the missing half of a photo with grey and says nothing, so wholeness is judged here
before pixels are believed.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1
_BETWEEN_SCANS = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # in coded data 00 and restarts are none


@dataclass(frozen=True, slots=True)
class Header:
    """Stored width and height in pixels, bits a channel, EXIF orientation 1 to 8."""

    width: int
    height: int
    bits: int
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.width, self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as shown: orientations 5 to 8 lie on their side."""
        return self.stored if self.orientation < 5 else (self.height, self.width)


def read_header(data: bytes) -> Header:
    """What the first bytes of a JPEG or PNG say.

    Raises:
        ValueError: they are neither, or end too early.
    """
    if not data:
        raise ValueError("the file is empty")
    try:
        if data.startswith(_PNG):
            return _png_header(data)
        if data.startswith(b"\xff\xd8"):
            return _jpeg_header(data)
    except (struct.error, IndexError) as error:
        raise ValueError("its header is cut off") from error
    raise ValueError("it is neither JPEG nor PNG")


def check_whole(data: bytes) -> None:
    """Whether a picture file is all there, by its own structure.

    Raises:
        ValueError: it is cut off or damaged.
    """
    try:
        _check_whole(data)
    except (struct.error, IndexError) as error:
        raise ValueError("it is cut off within its header") from error


def _check_whole(data: bytes) -> None:
    if data.startswith(_PNG):
        if not any(kind == b"IEND" for kind, _ in _png_chunks(data, check=True)):
            raise ValueError("it is cut off: its end is missing")
    else:
        _check_scans(data)


def _check_scans(data: bytes) -> None:
    """Walk over the coded data of a JPEG to its end mark; a strange marker is damage."""
    position = next((at for code, at, _ in _jpeg_segments(data) if code == _SOS), None)
    while position is not None:
        position += struct.unpack_from(">H", data, position)[0]
        found = _MARKER.search(data, position)
        if found is None:
            break
        code = found[1][0]
        if code == _EOI:
            return
        if code not in _BETWEEN_SCANS:
            raise ValueError(f"it is damaged at byte {found.start()}")
        position = found.end() if found.end() + 2 <= len(data) else None
    raise ValueError("it is cut off: its end is missing")


def _png_chunks(data: bytes, check: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of a PNG's chunks as far as they are there."""
    position = len(_PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        kind, content = data[position + 4 : position + 8], data[position + 8 : end]
        if end + 4 > len(data):
            return
        if (
            check
            and zlib.crc32(content, zlib.crc32(kind)) != struct.unpack_from(">I", data, end)[0]
        ):
            raise ValueError(f"it is damaged at byte {position}")
        yield kind, content
        position = end + 4


def _png_header(data: bytes) -> Header:
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    orientation = 1
    for kind, content in _png_chunks(data):
        if kind == b"eXIf":
            orientation = _orientation(content)
        elif kind == b"IDAT":
            break
    return Header(width, height, bits, orientation)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, position of its length, content) up to the first scan."""
    position = 2
    while True:
        while data[position] == 0xFF:
            position += 1
        code = data[position]
        position += 1
        (length,) = struct.unpack_from(">H", data, position)
        yield code, position, data[position + 2 : position + length]
        if code == _SOS or length < 2:
            return
        position += length


def _jpeg_header(data: bytes) -> Header:
    orientation = 1
    for code, _, content in _jpeg_segments(data):
        if code == _APP1 and content.startswith(b"Exif\0\0"):
            orientation = _orientation(content[6:])
        elif code in _SOF:
            bits, height, width = struct.unpack_from(">BHH", content)
            return Header(width, height, bits, orientation)
    raise ValueError("it has no frame header")


def _orientation(tiff: bytes) -> int:
    """The orientation tag of an EXIF block; 1 where there is none or it makes no sense."""
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for k in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * k)
            if tag == 0x0112:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1  # a broken tag says nothing; the pixels are as stored
    return 1
