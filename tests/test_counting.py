"""Tracker and line together: what must not matter to a count.

People walk between clear spots, a head and more on either side of a line, with a rest where they
turn. Lengths are in sizes of a head; the picture is square and the scene lies in its middle.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.detections import Detections
from edge.line import LineCounter, LineSettings
from edge.tracker import Tracker, TrackerSettings
from edge.types import Line

HEAD = 0.06  # of the picture's height
REST = 0.4  # seconds at each spot
LINE = ((-4.0, 0.0), (4.0, 0.0), (0.0, 1.0))  # a, b, in side; u, v in heads

Spot = tuple[float, float]  # u, v
Way = list[Spot]


@dataclass(frozen=True)
class View:
    """How the scene lies in the picture."""

    angle: float = 0.0  # radians
    scale: float = 1.0
    shift: Spot = (0.0, 0.0)  # shares of the picture

    def place(self, spot: Spot) -> Spot:
        """Where a spot is seen."""
        u, v = (self.scale * HEAD * part for part in spot)
        x = u * math.cos(self.angle) - v * math.sin(self.angle)
        y = u * math.sin(self.angle) + v * math.cos(self.angle)
        return 0.5 + self.shift[0] + x, 0.5 + self.shift[1] + y


def moments(way: Way, speed: float) -> list[float]:
    """When each spot is reached and left, two times each."""
    times = [0.0, REST]
    for before, after in itertools.pairwise(way):
        times += [times[-1] + math.dist(before, after) / speed]
        times += [times[-1] + REST]
    return times


def count(
    ways: list[Way],
    speed: float,
    view: View | None = None,
    fps: float = 10.0,
    settings_: LineSettings | None = None,
    turned: bool = False,
    mirrored: bool = False,
) -> tuple[int, int]:
    """In and out of people who walk at the same time."""
    view = view or View()
    a, b, side = LINE
    if turned:
        a, b = b, a
    if mirrored:
        side = (side[0], -side[1])
    line = Line("L", view.place(a), view.place(b), view.place(side))
    tracker = Tracker(TrackerSettings(), 1.0)
    counter = LineCounter([line], settings_ or LineSettings(), 1.0)
    crossings = []
    times = [moments(way, speed) for way in ways]
    half = view.scale * HEAD / 2
    for index in range(round((max(t[-1] for t in times) + 2) * fps)):
        now, boxes = index / fps, []
        for way, at in zip(ways, times, strict=True):
            if now <= at[-1]:
                spots = np.repeat(way, 2, axis=0)
                u, v = (float(np.interp(now, at, spots[:, axis])) for axis in (0, 1))
                x, y = view.place((u, v))
                boxes.append((x - half, y - half, x + half, y + half))
        seen = Detections.of(boxes, [0.9] * len(boxes))
        crossings += counter.update(tracker.update(seen, now), index, now)
    crossings += counter.finish()
    ins = sum(each.direction == "in" for each in crossings)
    return ins, len(crossings) - ins


sides = st.sampled_from([-1.0, 1.0])
spots = st.builds(lambda u, v, side: (u, v * side), st.floats(-1, 1), st.floats(1.3, 2.5), sides)
ways = st.lists(spots, min_size=2, max_size=4)
speeds = st.floats(2.0, 4.0)
views = st.builds(
    View,
    st.floats(0, 2 * math.pi),
    st.floats(0.6, 1.4),
    st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
)
modes = st.sampled_from(
    [LineSettings(), LineSettings("deferred"), LineSettings("deferred", u_turns=True)]
)
quick = settings(max_examples=25, deadline=None)


def truth(way: Way) -> tuple[int, int]:
    """How often a way leads in and out."""
    steps = [np.sign(after[1]) - np.sign(before[1]) for before, after in itertools.pairwise(way)]
    return sum(step > 0 for step in steps), sum(step < 0 for step in steps)


@quick
@given(ways, speeds)
def test_every_way_is_counted(way: Way, speed: float) -> None:
    """In and out again as often as the person passes."""
    assert truth(way) == count([way], speed)


@quick
@given(ways, speeds, views, modes)
def test_a_turned_scaled_shifted_scene_counts_alike(
    way: Way, speed: float, view: View, mode: LineSettings
) -> None:
    """People and line together, at any angle."""
    assert count([way], speed, settings_=mode) == count([way], speed, view, settings_=mode)


@quick
@given(ways, speeds, modes)
def test_the_ends_of_the_line_may_be_swapped(way: Way, speed: float, mode: LineSettings) -> None:
    """The in side gives the direction, not the order of a and b."""
    assert count([way], speed, settings_=mode) == count([way], speed, settings_=mode, turned=True)


@quick
@given(ways, speeds, modes)
def test_the_other_in_side_swaps_in_and_out(way: Way, speed: float, mode: LineSettings) -> None:
    """And changes nothing else."""
    ins, outs = count([way], speed, settings_=mode)

    assert (outs, ins) == count([way], speed, settings_=mode, mirrored=True)


@quick
@given(ways, speeds, modes)
def test_twice_the_frame_rate_counts_alike(way: Way, speed: float, mode: LineSettings) -> None:
    """10 or 20 pictures a second of the same walk."""
    assert count([way], speed, settings_=mode) == count([way], speed, fps=20.0, settings_=mode)


@quick
@given(ways, speeds, st.floats(3.5, 4.5), st.floats(-2.5, 2.5))
def test_a_bystander_far_away_changes_nothing(way: Way, speed: float, u: float, v: float) -> None:
    """Who stands still, two heads and more beside all ways and off the line's end."""
    bystander = [(u + 1.0, v), (u + 1.0, v)]

    assert count([way], speed) == count([way, bystander], speed)


def test_views_differ() -> None:
    """The transformation does what its name says."""
    view = View(math.pi / 2, 2.0, (0.1, 0.0))

    assert (0.6, 0.5) == view.place((0, 0))
    np.testing.assert_allclose((0.6, 0.62), view.place((1, 0)))
    assert replace(view, angle=0.0).place((1, 0))[0] > 0.7
