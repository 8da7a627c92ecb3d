"""Our own situations at doors of any slant, told in heads and seconds.

Ways are told in the door's own coordinates, in sizes of a head: u along the line from its middle,
v across it. In is where v is positive, whichever way the line lies in the picture:

           v < 0   out
        a ==== 0 ==== b    -> u
           v > 0   in
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge.types import Line
from tests.scenarios.scene import Episode, Head, Heads, Place, Scenario, Script

Spot = tuple[float, float]  # u, v
Sights = list[tuple[float, float, float] | None]  # u, v, scale in each frame; None: hidden
Way = Callable[[np.random.Generator, float], Sights]  # from randomness and frames/s

EVERY = (5.0, 10.0, 25.0)  # frames a second, where the way allows


class Door:
    """A line in a picture, and the way from its coordinates to the picture's.

    Args:
        angle: by which the line is turned from the horizontal, degrees.
        middle: of the line, shares of the picture.
        half: of the line's length, heads.
        size, head: as in `Place`.
        others: v of more lines like this one, heads.
    """

    def __init__(
        self,
        angle: float = 0.0,
        middle: tuple[float, float] = (0.5, 0.5),
        half: float = 2.7,
        size: tuple[int, int] = (640, 480),
        head: tuple[float, float] = (60, 60),
        others: Sequence[float] = (),
    ) -> None:
        turn = math.radians(angle)
        self._u, self._v = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        self._unit = min(head)
        self._middle = (middle[0] * size[0], middle[1] * size[1])
        lines = tuple(
            Line(
                f"L{n}", *(self._share(spot, size) for spot in ((-half, v), (half, v), (0, v + 1)))
            )
            for n, v in enumerate((0.0, *others), 1)
        )
        self.place = Place(size, lines, head)

    def head(self, who: int, u: float, v: float, scale: float) -> Head:
        """Somebody at a spot, in the picture."""
        return Head(*self._pixel((u, v)), scale, who)

    def _pixel(self, spot: Spot) -> tuple[float, float]:
        along, across = (self._unit * part for part in spot)
        x = self._middle[0] + along * self._u[0] + across * self._v[0]
        return x, self._middle[1] + along * self._u[1] + across * self._v[1]

    def _share(self, spot: Spot, size: tuple[int, int]) -> tuple[float, float]:
        x, y = self._pixel(spot)
        return x / size[0], y / size[1]


def walk(
    *spots: Spot,
    speed: float = 3.5,
    waits: dict[int, float] | None = None,
    after: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
) -> Way:
    """Walk from spot to spot, not seen before the first nor behind the last.

    Args:
        spots: u, v.
        speed: heads a second; 3.5 is a stroll.
        waits: seconds of standing at some of the spots.
        after: seconds until it begins.
        scale: the head's size at the first spot and at the last.
    """
    times, waits = [after], waits or {}
    places = [spots[0]]
    for number, spot in enumerate(spots):
        if number:
            times.append(times[-1] + math.dist(places[-1], spot) / speed)
            places.append(spot)
        if number in waits:
            times.append(times[-1] + waits[number])
            places.append(spot)

    def way(rng: np.random.Generator, fps: float) -> Sights:
        moments = np.arange(rng.uniform(0, 1), times[-1] * fps, 1) / fps
        us, vs = (np.interp(moments, times, [place[axis] for place in places]) for axis in (0, 1))
        scales = np.interp(moments, (times[0], times[-1]), scale)
        told = zip(moments, us.tolist(), vs.tolist(), scales.tolist(), strict=True)
        return [(u, v, s) if moment >= after else None for moment, u, v, s in told]

    return way


def hidden(way: Way, middle: float, seconds: float) -> Way:
    """Nothing is seen for some seconds around the moment at which v passes `middle`."""

    def behind(rng: np.random.Generator, fps: float) -> Sights:
        sights = way(rng, fps)
        passed = next(i for i, sight in enumerate(sights) if sight and sight[1] >= middle)
        first = passed - seconds * fps / 2
        return [
            None if first <= i < first + seconds * fps else sight for i, sight in enumerate(sights)
        ]

    return behind


def blinking(way: Way, shown: float, gone: float) -> Way:
    """Seen and not seen by turns, for so many seconds each."""
    return lambda rng, fps: [
        sight if (i / fps) % (shown + gone) < shown else None
        for i, sight in enumerate(way(rng, fps))
    ]


def moved(way: Way, most: float) -> Way:
    """Somewhere else along the line, up to `most` heads to either side."""

    def elsewhere(rng: np.random.Generator, fps: float) -> Sights:
        by = rng.uniform(-most, most)
        return [sight and (sight[0] + by, *sight[1:]) for sight in way(rng, fps)]

    return elsewhere


def at(door: Door, *ways: Way, merge: float = 0.0) -> Script:
    """Several people at a door.

    Args:
        door: where.
        ways: one for each.
        merge: of heads nearer to each other than this many heads only the first is seen.
    """

    def script(rng: np.random.Generator, fps: float) -> Episode:
        sights = [way(rng, fps) for way in ways]
        return [
            _apart(
                [
                    door.head(who, *each[i])
                    for who, each in enumerate(sights)
                    if i < len(each) and each[i]
                ],
                merge,
                door,
            )
            for i in range(max(map(len, sights)))
        ]

    return script


def _apart(heads: Heads, merge: float, door: Door) -> Heads:
    """The heads without those that hide behind one before them."""
    least = merge * min(door.place.head)
    shown: Heads = []
    for head in heads:
        if all(math.dist(head[:2], other[:2]) >= least for other in shown):
            shown.append(head)
    return shown


def through(u: float = 0.0, *, back: bool = False, **how: Any) -> Way:
    """Straight in, or out."""
    ends = ((u, 3.2), (u, -3.2)) if back else ((u, -3.2), (u, 3.2))
    return walk(*ends, **how)


DOOR = Door()
TILTED = Door(30)
STEEP = Door(60)
UPRIGHT = Door(90)
BACKWARD = Door(-140)  # in is up and to the left
BODIES = {"head": (50, 150)}

Two = tuple[int, int]  # in, out


def _hard(
    name: str, truth: Two, *ways: Way, door: Door = DOOR, merge: float = 0.0, **more: Any
) -> Scenario:
    # Twice running would be half a second at 4 frames a second, and more than a look to either
    # side of the line: who is not seen there cannot be counted. Others hide people on purpose.
    how = {"pause": 2.0, "fps": EVERY, "in_a_row": "dropped" in more, **more}
    return Scenario(name, truth, at(door, *ways, merge=merge), door.place, **how)


SLANTED = (
    _hard("slanted line, crossed squarely", (20, 0), moved(through(), 2), door=TILTED),
    _hard("slanted line, crossed obliquely", (20, 0), walk((-1.8, -3), (1.8, 3)), door=STEEP),
    _hard("upright line, head-on", (20, 20), through(-0.7), through(0.7, back=True), door=UPRIGHT),
    _hard("backward line, two abreast", (40, 0), through(-0.7), through(0.7), door=BACKWARD),
    _hard(
        "over the line and back round its end",
        (20, 0),
        walk((1, -3), (1, 1.5), (4, 1.5), (4, -3), speed=2.5),
        door=TILTED,
    ),
    _hard(
        "round the end of the line and back over it",
        (0, 20),
        walk((3.8, -3), (3.8, 1.5), (1, 1.5), (1, -3), speed=2.5),
        door=TILTED,
    ),
    _hard("along the line, one head past it", (0, 0), walk((-4, 1), (4, 1)), door=TILTED),
    _hard(
        "in on the left, out on the right",
        (20, 20),
        walk((-1.5, -3), (-1.5, 2), (1.5, 2), (1.5, -3), speed=2.5),
        door=STEEP,
        net=(0, 0),
    ),
)
WAITING = (
    _hard(
        "waits a minute 0.4 before the line, goes back",
        (0, 0),
        walk((0, -3), (0, -0.4), (0, -3), waits={1: 60}),
        fps=(10.0,),
    ),
    _hard(
        "waits a minute 0.4 before the line, goes in",
        (20, 0),
        walk((0, -3), (0, -0.4), (0, 3), waits={1: 60}),
        fps=(10.0,),
    ),
    _hard(
        "waits a minute 0.4 past the line, goes on",
        (20, 0),
        walk((0, -3), (0, 0.4), (0, 3), waits={1: 60}),
        fps=(10.0,),
        door=TILTED,
    ),
    _hard(
        "is first seen waiting 0.4 before the line, goes in",
        (20, 0),
        walk((0, -0.4), (0, 3), waits={0: 5}),
    ),
    _hard("goes out of sight 0.4 past the line", (20, 0), walk((0, -3), (0, 0.4), waits={1: 0.5})),
    _hard(
        "shuffles to and fro over the line, goes in",
        (20, 0),
        walk((0, -3), *[(0, 0.25), (0, -0.25)] * 20, (0, 3), speed=1.0),
    ),
    _hard(
        "stands beside while others pass",
        (20, 20),
        walk((-2.2, -1.2), (-2.2, -1.3), speed=0.02),
        through(0.3, after=1.0),
        through(0.3, back=True, after=5.0),
    ),
    _hard(
        "a queue that waits at the door",
        (60, 0),
        *(
            walk((0, -3.4), (0, -2.0), (0, -0.7), (0, 3.2), waits={1: 1.2, 2: 0.8}, after=2.0 * n)
            for n in range(3)
        ),
    ),
)
ONE_AFTER_ANOTHER = (
    _hard("four abreast", (80, 0), *(through(u) for u in (-1.9, -0.65, 0.6, 1.85))),
    _hard(
        "five in single file",
        (100, 0),
        *(through(after=0.4 * n) for n in range(5)),
        fps=(10.0, 25.0),
    ),
    _hard(
        "paths that cross on the line",
        (40, 0),
        walk((-1.6, -3), (1.6, 3)),
        walk((1.6, -3), (-1.6, 3)),
        merge=0.5,
    ),
    _hard(
        "two pass through each other",
        (20, 20),
        through(-0.25),
        through(0.25, back=True),
        merge=0.7,
        fps=(10.0, 25.0),
    ),
    _hard(
        "overtaken at the line",
        (40, 0),
        through(-0.5, speed=2.0),
        through(0.5, speed=4.5, after=0.9),
    ),
    _hard("an adult and a child", (40, 0), through(-0.5), through(0.45, scale=(0.7, 0.7))),
    _hard(
        "over and over again",
        (60, 40),
        walk((0, -3), *[(0, 1.5), (0, -1.5)] * 2, (0, 3), waits=dict.fromkeys(range(1, 5), 0.4)),
        net=(20, 0),
    ),
    _hard("two lines", (40, 0), through(), door=Door(-30, (0.5, 0.4), others=(1.5,))),
)
SEEN_BADLY = (
    _hard(
        "hidden for 0.8 s at the line", (20, 0), hidden(through(speed=2.5), 0.0, 0.8), dropped=0.0
    ),
    _hard(
        "seen for 0.4 s, then not, by turns", (20, 0), blinking(through(), 0.4, 0.4), dropped=0.0
    ),
    _hard(
        "a third of the boxes missing",
        (20, 20),
        through(-0.8),
        through(0.8, back=True),
        dropped=1 / 3,
        fps=(10.0, 15.0, 30.0),
    ),
    _hard(
        "heads with a second box",
        (40, 0),
        through(-0.7),
        through(0.7),
        doubles=0.25,
        fps=(10.0, 25.0),
        door=TILTED,
    ),
    _hard("false boxes in every tenth frame", (20, 0), through(), false=0.1),
    _hard("large jitter", (20, 0), through(speed=2.0), jitter=0.12),
    _hard(
        "a poster before the line and a passer-by",
        (20, 0),
        walk((1.8, -0.6), (1.8, -0.61), speed=0.001),
        moved(through(-0.8), 0.5),
        dropped=0.2,
        fps=(10.0, 25.0),
    ),
)
OF_ANY_SIZE_AND_SPEED = (
    _hard("a run at 4 frames a second", (20, 0), moved(through(speed=5.2), 2), fps=(4.0,)),
    _hard(
        "a run at 8 frames a second",
        (20, 0),
        moved(through(speed=10.4), 2),
        fps=(8.0,),
        door=TILTED,
    ),
    _hard(
        "a walk at 4 frames a second, two abreast",
        (40, 0),
        through(-0.8, speed=4.0),
        through(0.8, speed=4.0),
        fps=(4.0,),
    ),
    _hard("creeps at 30 frames a second", (20, 0), through(speed=0.7), jitter=0.1, fps=(30.0,)),
    _hard(
        "small heads",
        (20, 20),
        through(-0.7),
        through(0.7, back=True),
        door=Door(20, head=(16, 16)),
        fps=(4.0, *EVERY),
    ),
    _hard(
        "heads a third of the picture high",
        (20, 0),
        through(),
        door=Door(head=(160, 160)),
        fps=(10.0, 25.0),
    ),
    _hard("grows to twice the size", (20, 0), through(scale=(0.75, 1.5))),
    _hard("shrinks to half the size", (0, 20), through(back=True, scale=(1.5, 0.75))),
    _hard("whole bodies", (20, 20), through(-0.8), through(0.8, back=True), door=Door(**BODIES)),
    _hard(
        "whole bodies that grow into the picture",
        (0, 20),
        walk((0, 3.5), (0, -3.5)),
        door=Door(middle=(0.5, 0.85), head=(60, 170)),
    ),
    _hard(
        "whole bodies that leave just past the line",
        (0, 20),
        walk((0, 3.5), (0, -2)),
        door=Door(90, (0.93, 0.5), **BODIES),
    ),
    _hard(
        "heads that leave just past the line",
        (20, 0),
        walk((0, -3.5), (0, 2.5)),
        door=Door(middle=(0.5, 0.93)),
    ),
    _hard(
        "a wide picture",
        (40, 0),
        through(-0.7),
        through(0.7),
        door=Door(-20, size=(1280, 720), head=(90, 90)),
        fps=(15.0,),
    ),
    _hard(
        "a tall picture",
        (20, 20),
        through(-0.7),
        through(0.7, back=True),
        door=Door(110, size=(480, 640)),
        fps=(12.0,),
    ),
)
HARD = (*SLANTED, *WAITING, *ONE_AFTER_ANOTHER, *SEEN_BADLY, *OF_ANY_SIZE_AND_SPEED)
