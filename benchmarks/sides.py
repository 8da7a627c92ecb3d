"""The textbook rule at a line, for trackers that bring none: remember the side, count a change.

    ---------[ band | line | band ]---------     in the band the side stays what it was

Boxes are pixels, the judged point is their centre.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.types import Crossing, Direction, Line

Point = tuple[float, float]  # pixels


class Sides:
    """One line.

    Args:
        line: where to count.
        size: (width, height) of the picture, pixels.
        band: on each side of the line, pixels.
    """

    def __init__(self, line: Line, size: tuple[int, int], band: float) -> None:
        self._name, self._band = line.name, band
        self._a, self._b = _pixels(line.a, size), _pixels(line.b, size)
        self._sign = 1 if _cross(self._a, self._b, _pixels(line.in_side, size)) > 0 else -1
        self._side: dict[int, int] = {}  # by track: +1 in, -1 out
        self._last: dict[int, Point] = {}  # where a track was last on its side

    def look(self, track: int, centre: Point, index: int, t: float) -> Iterable[Crossing]:
        """Take one look at a track."""
        length = ((self._b[0] - self._a[0]) ** 2 + (self._b[1] - self._a[1]) ** 2) ** 0.5
        depth = self._sign * _cross(self._a, self._b, centre) / length
        if abs(depth) <= self._band:
            return ()
        side = 1 if depth > 0 else -1
        before, last = self._side.get(track, side), self._last.get(track, centre)
        self._side[track], self._last[track] = side, centre
        if side == before or not self._between_the_ends(last, centre):
            return ()
        direction = Direction.IN if side > 0 else Direction.OUT
        return (Crossing(self._name, direction, index, t, track, 0.0, 1.0),)

    def _between_the_ends(self, last: Point, now: Point) -> bool:
        """Whether the way from the last place on the other side meets the line itself."""
        return _cross(last, now, self._a) * _cross(last, now, self._b) <= 0


def _pixels(point: Point, size: tuple[int, int]) -> Point:
    return point[0] * size[0], point[1] * size[1]


def _cross(a: Point, b: Point, point: Point) -> float:
    """Positive where the point lies clockwise of a to b, y downwards."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
