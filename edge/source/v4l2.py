"""A USB camera of this machine: `v4l2:N`, or `v4l2:/dev/v4l/by-id/…` where numbers change."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from edge.config import SourceConfig
from edge.errors import CallError, SourceError
from edge.source.base import Clock
from edge.source.camera import CameraSource
from edge.source.capture import open_capture


def open_v4l2(settings: SourceConfig, clock: Clock) -> CameraSource:
    """Open a USB camera.

    Raises:
        CallError: the uri names none.
        SourceError: it is not there, or gives no pictures.
    """
    path = _device(settings.uri)
    if not path.exists():
        raise SourceError(f"{settings.uri}: no such camera; {_advice()}")
    capture = open_capture(str(path), cv2.CAP_V4L2, _options(settings))
    if capture is None:
        raise SourceError(
            f"{settings.uri}: {path} cannot be opened as a camera; close the program that uses it, "
            "or let this user read it (group video)"
        )
    return CameraSource(settings.uri, capture, clock)


def _device(uri: str) -> Path:
    place = uri.removeprefix("v4l2:")
    if re.fullmatch(r"\d{1,3}", place):
        return Path(f"/dev/video{int(place)}")
    if not place.startswith("/dev/"):
        raise CallError(f"{uri}: write v4l2:N, as v4l2:0, or v4l2:/dev/…")
    return Path(place)


def _advice() -> str:
    present = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f"there are {', '.join(present)}" if present else "plug one in; none is there"


def _options(settings: SourceConfig) -> list[int]:
    options = []
    for prop, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, settings.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, settings.height),
        (cv2.CAP_PROP_FPS, settings.fps and round(settings.fps)),
    ):
        if value:
            options += [prop, value]
    return options
