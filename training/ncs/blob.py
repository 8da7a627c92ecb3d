"""The file that a Movidius stick is loaded with, read as far as its figures: bytes in, record out.

    0     52            132 ...    stages                                     weights
    | ELF | 20 x uint32  | inputs, outputs | length, kind, SHAVEs, ... | ... | constants |

All numbers are little-endian. What the stages do is left to the stick.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import BundleError

_HEADER = struct.Struct("<20I")
_HEADER_AT = 52  # bytes; an ELF header without content stands before it
_STAGE = struct.Struct("<3I")
_MAGIC = 9709
_VERSION = 6  # of OpenVINO 2020 to 2022
_HARDWARE = 38  # kind of a stage that the convolution engine runs; others run on SHAVEs or as DMA


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """The figures of a compiled network.

    Args:
        size: bytes of the whole file; it lies in the stick's memory.
        stages: steps of one inference.
        hardware_stages: of them, those that the convolution engine runs.
        input_bytes: what goes to the stick for one picture.
        output_bytes: what comes back.
        memory: bytes for what layers hand to each other.
        cmx_slices: of 128 KiB of fast memory.
        shaves: vector processors.
    """

    size: int
    stages: int
    hardware_stages: int
    input_bytes: int
    output_bytes: int
    memory: int
    cmx_slices: int
    shaves: int


def read_blob(content: bytes) -> BlobInfo:
    """Read the figures of a blob.

    Raises:
        BundleError: it is cut, or no blob of this version.
    """
    if len(content) < _HEADER_AT + _HEADER.size:
        raise BundleError(f"a blob of {len(content)} bytes is cut within its header; {_AGAIN}")
    fields = _HEADER.unpack_from(content, _HEADER_AT)
    magic, size, version, _, _, _, stages, inputs, outputs, _, memory, slices, shaves = fields[:13]
    if magic != _MAGIC or version != _VERSION:
        raise BundleError(
            f"no blob for a Movidius stick: magic number {magic}, version {version}, where "
            f"{_MAGIC} and {_VERSION} are known; {_AGAIN}"
        )
    if len(content) != size:
        raise BundleError(f"a blob of {len(content)} bytes, its header tells {size}; {_AGAIN}")
    kinds = list(_kinds(content, fields[18], stages))
    return BlobInfo(size, stages, kinds.count(_HARDWARE), inputs, outputs, memory, slices, shaves)


_AGAIN = "compile it again"


def _kinds(content: bytes, begin: int, count: int) -> Iterator[int]:
    """Kind of each stage, one after the other from byte `begin`."""
    for number in range(count):
        if begin + _STAGE.size > len(content):
            raise BundleError(f"a blob of {count} stages ends before stage {number}; {_AGAIN}")
        length, kind, _ = _STAGE.unpack_from(content, begin)
        if length < _STAGE.size:
            raise BundleError(f"stage {number} of a blob has {length} bytes; {_AGAIN}")
        yield kind
        begin += length
