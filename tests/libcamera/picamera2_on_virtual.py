"""Stands in the path before the real Picamera2, loads it, and fits it to the virtual camera.

That camera has no raw stream, gives NV12 alone, and there may be no DMA heap for its pictures: so
Picamera2 is told of one mode, asked for NV12, and given plain memory. What is between those, from
the library's import to a request's metadata, is Picamera2's and libcamera's own.
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from unittest.mock import MagicMock

import libcamera
import numpy as np

sys.path.remove(str(Path(__file__).parent))
del sys.modules["picamera2"]
# For previews, encoders and files of pictures, none of which is used.
for unused in (
    "pykms", "simplejpeg", "piexif", "pidng", "pidng.camdefs", "pidng.core", "videodev2", "av",
    "OpenEXR", "libarchive", "prctl",
):  # fmt: skip
    sys.modules.setdefault(unused, MagicMock())

import picamera2  # noqa: E402
from picamera2.allocators import Allocator  # noqa: E402


class Memory(Allocator):
    """Picture buffers in plain memory: two planes, Y and UV."""

    def __init__(self):
        self.mapped_buffers = {}
        self.streams = {}
        self.sync = Still

    def allocate(self, configuration, _use_case):
        for part in configuration:
            pixels = part.size.width * part.size.height
            self.streams[part.stream] = [self._buffer(pixels) for _ in range(part.buffer_count)]

    def buffers(self, stream):
        return self.streams[stream]

    def _buffer(self, pixels):
        file = os.memfd_create("picture")
        os.ftruncate(file, pixels * 3 // 2)
        planes = []
        for offset, length in ((0, pixels), (pixels, pixels // 2)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = file, offset, length
            planes.append(plane)
        buffer = libcamera.FrameBuffer(planes)
        self.mapped_buffers[buffer] = mmap.mmap(file, pixels * 3 // 2)
        return buffer


class Still:
    """Memory that needs no synchronising."""

    def __init__(self, allocator, buffer, write):
        self.memory = allocator.mapped_buffers[buffer]

    def __enter__(self):
        return self.memory

    def __exit__(self, *_):
        pass


class VirtualCamera(picamera2.Picamera2):
    sensor_modes = ({"format": "NV12"},)  # as Picamera2 has it for a camera without a raw stream

    def __init__(self, number):
        super().__init__(number, allocator=Memory())

    def _get_raw_modes(self):
        return [{"format": "NV12", "size": (640, 480)}]

    def create_video_configuration(self, main=None, **wanted):
        return super().create_video_configuration({**(main or {}), "format": "NV12"}, **wanted)

    def camera_configuration(self):
        given = super().camera_configuration()
        stride = 3 * given["main"]["size"][0]
        return {**given, "main": {**given["main"], "format": "RGB888", "stride": stride}}


class GreyArray(picamera2.MappedArray):
    """The Y plane of a picture in three colours."""

    @property
    def array(self):
        whole = super().array
        return np.repeat(whole[: 2 * len(whole) // 3], 3)


picamera2.Picamera2, picamera2.MappedArray = VirtualCamera, GreyArray
