"""The words that walk through the corridor: values without behaviour or I/O.

Points are normalised to the picture: x to the right and y downwards, both 0..1.
Times are seconds on one monotonic clock, given by the source; UTC is for people.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Detections

Point = tuple[float, float]  # x, y; 0..1
Box = tuple[float, float, float, float]  # x1, y1, x2, y2; 0..1
Image = NDArray[np.uint8]  # (height, width, 3), BGR


class Direction(enum.StrEnum):
    """Which way a person crossed a line; IN ends on the line's in side."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the door.

    `t` is monotonic seconds (of the recording for files); `utc` is the wall clock of a live
    picture, None in a replay.
    """

    image: Image
    index: int
    t: float
    utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A frame and what the detector saw in it, `ms` milliseconds after it was asked."""

    frame: Frame
    detections: Detections
    ms: float


@dataclass(frozen=True, slots=True)
class Track:
    """A person followed over frames.

    `box` is the whole body or head at its last sight (predicted while hidden; it may stick out
    of the picture where the edge cuts it), `anchor` the point that the line judges, `origin`
    the anchor at the first sight as known by now (a person cut by the edge at first is larger
    than the first box), `age` the seconds since the first sight, `seen` whether this frame
    shows it, `score` the mean score of its detections.
    """

    id: int
    box: Box
    anchor: Point
    origin: Point
    age: float
    confirmed: bool
    seen: bool
    score: float


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """What one frame did to the tracks: those that live, those that it ended."""

    active: tuple[Track, ...] = ()
    ended: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A finite counting line from `a` to `b`; `in_side` is any point on the in side.

        in_side
           *
    a ----------- b      a person who ends on the side of in_side went in
    """

    name: str
    a: Point
    b: Point
    in_side: Point


@dataclass(frozen=True, slots=True)
class Crossing:
    """One person passed one line. `t` as in Frame; `track_s` how long the track was followed."""

    line: str
    direction: Direction
    frame: int
    t: float
    track: int
    track_s: float
    confidence: float  # 0..1, mean score of the track's detections
    utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineTotals:
    """Monotonic totals of one line."""

    in_total: int = 0
    out_total: int = 0


@dataclass(frozen=True, slots=True)
class CountState:
    """The truth of the ledger at one moment. Totals never fall within an epoch."""

    epoch: str  # 32 hex digits
    seq: int
    in_total: int
    out_total: int
    in_today: int
    out_today: int
    occupancy: int
    lines: dict[str, LineTotals] = field(default_factory=dict)
