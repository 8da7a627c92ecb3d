"""Decides who crossed a line: Tracks and time in, Crossings out.

Each person has a side of each line, which changes only when the anchor is clearly on the other
one, so that jitter, a stop on the line or a peek over it count nothing:

      side stays "before"                  crossed: counted, side is now "past"
    ----------------------[ band | line | band ]----------------------> anchor
                           nothing happens in the band

The band is a share of the person's size, or of the room that the picture leaves beside the line
where that is less. At the two ends of a track nothing more can come that would correct the
verdict, so there the anchor needs to be past the line by no more than jitter, provided that the
person has walked further than a band: people who come into view or leave it close to the line
count, and a track cut in two at the line counts once. The rule is the same with time reversed.

A crossing tells the frame and time at which the anchor passed the line, however late it was
decided. Leaves following people to the tracker and adding up to the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.errors import CallError
from edge.types import Crossing, Direction, Line, Point, Track, TrackUpdate

Mode = Literal["immediate", "deferred"]

# Shares of the smaller side of the person's box.
BAND = 0.5  # 0.35 still counts those who peek over the line by a quarter of a head
JITTER = 0.15  # a box is placed no better than that
BESIDE = 0.25  # a person who touches the end of the line passes over it
LOOKS = 2  # one errant box is no crossing
ROOM = 0.5  # share of the room beside the line that the band may take


@dataclass(frozen=True, slots=True)
class LineSettings:
    """When to count.

    `immediate` counts each crossing when it is certain, in and out again as two. `deferred`
    counts when the person leaves the view: the net crossing, or with `u_turns` all of them.
    """

    mode: Mode = "immediate"
    u_turns: bool = False


@dataclass(frozen=True, slots=True)
class LineQuality:
    """Figures that tell of a badly placed line or a blind detector.

    `born_past`: people first seen in mid-picture who then walked away from the line: they may
    have crossed it unseen. `undecided`: people who were last seen in the band of the line.
    """

    born_past: int = 0
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class _Sample:
    """An anchor in the line's own coordinates, in picture heights."""

    frame: float
    t: float
    depth: float  # distance from the line, positive on the in side
    along: float  # from a towards b


class _Geometry:
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

    def room(self, along: float, width: float, height: float) -> float:
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

    def band(self, track: Track, along: float) -> float:
        width, height = self.size(track)
        unit = min(width, height)
        return min(max(ROOM * self.room(along, width, height), JITTER * unit), BAND * unit)

    def size(self, track: Track) -> tuple[float, float]:
        x1, y1, x2, y2 = track.box
        return (x2 - x1) * self._aspect, y2 - y1


@dataclass(slots=True)
class _Walk:
    """What is known of one person and one line."""

    side: int = 0  # +1 in, -1 out, 0 not known
    far: float = 0.0  # the greatest distance from the line on that side
    turned: bool = False  # the side has changed since the origin
    beyond: int = 0  # looks in a row that show the person past the band
    past: int = 0  # looks in a row
    last: _Sample | None = None
    passage: _Sample | None = None  # the last change of sign
    decided: list[tuple[Direction, _Sample]] = field(default_factory=list)  # not yet told


class LineCounter:
    """Counts people over the lines of one picture.

    Args:
        lines: the lines, with names that differ.
        settings: when to count.
        aspect: width of the picture over its height.

    Raises:
        CallError: a line of no length, an in side on the line, or one name twice.
    """

    def __init__(self, lines: Sequence[Line], settings: LineSettings, aspect: float) -> None:
        names = [line.name for line in lines]
        if len(set(names)) < len(names):
            raise CallError(f"each line needs a name of its own, not {', '.join(names)}")
        self._lines = [_Geometry(line, aspect) for line in lines]
        self._settings = settings
        self._walks: dict[int, list[_Walk]] = {}
        self._tracks: dict[int, Track] = {}
        self._quality = LineQuality()

    @property
    def quality(self) -> LineQuality:
        """Figures since the start."""
        return self._quality

    def update(self, tracks: TrackUpdate, frame_index: int, t: float) -> tuple[Crossing, ...]:
        """Take the tracks of one frame; tell the crossings that became certain with it."""
        crossings: list[Crossing] = []
        for track in tracks.ended:
            crossings += self._end(track)
        for track in tracks.active:
            if track.seen:
                crossings += self._follow(track, frame_index, t)
        return tuple(crossings)

    def finish(self) -> tuple[Crossing, ...]:
        """The end of the stream: decide on the people who are still in view."""
        return tuple(c for track in list(self._tracks.values()) for c in self._end(track))

    def _follow(self, track: Track, frame_index: int, t: float) -> list[Crossing]:
        walks = self._walks.setdefault(track.id, [_Walk() for _ in self._lines])
        self._tracks[track.id] = track
        crossings: list[Crossing] = []
        for line, walk in zip(self._lines, walks, strict=True):
            depth, along = line.place(track.anchor)
            _step(line, walk, track, _Sample(frame_index, t, depth, along))
            if track.confirmed and self._settings.mode == "immediate":
                crossings += _tell(line, walk, track)
        return crossings

    def _end(self, track: Track) -> list[Crossing]:
        self._tracks.pop(track.id, None)
        crossings: list[Crossing] = []
        for line, walk in zip(self._lines, self._walks.pop(track.id, ()), strict=False):
            if not track.confirmed:
                continue
            _close(line, walk, track)
            if self._settings.mode == "deferred" and not self._settings.u_turns:
                walk.decided = _net(walk.decided)
            crossings += _tell(line, walk, track)
        return crossings


def _step(line: _Geometry, walk: _Walk, track: Track, now: _Sample) -> None:
    """Take one look at the person."""
    if walk.last is None:
        walk.passage = now
    elif walk.last.depth * now.depth < 0:
        walk.passage = _between(walk.last, now)
    walk.last = now
    width, height = line.size(track)
    if not walk.turned:
        _begin(walk, line.place(track.origin)[0], JITTER * min(width, height))
    band = line.band(track, now.along)
    jitter = JITTER * min(width, height)
    other = walk.side * now.depth < 0
    walk.beyond = walk.beyond + 1 if other and abs(now.depth) >= band else 0
    walk.past = walk.past + 1 if other and abs(now.depth) >= jitter else 0
    if walk.side * now.depth >= 0:
        walk.far = max(walk.far, abs(now.depth))
    elif walk.beyond >= LOOKS:
        _cross(line, walk, track, now.depth)
    if walk.side == 0 and abs(now.depth) >= band:
        walk.side = 1 if now.depth > 0 else -1


def _begin(walk: _Walk, depth: float, jitter: float) -> None:
    """The side from which the person came, as far as known by now."""
    if abs(depth) >= jitter:
        side = 1 if depth > 0 else -1
        walk.far = abs(depth) if side != walk.side else max(walk.far, abs(depth))
        walk.side = side


def _cross(line: _Geometry, walk: _Walk, track: Track, depth: float) -> None:
    """Change sides if the person walked far enough; note it if that was over the line."""
    unit = min(line.size(track))
    if walk.far + abs(depth) < BAND * unit or walk.passage is None:
        return
    walk.side = 1 if depth > 0 else -1
    walk.far, walk.turned = abs(depth), True
    if -BESIDE * unit <= walk.passage.along <= line.length + BESIDE * unit:
        direction = Direction.IN if walk.side > 0 else Direction.OUT
        walk.decided.append((direction, walk.passage))


def _close(line: _Geometry, walk: _Walk, track: Track) -> None:
    """The track has ended: the last place decides, short of jitter only."""
    depth, _ = line.place(track.anchor)
    if walk.last is not None and walk.last.depth * depth < 0:
        walk.passage = walk.last  # it left the picture on the other side
    left = not (0 < track.anchor[0] < 1 and 0 < track.anchor[1] < 1)
    if walk.past < LOOKS and not left:
        return
    if walk.side * depth < 0 and abs(depth) >= JITTER * min(line.size(track)):
        _cross(line, walk, track, depth)


def _between(before: _Sample, after: _Sample) -> _Sample:
    """Where the straight way between two looks meets the line."""
    share = before.depth / (before.depth - after.depth)
    return _Sample(
        before.frame + share * (after.frame - before.frame),
        before.t + share * (after.t - before.t),
        0.0,
        before.along + share * (after.along - before.along),
    )


def _net(decided: list[tuple[Direction, _Sample]]) -> list[tuple[Direction, _Sample]]:
    """The last crossing of the direction that is one ahead; nothing after an even number."""
    ins = [d for d in decided if d[0] is Direction.IN]
    outs = [d for d in decided if d[0] is Direction.OUT]
    if len(ins) == len(outs):
        return []
    return [ins[-1] if len(ins) > len(outs) else outs[-1]]


def _tell(line: _Geometry, walk: _Walk, track: Track) -> list[Crossing]:
    """The crossings decided and not yet told."""
    crossings = [
        Crossing(
            line=line.name,
            direction=direction,
            frame=round(passage.frame),
            t=passage.t,
            track=track.id,
            track_s=track.age,
            confidence=min(max(track.score, 0.0), 1.0),
        )
        for direction, passage in walk.decided
    ]
    walk.decided.clear()
    return crossings
