"""Draws what was counted onto the pictures: boxes, trails, lines with their arrow, totals.

It is how a person finds out why a count came out as it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.errors import WorldError
from edge.pipeline import Step
from edge.types import Direction, Image, Line, Point

_TRAIL = 40  # points kept of a track
_GREEN, _GREY, _YELLOW, _RED = (80, 220, 80), (160, 160, 160), (40, 220, 250), (60, 60, 240)
_FLASH_S = 0.6  # how long a line lights up after a crossing


class Annotator:
    """Writes an MP4 with everything that was seen and counted.

    Args:
        path: the video to write; its folder must exist.
        lines: the counting lines.
        size: (width, height) of the pictures, pixels.
        fps: frames per second of the video.

    Raises:
        WorldError: the video cannot be written there.
    """

    def __init__(
        self, path: Path, lines: tuple[Line, ...], size: tuple[int, int], fps: float
    ) -> None:
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        if not self._writer.isOpened():
            raise WorldError(f"{path}: the video cannot be written; does its folder exist?")
        self._lines = lines
        self._trails: dict[int, deque[Point]] = {}
        self._totals = {line.name: {Direction.IN: 0, Direction.OUT: 0} for line in lines}
        self._flash: dict[str, float] = {}

    def draw(self, step: Step) -> None:
        """Draw one step and write it."""
        picture = step.sighting.frame.image.copy()
        self._draw_tracks(picture, step)
        for crossing in step.crossings:
            self._totals[crossing.line][crossing.direction] += 1
            self._flash[crossing.line] = step.sighting.frame.t
        for number, line in enumerate(self._lines):
            lit = step.sighting.frame.t - self._flash.get(line.name, -1e9) < _FLASH_S
            totals = self._totals[line.name]
            text = f"{line.name}  in {totals[Direction.IN]}  out {totals[Direction.OUT]}"
            _draw_line(picture, line, number, text, _RED if lit else _YELLOW)
        self._writer.write(picture)

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def _draw_tracks(self, picture: Image, step: Step) -> None:
        for box in step.sighting.detections.boxes:
            a, b = _pixel(picture, (box[0], box[1])), _pixel(picture, (box[2], box[3]))
            cv2.rectangle(picture, a, b, _GREY, 1)
        for ended in step.tracks.ended:
            self._trails.pop(ended.id, None)
        for track in step.tracks.active:
            trail = self._trails.setdefault(track.id, deque(maxlen=_TRAIL))
            trail.append(track.anchor)
            colour = _GREEN if track.confirmed else _GREY
            points = np.array([_pixel(picture, point) for point in trail], np.int32)
            cv2.polylines(picture, [points], False, colour, 1, cv2.LINE_AA)
            corner = _pixel(picture, (track.box[0], track.box[1]))
            if track.seen:
                cv2.rectangle(picture, corner, _pixel(picture, track.box[2:]), colour, 2)
            _write(picture, str(track.id), (corner[0], corner[1] - 4), colour)


def draw_lines(picture: Image, lines: Sequence[Line]) -> Image:
    """A copy of the picture with the counting lines, their names, and arrows to their in sides."""
    drawn = picture.copy()
    for number, line in enumerate(lines):
        _draw_line(drawn, line, number, f"{line.name}  arrow: in", _YELLOW)
    return drawn


def _draw_line(
    picture: Image, line: Line, number: int, text: str, colour: tuple[int, int, int]
) -> None:
    a, b = _pixel(picture, line.a), _pixel(picture, line.b)
    cv2.line(picture, a, b, colour, 2, cv2.LINE_AA)
    middle = np.add(a, b) / 2
    along = np.subtract(b, a) / max(float(np.hypot(*np.subtract(b, a))), 1.0)
    normal = np.array((-along[1], along[0]))
    if normal @ np.subtract(_pixel(picture, line.in_side), middle) < 0:
        normal = -normal
    tip = np.round(middle + 0.08 * picture.shape[0] * normal).astype(int)
    cv2.arrowedLine(picture, np.round(middle).astype(int), tip, colour, 2, cv2.LINE_AA, 0, 0.3)
    _write(picture, text, (6, 18 + 18 * number), colour)


def _pixel(picture: Image, point: Point | tuple[float, ...]) -> tuple[int, int]:
    rows, width = picture.shape[:2]
    return round(float(point[0]) * width), round(float(point[1]) * rows)


def _write(picture: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for thickness, ink in ((3, (0, 0, 0)), (1, colour)):  # an outline keeps it legible
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, thickness, cv2.LINE_AA)
