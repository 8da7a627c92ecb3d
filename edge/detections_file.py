"""Recorded boxes: a JSON-lines file of what a detector saw, read as sightings without pictures.

    {"size": [640, 480], "fps": 15.0, "score": 0.4}      optional first line
    {"frame": 0, "t": 0.0, "boxes": [[0.1, 0.2, 0.15, 0.3]], "scores": [0.9]}

Boxes are xyxy, 0..1; frames count from 0 and come in order; a frame that is missing had no boxes.
`score` is the lowest score of a new person in that recording; without it no score is cut.

A file is read twice and never held: once to find what is wrong before anything is counted, and how
far its frames are apart where the first line does not tell; and once to give the sightings.
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
    """A file that was found good.

    `size` (width, height) gives the picture's shape, `score` is 0..1. Only what its first line
    tells, or the defaults, is here; its rows are on the disk.
    """

    path: Path
    size: tuple[int, int]
    fps: float
    score: float | None

    def sightings(self) -> Iterator[Sighting]:
        """One sighting for each frame up to the last that is told, in order, read as it is taken.

        Raises:
            DataError: a line is wrong, because the file was changed in the meantime.
        """
        index, t = 0, 0.0
        for row in _rows(self.path):
            gap = row.frame - index
            for missing in range(gap):
                at = t + (row.t - t) * missing / gap
                yield _sighting(index + missing, at, Detections.empty())
            yield _sighting(row.frame, row.t, row.detections)
            index, t = row.frame + 1, row.t + 1 / self.fps


def _sighting(index: int, t: float, detections: Detections) -> Sighting:
    return Sighting(Frame(_NO_PICTURE, index, t), detections, 0.0)


def read_detections(path: Path) -> RecordedDetections:
    """Check a file of boxes from its first line to its last, and tell its picture and rate.

    Raises:
        DataError: there is none, a line is wrong, or it can be read only once; names file and line.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: cannot be read: it must be a file, for it is read twice")
    number, header = next(_objects(path), (1, {}))
    told = {} if "frame" in header else header
    span = _Span()
    for row in _rows(path):
        span.take(row)
    return _read(path, number, lambda told: _with_fps_of(path, told, span), told)


def _with_fps_of(path: Path, told: dict[str, Any], span: _Span) -> RecordedDetections:
    width, height = (int(side) for side in told.get("size", (1, 1)))
    fps = float(told.get("fps") or span.fps)
    score = told.get("score")
    if width < 1 or height < 1 or not 0 < fps < 1e4:
        raise ValueError("size and fps must be above 0")
    return RecordedDetections(path, (width, height), fps, None if score is None else float(score))


class _Span:
    """The first and the last row of a file."""

    def __init__(self) -> None:
        self._first: _Row | None = None
        self._last: _Row | None = None

    def take(self, row: _Row) -> None:
        """Take in the next row."""
        self._first, self._last = self._first or row, row

    @property
    def fps(self) -> float:
        """Frames per second by the times of the rows."""
        first, last = self._first, self._last
        if first is None or last is None or last.t <= first.t:
            return _DEFAULT_FPS
        return (last.frame - first.frame) / (last.t - first.t)


def _rows(path: Path) -> Iterator[_Row]:
    """The rows after the optional first line, each checked by itself and against the one before."""
    frame, t = -1, -math.inf
    begun = False
    for number, item in _objects(path):
        header, begun = not begun and "frame" not in item, True
        if header:
            continue
        row = _read(path, number, _row, item)
        if row.frame <= frame or row.t < t:
            raise DataError(f"{path}:{number}: frames and times must grow; sort the lines")
        if row.frame - frame > _MAX_GAP:
            raise DataError(f"{path}:{number}: frame {row.frame} follows frame {frame}")
        yield row
        frame, t = row.frame, row.t


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of the lines that are not blank, with the numbers of the lines from 1."""
    for number, text in _lines(path):
        if text.strip():
            yield number, _object(path, number, text)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from enumerate(file, 1)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such detections file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


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
