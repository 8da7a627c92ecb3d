"""Where people walked: collects the tracks of a recording as trails, in bounded memory.

A trail keeps a point for every `STEP` of the way, with the seconds that the person stayed there:
who stands still for an hour is one point. Leaves it to the placement to judge lines by them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.types import Point, Track, TrackUpdate

# Memory: at most MOST_TRAILS of 2 * MOST_POINTS points. Past it, every second trail goes and from
# then on only every second person is kept, and so on: the recording stays evenly sampled.
STEP = 0.2  # sizes of the person's box (its smaller side) between two points
MOST_POINTS = 64  # ... and twice the step for a trail that has reached twice as many
MOST_TRAILS = 512

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trail:
    """One person's way, in picture heights and seconds.

    Args:
        places: (n, 2) x to the right and y downwards of the anchor.
        boxes: (n, 2) width and height of the person there.
        stays: (n,) seconds spent there.
    """

    places: Floats
    boxes: Floats
    stays: Floats

    @property
    def sizes(self) -> Floats:
        """(n,) the smaller side of the person's box."""
        smaller: Floats = self.boxes.min(axis=1)
        return smaller

    def normalised(self, aspect: float) -> list[Point]:
        """The way in shares of a picture of `aspect` (width over height)."""
        return [(float(x) / aspect, float(y)) for x, y in self.places]


@dataclass(frozen=True, slots=True)
class _Spot:
    x: float
    y: float
    width: float
    height: float
    stay: float

    def is_near(self, other: _Spot, step: float) -> bool:
        """Whether two are less than `step` sizes apart."""
        apart = math.hypot(self.x - other.x, self.y - other.y)
        return apart < step * min(other.width, other.height)


class _Walker:
    """A person in view."""

    def __init__(self) -> None:
        self.spots: list[_Spot] = []
        self._last: tuple[float, _Spot] | None = None  # seconds, where
        self._step = STEP

    def see(self, spot: _Spot, t: float) -> None:
        if self._last is not None:
            self.spots[-1] = _longer(self.spots[-1], t - self._last[0])
        self._last = (t, spot)
        if not self.spots or not self.spots[-1].is_near(spot, self._step):
            self.spots.append(spot)
        if len(self.spots) >= 2 * MOST_POINTS:
            self._thin()

    def end(self, origin: tuple[float, float]) -> Trail:
        """The whole trail; it begins at `origin`, which is better known by now."""
        first = replace(self.spots[0], x=origin[0], y=origin[1])
        spots = [first, *self.spots[1:]]
        if self._last is not None and not spots[-1].is_near(self._last[1], STEP):
            spots.append(self._last[1])
        return Trail(
            np.array([(spot.x, spot.y) for spot in spots]),
            np.array([(spot.width, spot.height) for spot in spots]),
            np.array([spot.stay for spot in spots]),
        )

    def _thin(self) -> None:
        pairs = zip(self.spots[::2], self.spots[1::2], strict=True)
        self.spots = [_longer(kept, gone.stay) for kept, gone in pairs]
        self._step *= 2


class Trails:
    """Collects the trails of the confirmed tracks.

    Args:
        aspect: width of the picture over its height.
    """

    def __init__(self, aspect: float) -> None:
        self._aspect = aspect
        self._walkers: dict[int, _Walker] = {}
        self._tracks: dict[int, Track] = {}
        self._kept: list[Trail] = []
        self._every = 1
        self.people = 0  # that have ended so far, kept or not

    def take(self, tracks: TrackUpdate, t: float) -> None:
        """Take the tracks of one frame at `t` seconds."""
        for track in tracks.ended:
            if track.id in self._walkers:
                self._end(track.id)
        for track in tracks.active:
            if track.seen:
                self._tracks[track.id] = track
                self._walkers.setdefault(track.id, _Walker()).see(self._spot(track), t)

    def finish(self) -> tuple[Trail, ...]:
        """The end of the recording: all trails, those of people still in view included."""
        for number in list(self._walkers):
            self._end(number)
        return tuple(self._kept)

    def _end(self, number: int) -> None:
        walker, track = self._walkers.pop(number), self._tracks.pop(number)
        if not track.confirmed:
            return
        if self.people % self._every == 0:
            self._kept.append(walker.end((track.origin[0] * self._aspect, track.origin[1])))
        self.people += 1
        if len(self._kept) > MOST_TRAILS:
            self._kept, self._every = self._kept[::2], 2 * self._every

    def _spot(self, track: Track) -> _Spot:
        x1, y1, x2, y2 = track.box
        x, y = track.anchor
        return _Spot(x * self._aspect, y, (x2 - x1) * self._aspect, y2 - y1, 0.0)


def _longer(spot: _Spot, seconds: float) -> _Spot:
    return replace(spot, stay=spot.stay + seconds)
