"""A network camera: `rtsp://…`, over TCP so that no part of a picture is lost."""

from __future__ import annotations

import re

import cv2

from edge.config import SourceConfig
from edge.errors import SourceError
from edge.source.base import Clock
from edge.source.camera import STALL, CameraSource
from edge.source.capture import open_capture


def open_rtsp(settings: SourceConfig, clock: Clock, *, stall: float = STALL) -> CameraSource:
    """Open a network camera.

    Raises:
        SourceError: it does not answer, refuses, or gives no pictures.
    """
    limit = round(1000 * stall)
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
    capture = open_capture(settings.uri, cv2.CAP_FFMPEG, options)
    name = without_password(settings.uri)
    if capture is None:
        raise SourceError(
            f"{name}: the camera does not answer or refuses; check address, user and password, "
            "and that the camera is on"
        )
    return CameraSource(name, capture, clock, stall=stall)


def without_password(uri: str) -> str:
    """An address that can be shown."""
    return re.sub(r"//.*@", "//", uri, count=1)
