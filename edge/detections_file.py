"""Recorded boxes: a JSON-lines file of what a detector saw, read as sightings without pictures.

    {"size": [640, 480], "fps": 15.0, "score": 0.4}      optional first line
    {"frame": 0, "t": 0.0, "boxes": [[0.1, 0.2, 0.15, 0.3]], "scores": [0.9]}

Boxes are xyxy, 0..1; frames count from 0 and come in order; a frame that is missing had no boxes.
`score` is the lowest score of a new person in that recording; without it no score is cut.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeVar

import numpy as np

from edge.contract.detections import Detections
from edge.errors import DataError, WorldError
from edge.types import Frame, Sighting

T = TypeVar("T")

_NO_PICTURE = np.empty((0, 0, 3), np.uint8)
_MAX_GAP = 1_000_000  # frames without boxes in a row: half a day; more is a wrong number
_DEFAULT_FPS = 25.0  # where neither the first line nor the times tell


@dataclass(frozen=True, slots=True)
class _Row:
    frame: int
    t: float
    detections: Detections


@dataclass(frozen=True, slots=True)
class RecordedDetections:
    """A file's content. `size` (width, height) gives the picture's shape, `score` is 0..1."""

    size: tuple[int, int]
    fps: float
    score: float | None
    rows: tuple[_Row, ...]

    def sightings(self) -> Iterator[Sighting]:
        """One sighting for each frame up to the last that is told, in order."""
        index, t = 0, 0.0
        for row in self.rows:
            gap = row.frame - index
            for missing in range(gap):
                at = t + (row.t - t) * missing / gap
                yield _sighting(index + missing, at, Detections.empty())
            yield _sighting(row.frame, row.t, row.detections)
            index, t = row.frame + 1, row.t + 1 / self.fps


def _sighting(index: int, t: float, detections: Detections) -> Sighting:
    return Sighting(Frame(_NO_PICTURE, index, t), detections, 0.0)


def read_detections(path: Path) -> RecordedDetections:
    """Read a file of boxes.

    Raises:
        DataError: there is none, or a line is wrong; names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such detections file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    objects = [(i, _object(path, i, text)) for i, text in enumerate(lines, 1) if text.strip()]
    header: dict[str, Any] = {}
    if objects and "frame" not in objects[0][1]:
        header = objects.pop(0)[1]
    rows = tuple(_read(path, i, _row, item) for i, item in objects)
    _check_order(path, [number for number, _ in objects], rows)
    return _with_header(path, header, rows)


def _check_order(path: Path, numbers: list[int], rows: tuple[_Row, ...]) -> None:
    frame, t = -1, -math.inf
    for number, row in zip(numbers, rows, strict=True):
        if row.frame <= frame or row.t < t:
            raise DataError(f"{path}:{number}: frames and times must grow; sort the lines")
        if row.frame - frame > _MAX_GAP:
            raise DataError(f"{path}:{number}: frame {row.frame} follows frame {frame}")
        frame, t = row.frame, row.t


def _with_header(path: Path, header: dict[str, Any], rows: tuple[_Row, ...]) -> RecordedDetections:
    def read(told: dict[str, Any]) -> RecordedDetections:
        width, height = (int(side) for side in told.get("size", (1, 1)))
        fps = float(told.get("fps") or _fps_of(rows))
        score = told.get("score")
        if width < 1 or height < 1 or not 0 < fps < 1e4:
            raise ValueError("size and fps must be above 0")
        return RecordedDetections(
            (width, height), fps, None if score is None else float(score), rows
        )

    return _read(path, 1, read, header)


def _fps_of(rows: tuple[_Row, ...]) -> float:
    if len(rows) < 2 or rows[-1].t <= rows[0].t:
        return _DEFAULT_FPS
    return (rows[-1].frame - rows[0].frame) / (rows[-1].t - rows[0].t)


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}:{number}: is not JSON: {error}") from error
    if not isinstance(item, dict):
        raise DataError(f"{path}:{number}: must be a JSON object")
    return item


def _read(
    path: Path, number: int, reader: Callable[[dict[str, Any]], T], item: dict[str, Any]
) -> T:
    try:
        return reader(item)
    except KeyError as error:
        raise DataError(f"{path}:{number}: {error} is missing") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}:{number}: {error}") from error


def _row(item: dict[str, Any]) -> _Row:
    frame, t = item["frame"], float(item["t"])
    if type(frame) is not int or frame < 0 or not math.isfinite(t):
        raise ValueError("frame must be a whole number from 0, t seconds")
    boxes = np.asarray(item["boxes"], np.float32)
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise ValueError("boxes must be rows of x1, y1, x2, y2")
    detections = Detections.of(boxes, item["scores"])
    if not (np.isfinite(boxes).all() and np.isfinite(detections.scores).all()):
        raise ValueError("boxes and scores must be finite")
    corners, scores = detections.boxes, detections.scores
    if (np.abs(corners - 0.5) > 1.5).any():
        raise ValueError("boxes must be shares of the picture, 0..1, not pixels")
    if ((scores < 0) | (scores > 1)).any():
        raise ValueError("scores must be 0..1")
    if (corners[:, 2:] <= corners[:, :2]).any():
        raise ValueError("a box has no size: x1 < x2 and y1 < y2")
    return _Row(frame, t, detections)


class DetectionsWriter:
    """Writes sightings as they come.

    Args:
        path: the file; its folder must exist.
        size: (width, height) of the pictures, pixels.
        fps: of the recording.
        score: lowest score of a new person.

    Raises:
        WorldError: the file cannot be written.
    """

    def __init__(self, path: Path, *, size: tuple[int, int], fps: float, score: float) -> None:
        try:
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise WorldError(f"{path}: boxes cannot be written: {error.strerror}") from error
        self._put({"size": list(size), "fps": fps, "score": score})

    def write(self, sighting: Sighting) -> None:
        """Write one frame."""
        frame, seen = sighting.frame, sighting.detections
        boxes = [[round(float(side), 6) for side in box] for box in seen.boxes]
        scores = [round(float(score), 6) for score in seen.scores]
        self._put({"frame": frame.index, "t": frame.t, "boxes": boxes, "scores": scores})

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, item: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(item) + "\n")
        except OSError as error:
            raise WorldError(
                f"{self._file.name}: boxes cannot be written: {error.strerror}"
            ) from error
