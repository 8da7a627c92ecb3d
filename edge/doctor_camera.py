"""What doctor looks at in a source: Picamera2 where it is needed, the first picture, its light.

A picture is kept only where that is asked for: it is for aiming, and does not leave the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edge.annotate import draw_lines
from edge.canvas import write_picture
from edge.config import Config, SourceConfig
from edge.source import Source, open_source
from edge.source.picamera import survey
from edge.types import Frame, Image

_SETTLE_S = 1.0  # in which a camera finds its exposure
_DARK, _BRIGHT = 30, 225  # of 255
_BLURRED = 30.0  # variance of the Laplacian, at a width of 640
_WIDTH = 640

Verdict = tuple[bool, str]  # whether it is well, and what was seen


def camera_checks(settings: SourceConfig) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    """Checks of what the source needs, each with its name."""
    if settings.uri.startswith("picamera2:"):
        yield "picamera2", lambda: _picamera2(settings)


def check_source(config: Config, keep: Path | None) -> Verdict:
    """Take a picture as the service would.

    Args:
        config: of the service; its lines are drawn onto the picture that is kept.
        keep: file for that picture, of a kind that `canvas` writes; None keeps none.

    Raises:
        WorldError: the source gives no picture, or it cannot be written.
    """
    begun = time.monotonic()
    with open_source(config.source) as source:
        frame = next(iter(source), None)
        took = time.monotonic() - begun
        if frame is None:
            return False, f"{source.name}: gives no picture; mend: choose another source"
        if keep is not None:
            frame = _settled(source, frame)
            write_picture(keep, draw_lines(frame.image, config.lines))
        kept = f", kept as {keep}" if keep is not None else ""
        return True, (
            f"{source.name}: {source.size[0]}x{source.size[1]}, first picture after {took:.1f} s, "
            f"{_light(frame.image)}, {_focus(frame.image)}{kept}"
        )


def _picamera2(settings: SourceConfig) -> Verdict:
    seen = survey(settings)
    versions = (
        f"Picamera2 {seen['picamera2']}, libcamera {seen['libcamera']}, "
        f"{settings.camera_python} (Python {seen['python']})"
    )
    if not seen["cameras"]:
        return False, (
            f"{versions}, no camera; mend: check its cable at both ends, and that this user is in "
            "group video, then rpicam-hello --list-cameras"
        )
    return True, f"{versions}, cameras: " + ", ".join(
        f"{number} {model}" for number, model in enumerate(seen["cameras"])
    )


def _settled(source: Source, frame: Frame) -> Frame:
    """A later frame of a live source, whose first ones may be too dark; else the same."""
    until = time.monotonic() + _SETTLE_S
    for later in source if source.live else ():
        frame = later
        if time.monotonic() > until:
            break
    return frame


def _light(picture: Image) -> str:
    brightness = picture.mean()
    hint = " (very dark: give light)" if brightness < _DARK else ""
    hint = " (very bright: turn it from the light)" if brightness > _BRIGHT else hint
    return f"brightness {brightness:.0f} of 255{hint}"


def _focus(picture: Image) -> str:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = _WIDTH / grey.shape[1]
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    hint = " (blurred? clean the lens, or turn it until this is highest)"
    return f"sharpness {sharpness:.0f}{hint if sharpness < _BLURRED else ''}"
