"""How well a line is placed: one line against the trails of a recording, as figures.

    first seen      stops in the band                    lost
        o  . . . . . . [ . o . | . . ] . . . . . . . . . . o
                       band   line
        |<-- margin before -->|<------ margin after ------>|

All distances that are judged are in sizes of the person's own box (its smaller side), times in
seconds. Leaves it to the suggestion to warn of a line and to look for a better one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.trails import Floats, Trail
from edge.types import Line, Point

CLEAR = 1.0  # sizes: twice the dead band, so that nothing hangs on a single look
DEAD_BAND = 0.5  # sizes: the widest band in which the walk decides nothing
BESIDE = 0.25  # sizes: who passes the end of the line so near still passes over it
STOP_S = 3.0  # seconds in the band: who walks through it needs half a second
NEARBY = 2.0  # sizes: who is first or last seen so near may have crossed unseen
WALK = 2.0  # sizes: who gets no further goes nowhere, like a coat on its hook

# What a person is worth or costs when lines are compared; who crosses it clearly is worth 1.
ROOMIER = 0.2  # more, at most, for room beyond what is clear
AGAIN = 0.25  # for each further clear crossing of the same person
UNCLEAR = 0.5  # times the room that there was, in sizes
STOPPED = 1.0  # half of it where that is beside the band: the next one may stop in it
UNSEEN = 0.5
TIGHT = 0.3  # crossed it where no whole box fits beside it

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a recording tells of a line.

    `clear_in`, `clear_out`: crossings by people who were seen a whole size or more on both sides.
    Of the rest all but `room` are people. `unclear`: crossed it, never clearly. `stopped`: stayed
    in its dead band for 3 s or more. `born`, `lost`: were first or last seen within two sizes of
    it, and not clearly on both sides. `room`: boxes that fit between it and the picture's edge, on
    the narrower side, where people pass (the median; at its middle where nobody does).
    """

    clear_in: int
    clear_out: int
    unclear: int
    stopped: int
    born: int
    lost: int
    room: float

    @property
    def unseen(self) -> int:
        """First or last seen at the line."""
        return self.born + self.lost


@dataclass(frozen=True, slots=True)
class Placement:
    """Figures of a line, and where on the picture (0..1) what they count was seen, if anywhere.

    `score` is in people: who crosses clearly is worth 1, who stops or is not seen costs.
    """

    figures: Figures
    score: float
    clear: int  # people who crossed it clearly; there and back is one person
    ways: Floats  # (n trails,) how each one crossed it: 1 in, -1 out, 0 not or there and back
    passes: Floats  # (k, 2) where people crossed it
    stops: Point | None
    unseen: Point | None


class Ground:
    """The trails of a recording, end to end, to be measured all at once.

    Args:
        trails: at least one.
        aspect: width of the picture over its height.
    """

    def __init__(self, trails: Sequence[Trail], aspect: float) -> None:
        self.trails, self.aspect = tuple(trails), aspect
        lengths = [len(trail.stays) for trail in trails]
        self.places = np.concatenate([trail.places for trail in trails])
        self.boxes = np.concatenate([trail.boxes for trail in trails])
        self.sizes = self.boxes.min(axis=1)
        self.stays = np.concatenate([trail.stays for trail in trails])
        self.owner = np.repeat(np.arange(len(lengths)), lengths)
        self.ends = np.cumsum(lengths) - 1
        self.starts = self.ends + 1 - np.array(lengths)
        self.walks: Bools = np.array([_extent(trail) >= WALK for trail in trails])

    @property
    def walkers(self) -> int:
        """How many people walk through the picture, and do not merely stand in it."""
        return int(self.walks.sum())

    @property
    def size(self) -> float:
        """Median size of a person, picture heights."""
        return float(np.median(self.sizes))


class Cut:
    """A line in picture heights, and the ground seen from it.

    Args:
        line: the line; its normal points to the in side.
        ground: who walked where.
    """

    def __init__(self, line: Line, ground: Ground) -> None:
        stretch = np.array((ground.aspect, 1.0))
        self._a, b = np.array(line.a) * stretch, np.array(line.b) * stretch
        self.length = math.dist(self._a, b)
        self.unit: Floats = (b - self._a) / self.length
        normal: Floats = np.array((-self.unit[1], self.unit[0]))
        inwards = normal @ (np.array(line.in_side) * stretch - self._a) > 0
        self.normal: Floats = normal if inwards else -normal
        self._ground = ground
        self.depth: Floats = (ground.places - self._a) @ self.normal
        self.along: Floats = (ground.places - self._a) @ self.unit
        self.ratio: Floats = self.depth / ground.sizes
        beside = BESIDE * ground.sizes
        self.over: Bools = (self.along >= -beside) & (self.along <= self.length + beside)

    def passes(self) -> tuple[NDArray[np.intp], Floats]:
        """Where walkers pass over the line: (k,) last points before, (k,) alongs."""
        ground, side = self._ground, self.depth >= 0
        before = np.flatnonzero((side[:-1] != side[1:]) & (ground.owner[:-1] == ground.owner[1:]))
        share = self.depth[before] / (self.depth[before] - self.depth[before + 1])
        along = self.along[before] + share * (self.along[before + 1] - self.along[before])
        beside = BESIDE * ground.sizes[before]
        over = (along >= -beside) & (along <= self.length + beside)
        over &= ground.walks[ground.owner[before]]
        return before[over], along[over]

    def turns(self, before: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
        """Clear crossings: (k,) whose, (k,) +1 in or -1 out; `before` tells the passes."""
        ground = self._ground
        clear = np.flatnonzero(np.abs(self.ratio) >= CLEAR)
        side, owner = np.sign(self.depth[clear]), ground.owner[clear]
        passed = np.searchsorted(before, clear)  # passes before each of these points
        turn = (side[:-1] != side[1:]) & (owner[:-1] == owner[1:]) & (passed[:-1] < passed[1:])
        return owner[1:][turn], side[1:][turn]

    def margins(self) -> Floats:
        """(n trails,) how far each was seen on the side where that is less, in sizes."""
        high = np.maximum.reduceat(self.ratio, self._ground.starts)
        low = np.minimum.reduceat(self.ratio, self._ground.starts)
        return np.clip(np.minimum(high, -low), 0.0, None)

    def net(self) -> Floats:
        """(n trails,) 1 who came to the in side, -1 who left it, 0 who ends where they began."""
        first, last = (np.sign(self.depth[at]) for at in (self._ground.starts, self._ground.ends))
        return np.where(first * last < 0, last, 0.0)

    def at(self, along: Floats) -> Floats:
        """(k, 2) points of the line, picture heights."""
        points: Floats = self._a + along[:, None] * self.unit
        return points

    def room(self, feet: Floats, boxes: Floats) -> Floats:
        """(k,) boxes that fit beside the line at each foot (k, 2), on the narrower side."""
        bounds = np.array((self._ground.aspect, 1.0))
        ways = [
            ((bounds[axis] if step > 0 else 0.0) - feet[:, axis]) / step
            for normal in (self.normal, -self.normal)
            for axis, step in enumerate(normal)
            if abs(step) > 1e-9
        ]
        room: Floats = np.min(ways, axis=0) / (boxes @ np.abs(self.normal))
        return room


def survey(line: Line, ground: Ground) -> Placement:
    """Judge a line by the trails."""
    cut = Cut(line, ground)
    before, along = cut.passes()
    whose, ways = cut.turns(before)
    passed, first = np.unique(ground.owner[before], return_index=True)
    crossed, clear = _chosen(passed, ground), _chosen(whose, ground)
    born, lost = _unseen(cut, ground, ground.walks & ~clear)
    band, stopped = _stops(cut, ground, DEAD_BAND)
    feet = cut.at(along[first])
    boxes = ground.boxes[before[first]]
    rooms = cut.room(feet, boxes) if len(feet) else _room_at_middle(cut, ground)
    figures = Figures(
        clear_in=int((ways > 0).sum()),
        clear_out=int((ways < 0).sum()),
        unclear=int((crossed & ~clear).sum()),
        stopped=int(stopped.sum()),
        born=int(born.sum()),
        lost=int(lost.sum()),
        room=float(np.median(rooms)),
    )
    margins, again = cut.margins(), len(ways) - int(clear.sum())
    worth = _worth(margins[clear], margins[crossed & ~clear], again)
    almost = _stops(cut, ground, CLEAR)[1]
    return Placement(
        figures,
        worth - _cost(figures, int(almost.sum()), int((rooms < CLEAR).sum())),
        int(clear.sum()),
        np.where(crossed, cut.net(), 0.0),
        feet / (ground.aspect, 1.0),
        _middle(ground.places[band & stopped[ground.owner]], ground.aspect),
        _middle(ground.places[[*ground.starts[born], *ground.ends[lost]]], ground.aspect),
    )


def _chosen(numbers: NDArray[np.intp], ground: Ground) -> Bools:
    """(n trails,) true for these."""
    chosen: Bools = np.zeros(len(ground.starts), bool)
    chosen[numbers] = True
    return chosen


def _unseen(cut: Cut, ground: Ground, unsure: Bools) -> tuple[Bools, Bools]:
    """(n trails,) who of the unsure begins near the line, and who ends there, and was far off."""
    away = np.abs(cut.ratio)
    farthest = np.maximum.reduceat(away, ground.starts)
    born, lost = (
        unsure & cut.over[at] & (away[at] < NEARBY) & (farthest - away[at] >= CLEAR)
        for at in (ground.starts, ground.ends)
    )
    return born, lost


def _stops(cut: Cut, ground: Ground, within: float) -> tuple[Bools, Bools]:
    """(n points,) those within so many sizes of the line, (n trails,) who stops among them."""
    near: Bools = cut.over & (np.abs(cut.ratio) < within)
    return near, np.add.reduceat(np.where(near, ground.stays, 0.0), ground.starts) >= STOP_S


def _worth(clear: Floats, unclear: Floats, again: int) -> float:
    """What the crossings are worth, in people, by the margins of those who cross.

    Beyond what is clear, more room is better, but less and less so: of two lines that are crossed
    clearly the one farther from where people are first and last seen wins.
    """
    roomier = ROOMIER * (clear / (clear + 2)).sum()
    partly = UNCLEAR * np.minimum(unclear, CLEAR).sum()
    return float(len(clear) + roomier + partly + AGAIN * again)


def _cost(figures: Figures, almost: int, tight: int) -> float:
    """What stands against a line, in people; `almost` stop in the band or beside it."""
    stops = STOPPED * (figures.stopped + almost) / 2
    return stops + UNSEEN * figures.unseen + TIGHT * tight


def _extent(trail: Trail) -> float:
    """How far the person got, in sizes."""
    low, high = trail.places.min(axis=0), trail.places.max(axis=0)
    return math.dist(low, high) / float(np.median(trail.sizes))


def _room_at_middle(cut: Cut, ground: Ground) -> Floats:
    middle = cut.at(np.array([cut.length / 2]))
    return cut.room(middle, np.median(ground.boxes, axis=0)[None])


def _middle(places: Floats, aspect: float) -> Point | None:
    """The median of some places, normalised; None of none."""
    if not len(places):
        return None
    x, y = np.median(places, axis=0)
    return float(x) / aspect, float(y)
