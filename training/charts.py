"""The curves of a run's report, as SVG that stands in a page without any file beside it.

1 |        ___------     a panel of _WIDTH x _HEIGHT, in which _LEFT, _TOP, _RIGHT and
  |    __--             _BOTTOM are kept for letters
0 +---------------- x
  0        50     100
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Line = Sequence[Point]

_WIDTH, _HEIGHT = 520, 300  # pixels
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 26, 12, 42
_COLOURS = ("#1f6fb4", "#d1611a", "#2a8f3c")


@dataclass(frozen=True, slots=True)
class _Frame:
    """The ranges of a panel's axes."""

    x: Point
    y: Point

    def place(self, x: float, y: float) -> Point:
        """Values to pixels."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )


def lines(
    series: Mapping[str, Line], *, x: str, y: str, most: float | None = None, mark: Line = ()
) -> str:
    """Lines over a common axis, both axes from 0.

    Args:
        series: a name and its points, by rising x; points that are no numbers are left out.
        x: what the horizontal axis is.
        y: what the vertical axis is.
        most: the end of both axes; by default that of the points.
        mark: points to be marked beside the lines.
    """
    known = {n: [p for p in points if all(map(math.isfinite, p))] for n, points in series.items()}
    known = {name: points for name, points in known.items() if points}
    every = [point for points in known.values() for point in points]
    ends = [most or _round_up(max((p[k] for p in every), default=1.0)) for k in (0, 1)]
    frame = _Frame((0, ends[0]), (0, ends[1]))
    parts = [_axes(frame, x, y), _names(list(known))]
    for number, points in enumerate(known.values()):
        path = " ".join("{:.1f},{:.1f}".format(*frame.place(*point)) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(number)}"/>')
        parts += [_dot(frame, point, _colour(number), 2) for point in points if len(points) < 40]
    parts += [_dot(frame, point, "#000", 5) for point in mark]
    return _svg(parts)


def bars(groups: Mapping[str, Mapping[str, float]], *, x: str) -> str:
    """Bars from 0 to 1, a group's side by side: {"8-16": {"AP50": 0.6, "recall": 0.5}}."""
    frame = _Frame((0, len(groups)), (0, 1))
    names = list(next(iter(groups.values())))
    parts = [_axes(frame, "", "", along=False), _names(names), _text(_WIDTH / 2, _HEIGHT - 6, x)]
    wide = 0.8 / len(names)
    for place, (group, row) in enumerate(groups.items()):
        parts.append(_text(frame.place(place + 0.5, 0)[0], _HEIGHT - _BOTTOM + 16, group))
        for number, value in enumerate(row.values()):
            left, top = frame.place(place + 0.1 + number * wide, min(max(value, 0.0), 1.0))
            right, bottom = frame.place(place + 0.1 + (number + 1) * wide, 0)
            if math.isfinite(value):
                parts.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                    f'height="{bottom - top:.1f}" fill="{_colour(number)}"/>'
                )
    return _svg(parts)


def ticks(end: float) -> list[float]:
    """Four to ten round numbers from 0 to `end`."""
    step = 10.0 ** math.floor(math.log10(end / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if end / (step * factor) <= 10)
    return [k * step for k in range(math.floor(end / step + 1e-9) + 1)]


def _round_up(value: float) -> float:
    """The next number above that has two digits, at least 1."""
    step = 10.0 ** (math.floor(math.log10(max(value, 1.0))) - 1)
    return math.ceil(max(value, 1.0) / step) * step


def _axes(frame: _Frame, x: str, y: str, *, along: bool = True) -> str:
    parts = [_text(_LEFT, 14, y, "start"), _text(_WIDTH / 2, _HEIGHT - 6, x)]
    for value in ticks(frame.y[1]):
        _, at = frame.place(0, value)
        parts.append(_stroke(_LEFT, at, _WIDTH - _RIGHT, at))
        parts.append(_text(_LEFT - 6, at + 4, f"{value:g}", "end"))
    for value in ticks(frame.x[1]) if along else ():
        at, _ = frame.place(value, 0)
        parts.append(_stroke(at, _TOP, at, _HEIGHT - _BOTTOM))
        parts.append(_text(at, _HEIGHT - _BOTTOM + 16, f"{value:g}"))
    return "".join(parts)


def _names(names: Sequence[str]) -> str:
    right = [_WIDTH - _RIGHT - 130 * k for k in range(len(names))]
    return "".join(
        _text(at, 14, name, "end", _colour(number))
        for number, (name, at) in enumerate(zip(names, reversed(right), strict=True))
    )


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _dot(frame: _Frame, point: Point, colour: str, radius: int) -> str:
    x, y = frame.place(*point)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#333") -> str:
    text = html.escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _svg(parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    style = 'font-family="sans-serif" font-size="12" stroke-width="1.5"'
    return f"<svg {size} {style}>{''.join(parts)}</svg>"
