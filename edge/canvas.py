"""A picture to draw on in normalised places: small pictures are enlarged, text grows with them.

Knows shapes and inks, not what they stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import WorldError
from edge.types import Image, Line, Point

KINDS = (".jpg", ".jpeg", ".png")  # of picture files that can be written

Colour = tuple[int, int, int]  # blue, green, red; 0..255

BLUE, GREEN, GREY = (250, 160, 40), (80, 220, 80), (170, 170, 170)
YELLOW, RED = (40, 220, 250), (60, 60, 240)

_NARROW = 500  # pixels; a picture that is narrower is drawn at twice its size
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.5  # legible where the shorter side has 480 pixels
_ROW = 20  # pixels from one row of text to the next, at that size
_ARROW = 0.08  # length, picture heights


def zoom(size: tuple[int, int]) -> int:
    """How many times larger than (width, height) pixels the drawing is."""
    return 2 if size[0] < _NARROW else 1


def bar_height(size: tuple[int, int], rows: int) -> int:
    """Pixels that `rows` of text take below a drawing of a picture of (width, height) pixels."""
    times = zoom(size)
    return round(rows * _ROW * _scale(size[0] * times, size[1] * times)) + 8


def _scale(width: int, height: int) -> float:
    return max(1.0, min(width, height) / 480)


def write_picture(path: Path, picture: Image) -> None:
    """Write a picture to a file of one of `KINDS`.

    Raises:
        WorldError: it cannot be written there.
    """
    _, content = cv2.imencode(path.suffix, picture)
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise WorldError(
            f"{path}: cannot be written: {error.strerror}; name a file in a folder of yours"
        ) from error


class Canvas:
    """A copy of a picture, enlarged if it is narrow, and a black bar below it for text.

    Args:
        image: the picture.
        rows: of text in the bar; 0 makes none.
        enlarge: whether a narrow picture is enlarged.
    """

    def __init__(self, image: Image, rows: int = 0, *, enlarge: bool = True) -> None:
        size = image.shape[1], image.shape[0]
        times = zoom(size) if enlarge else 1
        self.width, self.height = size[0] * times, size[1] * times
        self._scale = _scale(self.width, self.height)
        bar = bar_height(size, rows) if rows else 0
        self.image: Image = np.zeros((self.height + bar, self.width, 3), np.uint8)
        enlarged = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        self.image[: self.height] = enlarged

    def pixel(self, point: Sequence[float]) -> tuple[int, int]:
        """Where a normalised point lies on the drawing."""
        return round(float(point[0]) * self.width), round(float(point[1]) * self.height)

    def box(self, box: Sequence[float], colour: Colour, *, bold: bool = False) -> None:
        """Outline a normalised box."""
        a, b = self.pixel(box[:2]), self.pixel(box[2:])
        cv2.rectangle(self.image[: self.height], a, b, colour, self._thick(bold), cv2.LINE_AA)

    def way(self, points: Sequence[Sequence[float]], colour: Colour, *, bold: bool = False) -> None:
        """Join normalised points."""
        pixels: NDArray[np.int32] = np.array([self.pixel(point) for point in points], np.int32)
        view = self.image[: self.height]
        cv2.polylines(view, [pixels], False, colour, self._thick(bold), cv2.LINE_AA)

    def dot(self, point: Sequence[float], colour: Colour, *, bold: bool = False) -> None:
        """A round spot; a bold one is twice as large."""
        radius = round((6 if bold else 3) * self._scale)
        view = self.image[: self.height]
        cv2.circle(view, self.pixel(point), radius, colour, cv2.FILLED, cv2.LINE_AA)

    def arrow(self, start: Sequence[float], end: Sequence[float], colour: Colour) -> None:
        """From a normalised point to another."""
        a, b, view = self.pixel(start), self.pixel(end), self.image[: self.height]
        cv2.arrowedLine(view, a, b, colour, self._thick(bold=True), cv2.LINE_AA, 0, 0.3)

    def line(self, line: Line, colour: Colour) -> None:
        """A counting line with its ends, its name, and an arrow that says where in is."""
        self.way((line.a, line.b), colour, bold=True)
        for end in (line.a, line.b):
            self.dot(end, colour)
        middle, tip = self.inwards(line)
        self.arrow(middle, tip, colour)
        self.text("in", tip, colour)
        self.text(line.name, line.a, colour)

    def inwards(self, line: Line) -> tuple[Point, Point]:
        """An arrow across the line, normalised: from its middle to its in side."""
        stretch = np.array((self.width / self.height, 1.0))
        a, b = np.array(line.a) * stretch, np.array(line.b) * stretch
        middle, (x, y) = (a + b) / 2, (b - a) / np.hypot(*(b - a))
        normal = np.array((-y, x))
        if normal @ (np.array(line.in_side) * stretch - middle) < 0:
            normal = -normal
        (ax, ay), (bx, by) = middle / stretch, (middle + _ARROW * normal) / stretch
        return (float(ax), float(ay)), (float(bx), float(by))

    def text(self, text: str, at: Sequence[float], colour: Colour) -> None:
        """Write above a normalised point, or as near to it as the whole text can be seen."""
        x, y = self.pixel(at)
        gap = round(4 * self._scale)
        (wide, high), below = cv2.getTextSize(text, _FONT, _TEXT * self._scale, self._bold)
        left = max(min(x + gap, self.width - wide - gap), gap)
        foot = max(min(y - gap - below, self.height - gap - below), high + gap)
        corners = (left - 2, foot - high - 2), (left + wide + 2, foot + below)
        cv2.rectangle(self.image, *corners, (0, 0, 0), cv2.FILLED)
        self._write(text, (left, foot), colour)

    def row(self, number: int, text: str, colour: Colour) -> None:
        """Write a row of the bar; rows count from 0."""
        self._write(text, (6, self.height + round((number + 0.8) * _ROW * self._scale) + 2), colour)

    @property
    def _bold(self) -> int:
        return round(self._scale)

    def _write(self, text: str, at: tuple[int, int], colour: Colour) -> None:
        size = _TEXT * self._scale
        cv2.putText(self.image, text, at, _FONT, size, colour, self._bold, cv2.LINE_AA)

    def _thick(self, bold: bool) -> int:
        return round((2 if bold else 1) * self._scale)
