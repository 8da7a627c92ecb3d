"""One person and one line: on which side, where the line was passed, what that decides.

Each person has a side of each line, which changes only when the anchor is clearly on the other
one, so that jitter, a stop on the line or a peek over it decide nothing:

      side stays "before"                  crossed: decided, side is now "past"
    ----------------------[ band | line | band ]----------------------> anchor
                           nothing happens in the band

The band is a share of the person's size, or of the room that the picture leaves beside the line
where that is less. At the two ends of a track nothing more can come that would correct the
verdict, so there the anchor needs to be past the line by no more than jitter, provided that the
person has walked further than a band: people who come into view or leave it close to the line
count, and a track cut in two at the line counts once. A single look past the line is believed
only where it goes on from the looks before, or where the person left the picture.

Leaves it to the line counter when to tell what was decided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.errors import CallError
from edge.types import Direction, Line, Point, Track

# Shares of the smaller side of the person's box.
BAND = 0.5  # 0.35 still counts those who peek over the line by a quarter of a head
JITTER = 0.15  # a box is placed no better than that
BESIDE = 0.25  # who passes the end of the line so near still passes over it
ROOM = 0.5  # share of the room beside the line that the band may take
LOOKS = 2  # in a row past the line: one errant box is no crossing
DWELL = 3.0  # seconds in the band, from which on a person stands there
NEARBY = 2.0  # sizes: who is first seen so near to the line may have crossed it unseen


@dataclass(frozen=True, slots=True)
class Sample:
    """An anchor in the line's own coordinates, in picture heights."""

    frame: float
    t: float
    depth: float  # distance from the line, positive on the in side
    along: float  # from a towards b


Decision = tuple[Direction, Sample]  # crossed which way, and where the anchor passed the line


class Geometry:
    """A line in picture heights."""

    def __init__(self, line: Line, aspect: float) -> None:
        self.name = line.name
        self._aspect = aspect
        self._a = (line.a[0] * aspect, line.a[1])
        dx, dy = line.b[0] * aspect - self._a[0], line.b[1] - self._a[1]
        self.length = math.hypot(dx, dy)
        if self.length < 1e-6:
            raise CallError(f"line {line.name!r} has no length: a and b are both {line.a}")
        self._unit = (dx / self.length, dy / self.length)
        self._normal = (-self._unit[1], self._unit[0])
        depth = self.place(line.in_side)[0]
        if abs(depth) < 1e-6:
            raise CallError(
                f"in_side {line.in_side} of line {line.name!r} lies on the line: "
                "give a point beside it"
            )
        if depth < 0:
            self._normal = (-self._normal[0], -self._normal[1])

    def place(self, point: Point) -> tuple[float, float]:
        """Depth and along of a normalised point."""
        x, y = point[0] * self._aspect - self._a[0], point[1] - self._a[1]
        depth = x * self._normal[0] + y * self._normal[1]
        return depth, x * self._unit[0] + y * self._unit[1]

    def size(self, track: Track) -> tuple[float, float]:
        """Width and height of a person."""
        x1, y1, x2, y2 = track.box
        return (x2 - x1) * self._aspect, y2 - y1

    def band(self, track: Track, along: float) -> float:
        """How far past the line a person must be to be clearly there."""
        width, height = self.size(track)
        unit = min(width, height)
        return min(max(ROOM * self._room(along, width, height), JITTER * unit), BAND * unit)

    def _room(self, along: float, width: float, height: float) -> float:
        """How far from the line a whole box can be, on the side where that is less."""
        along = min(max(along, 0.0), self.length)
        foot = (self._a[0] + along * self._unit[0], self._a[1] + along * self._unit[1])
        half = (abs(self._normal[0]) * width + abs(self._normal[1]) * height) / 2
        ways = []
        for sign in (1, -1):
            for axis, bound in ((0, self._aspect), (1, 1.0)):
                step = sign * self._normal[axis]
                if abs(step) > 1e-9:
                    ways.append(((bound if step > 0 else 0.0) - foot[axis]) / step)
        return min(ways) - half


class Walk:
    """One person and one line."""

    def __init__(self, line: Geometry) -> None:
        self.line = line
        self._decided: list[Decision] = []  # not yet taken
        self._side = 0  # +1 in, -1 out, 0 not known
        self._far = 0.0  # the greatest distance from the line on that side
        self._turned = False  # the side has changed since the origin
        self._beyond = 0  # looks in a row that show the person past the line and its band
        self._sign = 0  # of the last depth that had one
        self._trail: list[Sample] = []  # the last three looks
        self._stopped: float | None = None  # since when the person has been in the band, seconds
        self.dwelled = False  # whether the person ever stood there ...
        self.told_dwelling = False  # ... and has been counted among those who did
        self._passage = Sample(0, 0.0, 0.0, 0.0)  # the last change of sign

    def look(self, track: Track, frame: int, t: float) -> None:
        """Take one look at the person."""
        depth, along = self.line.place(track.anchor)
        self._pass(Sample(frame, t, depth, along))
        unit = min(self.line.size(track))
        if not self._turned:
            self._begin(self.line.place(track.origin)[0], JITTER * unit)
        band = self.line.band(track, along)
        self._dwell(abs(depth) < band and self._is_over(along, unit), t)
        other = self._side * depth < 0
        self._beyond = self._beyond + 1 if other and abs(depth) >= band else 0
        if self._beyond >= LOOKS:
            self._cross(depth, unit)
        elif self._side == 0 and abs(depth) >= band:
            self._side = _sign(depth)
        elif not other:
            self._far = max(self._far, abs(depth))

    def close(self, track: Track) -> None:
        """The track has ended: the last place decides, short of jitter only."""
        depth, unit = self.line.place(track.anchor)[0], min(self.line.size(track))
        if depth * self._sign < 0:
            self._passage = self._trail[-1]  # it left the picture on the other side
        certain = self._settled(unit) or _has_left(track) or self._came_steadily()
        if certain and self._side * depth < 0 and abs(depth) >= JITTER * unit:
            self._cross(depth, unit)

    def take(self) -> list[Decision]:
        """The crossings decided since the last call."""
        decided, self._decided = self._decided, []
        return decided

    def take_standing(self, before: float) -> list[Decision]:
        """The crossings that stand: passed at `before` seconds or sooner, and not taken back.

        Who crosses back while the way there is not yet taken has undone both.
        """
        waiting: list[Decision] = []
        for decision in self._decided:
            if waiting and waiting[-1][0] is not decision[0]:
                waiting.pop()
            else:
                waiting.append(decision)
        self._decided = [each for each in waiting if each[1].t > before]
        return [each for each in waiting if each[1].t <= before]

    def is_undecided(self, track: Track) -> bool:
        """Whether a person who ended here came from one side and got no further than the band."""
        depth, along = self.line.place(track.anchor)
        near = abs(depth) < self.line.band(track, along)
        over = self._is_over(along, min(self.line.size(track)))
        return near and over and self._side != 0 and not _has_left(track)

    def is_born_past(self, track: Track) -> bool:
        """Whether a person who ended here may have crossed before the first look."""
        (start, along), (end, _) = self.line.place(track.origin), self.line.place(track.anchor)
        unit = min(self.line.size(track))
        away = start * end > 0 and abs(end) - abs(start) >= unit
        near = abs(start) <= NEARBY * unit and self._is_over(along, unit)
        return away and near and not self._turned and _is_inside(track, track.origin)

    def _pass(self, now: Sample) -> None:
        """Note where the anchor changed sides, however slightly."""
        sign = _sign(now.depth)
        if self._sign == 0:
            self._passage = now
        elif sign * self._sign < 0:
            self._passage = _between(self._trail[-1], now)
        self._sign = sign or self._sign
        self._trail = [*self._trail[-2:], now]

    def _dwell(self, inside: bool, t: float) -> None:
        """Note how long the person has been in the band."""
        if not inside:
            self._stopped = None
        elif self._stopped is None:
            self._stopped = t
        elif t - self._stopped >= DWELL:
            self.dwelled = True

    def _settled(self, unit: float) -> bool:
        """Whether the last two looks lie past the line: each, or together where they agree."""
        if len(self._trail) < LOOKS:
            return False
        before, last = (-self._side * sample.depth / unit for sample in self._trail[-LOOKS:])
        together = abs(last - before) <= BAND and before + last >= LOOKS * JITTER
        return together or min(before, last) >= JITTER

    def _came_steadily(self) -> bool:
        """Whether the last look goes on from the two before, as no errant box does."""
        if len(self._trail) < 3:
            return False
        (a, b, c) = self._trail
        before, last = _speed(a, b), _speed(b, c)
        return before * last > 0 and 0.5 <= last / before <= 2

    def _begin(self, depth: float, jitter: float) -> None:
        """The side from which the person came, as far as known by now."""
        if abs(depth) >= jitter:
            side = _sign(depth)
            self._far = max(self._far, abs(depth)) if side == self._side else abs(depth)
            self._side = side

    def _cross(self, depth: float, unit: float) -> None:
        """Change sides if the person walked far enough; note it if that was over the line."""
        if self._far + abs(depth) < BAND * unit:
            return
        self._side, self._far, self._turned = _sign(depth), abs(depth), True
        self._beyond = 0
        if self._is_over(self._passage.along, unit):
            direction = Direction.IN if self._side > 0 else Direction.OUT
            self._decided.append((direction, self._passage))

    def _is_over(self, along: float, unit: float) -> bool:
        """Whether a place lies between the ends of the line."""
        return -BESIDE * unit <= along <= self.line.length + BESIDE * unit


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _speed(before: Sample, after: Sample) -> float:
    """Change of depth a second; 0 for a clock that stands."""
    return (after.depth - before.depth) / (after.t - before.t) if after.t > before.t else 0.0


def _has_left(track: Track) -> bool:
    """Whether the tracker lost the person beyond the picture's edge."""
    x, y = (track.box[0] + track.box[2]) / 2, (track.box[1] + track.box[3]) / 2
    return not (0 <= x <= 1 and 0 <= y <= 1)


def _is_inside(track: Track, anchor: Point) -> bool:
    """Whether the whole person was in the picture with the anchor there."""
    dx, dy = anchor[0] - track.anchor[0], anchor[1] - track.anchor[1]
    x1, y1, x2, y2 = track.box
    return x1 + dx > 0 and y1 + dy > 0 and x2 + dx < 1 and y2 + dy < 1


def _between(before: Sample, after: Sample) -> Sample:
    """Where the straight way between two looks meets the line."""
    share = before.depth / (before.depth - after.depth)
    return Sample(
        before.frame + share * (after.frame - before.frame),
        before.t + share * (after.t - before.t),
        0.0,
        before.along + share * (after.along - before.along),
    )
