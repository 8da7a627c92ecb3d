"""Figures of a blob, read from bytes; what is cut or strange is told."""

from __future__ import annotations

import struct

import pytest

from edge.errors import BundleError
from training.ncs.blob import BlobInfo, read_blob

AT = 192  # where the stages of these blobs begin
HARDWARE, COPY = 38, 19


def blob(*kinds: int, magic: int = 9709, version: int = 6, length: int = 16) -> bytes:
    """A blob of stages without content: 2 inputs of 100 and 200 bytes, 3000 of memory."""
    stages = b"".join(struct.pack("<3I4x", length, kind, 1) for kind in kinds)
    size = AT + len(stages)
    counts = (1, 1, len(kinds), 100, 200, 1, 3000, 9, 7, 1, 1, 1)
    header = struct.pack("<20I", magic, size, version, 0, *counts, AT, AT, AT, size)
    return b"\x7felf".ljust(52, b"\0") + header.ljust(AT - 52, b"\0") + stages


def test_figures_of_a_blob() -> None:
    """Sizes, stages and those of them in hardware, memory, slices and SHAVEs."""
    content = blob(HARDWARE, COPY, HARDWARE)

    assert BlobInfo(len(content), 3, 2, 100, 200, 3000, 9, 7) == read_blob(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "0 bytes is cut within its header"),
        (blob(HARDWARE)[:131], "131 bytes is cut within its header"),
        (blob(HARDWARE, COPY)[:-1], "223 bytes, its header tells 224"),
        (blob(HARDWARE) + b"\0", "209 bytes, its header tells 208"),
        (blob(HARDWARE, magic=1), "magic number 1, version 6"),
        (blob(HARDWARE, version=5), "magic number 9709, version 5"),
        (blob(HARDWARE, length=0), "stage 0 of a blob has 0 bytes"),
        (blob(HARDWARE, COPY, length=32), "2 stages ends before stage 1"),
    ],
    ids=["empty", "header", "cut", "longer", "magic", "version", "no length", "stages"],
)
def test_a_damaged_blob_is_told(content: bytes, told: str) -> None:
    """One line that says what was found and what to do."""
    with pytest.raises(BundleError, match=f"{told}.*; compile it again"):
        read_blob(content)
