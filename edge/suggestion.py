"""Looks for the best counting line of a recording, or for a better one than a given line.

Lines of all slants are laid over the picture in small steps, each from where people pass it to a
little beyond, and surveyed; the one of the highest score is proposed. For a given line only those
are tried that count the same way, and of two equally good ones the nearer is taken. Leaves it to
the placement to judge a line, and to the advice to say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edge.placement import Cut, Ground, Placement, survey
from edge.trails import Floats
from edge.types import Line, Point

SLANT = math.radians(15)  # between two slants tried; a line off by half of it is as good
TURN = 4  # slants: how far a given line may be turned, 60 degrees
STRIDE = 0.02  # picture heights between two lines of one slant; a head is three times as large
AROUND = 2.0  # sizes that a line goes on beyond where people pass
NEARER = 0.2  # of each person, for each picture height that a given line is moved
FAR = 0.25  # picture heights: a line moved so far may count another door
BESIDE = 2.0  # sizes from the line to the point that tells its in side
DIGITS = 2  # of the proposed numbers; what is judged is the line as it is told
DEEP = 1.0  # sizes from the picture's edge: who is last seen there has not left through it
EVIDENCE = 3  # people who must stay on one side, twice as many as on the other, to call it in


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line and what the recording tells of it.

    `other_side` lies opposite to the line's in side; `side_is_known` is whether anything but
    chance tells which of the two is in. `moved` is how far the places where people cross it lie
    from a given line, in picture heights.
    """

    line: Line
    placement: Placement
    other_side: Point
    side_is_known: bool
    moved: float = 0.0

    @property
    def is_far(self) -> bool:
        """Whether it lies so far from the given line that it may count another door."""
        return self.moved > FAR


def suggest(ground: Ground, given: Line | None = None) -> Proposal | None:
    """The best line, or the best that counts the same way as the given one; None without any."""
    proposals = _proposals(ground, given)
    if given is None:
        best = _first_best((each.placement.score, each) for each in proposals)
        return _with_side(best, ground) if best is not None else None
    ways = survey(given, ground).ways
    alike = (each for each in proposals if (each.placement.ways * ways >= 0).all())
    price = NEARER * ground.walkers
    return _first_best((each.placement.score - price * each.moved, each) for each in alike)


def _first_best(weighed: Iterable[tuple[float, Proposal]]) -> Proposal | None:
    """The one that weighs most; of equal ones the first."""
    return max(weighed, key=lambda each: round(each[0], 9), default=(0.0, None))[1]


def concerns(ground: Ground, line: Line) -> Ground | None:
    """The part of the ground that lies before and behind the line, not beside its ends."""
    cut = Cut(line, ground)
    inside = (cut.along >= 0) & (cut.along <= cut.length)
    chosen = np.logical_or.reduceat(inside, ground.starts)
    trails = [trail for trail, take in zip(ground.trails, chosen, strict=True) if take]
    return Ground(trails, ground.aspect) if trails else None


def _proposals(ground: Ground, given: Line | None) -> Iterator[Proposal]:
    name = given.name if given is not None else "door"
    for normal in _normals(ground, given):
        for chord in _chords(normal, ground.aspect):
            ends = _ends(*chord, normal, ground)
            told = _told(*ends, normal, ground, name) if ends is not None else None
            if told is not None:
                line, other = told
                placement = survey(line, ground)
                moved = _moved(placement, given, ground) if given is not None else 0.0
                yield Proposal(line, placement, other, side_is_known=True, moved=moved)


def _normals(ground: Ground, given: Line | None) -> Iterable[Floats]:
    """Towards the in side: half a turn of them, or those around the given line's."""
    if given is None:  # downwards first, so that a level line is "in" downwards
        return [_direction(math.pi / 2 - SLANT * i) for i in range(12)]
    x, y = Cut(given, ground).normal
    # The given slant comes first: of two lines that are alike the first stays.
    return [
        _direction(math.atan2(y, x) + SLANT * i) for i in sorted(range(-TURN, TURN + 1), key=abs)
    ]


def _direction(angle: float) -> Floats:
    return np.array((math.cos(angle), math.sin(angle)))


def _chords(normal: Floats, aspect: float) -> Iterator[tuple[Floats, Floats]]:
    """Lines across the whole picture at right angles to the normal, picture heights."""
    corners = np.array([(0, 0), (aspect, 0), (0, 1), (aspect, 1)]) @ normal
    unit = np.array((-normal[1], normal[0]))
    for depth in np.arange(corners.min() + STRIDE, corners.max(), STRIDE):
        low, high = -math.inf, math.inf
        for axis, bound in ((0, aspect), (1, 1.0)):
            if abs(unit[axis]) > 1e-9:
                ways = sorted((side - depth * normal[axis]) / unit[axis] for side in (0.0, bound))
                low, high = max(low, ways[0]), min(high, ways[1])
        if high - low > STRIDE:
            yield depth * normal + low * unit, depth * normal + high * unit


def _ends(a: Floats, b: Floats, normal: Floats, ground: Ground) -> tuple[Floats, Floats] | None:
    """The part of a chord that people pass over, and a little more; None where nobody does."""
    stretch = (ground.aspect, 1.0)
    chord = Line("", _point(a / stretch), _point(b / stretch), _point((a + normal) / stretch))
    cut = Cut(chord, ground)
    _, along = cut.passes()
    if not len(along):
        return None
    margin = AROUND * ground.size
    low, high = along.min() - margin, along.max() + margin
    # What is left to the wall is no room for others to pass, so it ends at the wall.
    low = 0.0 if low < margin else low
    high = cut.length if high > cut.length - margin else high
    first, last = cut.at(np.array((low, high)))
    return first, last


def _told(
    a: Floats, b: Floats, normal: Floats, ground: Ground, name: str
) -> tuple[Line, Point] | None:
    """The line in round numbers, and the other side; None where that leaves no room beside it."""
    stretch = np.array((ground.aspect, 1.0))
    middle, away = (a + b) / 2, BESIDE * ground.size * normal
    sides = [_rounded(np.clip((middle + way) / stretch, 0, 1)) for way in (away, -away)]
    first, last = sorted((_rounded(a / stretch), _rounded(b / stretch)))
    line = Line(name, first, last, sides[0])
    depths = [(np.array(side) * stretch - a) @ normal for side in sides]
    if math.dist(first, last) < STRIDE or min(depths[0], -depths[1]) < STRIDE:
        return None
    return line, sides[1]


def _moved(placement: Placement, given: Line, ground: Ground) -> float:
    """How far the places where people pass lie from the given line, picture heights."""
    stretch = np.array((ground.aspect, 1.0))
    passes = (placement.passes - np.array(given.a)) * stretch
    return float(np.abs(passes @ Cut(given, ground).normal).mean()) if len(passes) else 0.0


def _with_side(proposal: Proposal, ground: Ground) -> Proposal:
    """The same line, in on the side where people stay, as far as that is to be seen."""
    cut = Cut(proposal.line, ground)
    last = ground.ends[ground.walks]
    places, depth = ground.places[last], cut.depth[last] / ground.sizes[last]
    bounds = np.array((ground.aspect, 1.0))
    to_edge = np.minimum(places, bounds - places).min(axis=1) / ground.sizes[last]
    stayed = (to_edge >= DEEP) & (np.abs(depth) >= DEEP)
    here, there = int((stayed & (depth > 0)).sum()), int((stayed & (depth < 0)).sum())
    known = max(here, there) >= max(EVIDENCE, 2 * min(here, there))
    line, other = proposal.line, proposal.other_side
    if known and there > here:
        line, other = Line(line.name, line.a, line.b, other), line.in_side
    return Proposal(line, survey(line, ground), other, known)


def _rounded(place: Floats) -> Point:
    return round(float(place[0]), DIGITS), round(float(place[1]), DIGITS)


def _point(place: Floats) -> Point:
    return float(place[0]), float(place[1])
