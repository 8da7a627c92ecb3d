"""Draws what was counted onto the pictures, so that a person finds out why a count came out so.

Every box has its score; every track its id, its trail and a dot where it was first seen; every
line its ends, its arrow, and beside each person the dead band that decides nothing there. A
crossing is marked where the line was passed, for a second from when it was decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from edge.canvas import BLUE, GREEN, GREY, RED, YELLOW, Canvas, Colour, bar_height, zoom
from edge.errors import WorldError
from edge.pipeline import Step
from edge.types import Crossing, Direction, Image, Line, Point, Track
from edge.walk import Geometry

_TRAIL = 300  # looks kept of a track
_MARKED_S = 1.0  # how long a crossing is marked
_LAST_S = 2.0  # how long the last picture stays, with what was decided after it
_BAND_NEAR = 4.0  # sizes from the line within which a person's dead band is drawn
_COLOURS: tuple[Colour, ...] = (  # of the tracks, by id
    *((80, 220, 80), (250, 180, 60), (220, 120, 250)),
    *((200, 230, 60), (100, 160, 255), (250, 140, 140)),
)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A crossing that is shown: where it was and until when."""

    crossing: Crossing
    place: Point
    until: float  # seconds


class Annotator:
    """Writes an MP4 with everything that was seen and counted.

    Args:
        path: the video to write; its folder must exist.
        lines: the counting lines.
        size: (width, height) of the pictures, pixels; narrow ones are drawn at twice that.
        fps: frames per second of the video.

    Raises:
        WorldError: the video cannot be written there.
    """

    def __init__(
        self, path: Path, lines: tuple[Line, ...], size: tuple[int, int], fps: float
    ) -> None:
        rows = 1 + len(lines)
        drawn = size[0] * zoom(size), size[1] * zoom(size) + bar_height(size, rows)
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, drawn)
        if not self._writer.isOpened():
            raise WorldError(f"{path}: the video cannot be written; does its folder exist?")
        self._lines, self._fps = lines, fps
        self._geometries = [Geometry(line, size[0] / size[1]) for line in lines]
        self._trails: dict[int, deque[tuple[int, Point]]] = {}
        self._totals = {line.name: {Direction.IN: 0, Direction.OUT: 0} for line in lines}
        self._marks: list[_Mark] = []
        self._last: Step | None = None
        self._told: set[Crossing] = set()

    @property
    def remembered(self) -> int:
        """Tracks whose trails are in memory."""
        return len(self._trails)

    def draw(self, step: Step) -> None:
        """Draw one step and write it."""
        frame = step.sighting.frame
        for track in step.tracks.active:
            if track.seen:
                trail = self._trails.setdefault(track.id, deque(maxlen=_TRAIL))
                trail.append((frame.index, track.anchor))
        self._mark(step.crossings, frame.t)
        # Dropped only now: who ended may have crossed, and the mark needs the trail.
        self._trails = {track.id: self._trails[track.id] for track in step.tracks.active}
        self._write(step)
        self._last = step

    def finish(self, crossings: Sequence[Crossing]) -> None:
        """Hold the last picture and mark those of all the crossings that came after it."""
        late = [crossing for crossing in crossings if crossing not in self._told]
        if self._last is None or not late:
            return
        self._mark(late, self._last.sighting.frame.t)
        for _ in range(round(_LAST_S * self._fps)):
            self._write(self._last)

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def _mark(self, crossings: Iterable[Crossing], t: float) -> None:
        """Note new crossings, and forget the marks that have been seen long enough."""
        self._marks = [mark for mark in self._marks if mark.until > t]
        for crossing in crossings:
            self._told.add(crossing)
            self._totals[crossing.line][crossing.direction] += 1
            self._marks.append(_Mark(crossing, self._place(crossing), t + _MARKED_S))

    def _place(self, crossing: Crossing) -> Point:
        """Where the person was then; the line's middle for one who is remembered no more."""
        line = next(line for line in self._lines if line.name == crossing.line)
        middle = (line.a[0] + line.b[0]) / 2, (line.a[1] + line.b[1]) / 2
        looks = self._trails.get(crossing.track, ((crossing.frame, middle),))
        return min(looks, key=lambda look: abs(look[0] - crossing.frame))[1]

    def _write(self, step: Step) -> None:
        canvas = Canvas(step.sighting.frame.image, 1 + len(self._lines))
        self._draw_boxes(canvas, step)
        for line in self._lines:
            lit = any(mark.crossing.line == line.name for mark in self._marks)
            canvas.line(line, RED if lit else YELLOW)
        for track in step.tracks.active:
            self._draw_track(canvas, track)
        for mark in self._marks:
            self._draw_mark(canvas, mark)
        self._draw_bar(canvas, step)
        self._writer.write(canvas.image)

    def _draw_boxes(self, canvas: Canvas, step: Step) -> None:
        seen = step.sighting.detections
        for box, score in zip(seen.boxes, seen.scores, strict=True):
            canvas.box(box, GREY)
            canvas.text(f"{score:.2f}"[1:] if score < 1 else "1.0", (box[0], box[3]), GREY)

    def _draw_track(self, canvas: Canvas, track: Track) -> None:
        """A person: bold while seen, thin and at the predicted place while hidden."""
        colour = _COLOURS[track.id % len(_COLOURS)] if track.confirmed else GREY
        trail = [place for _, place in self._trails[track.id]]
        canvas.way(trail, colour)
        canvas.dot(trail[0], colour)
        canvas.box(track.box, colour, bold=track.seen)
        canvas.text(f"#{track.id}" if track.seen else f"#{track.id}?", track.box[:2], colour)
        for line, geometry in zip(self._lines, self._geometries, strict=True):
            _draw_band(canvas, line, geometry, track)

    def _draw_mark(self, canvas: Canvas, mark: _Mark) -> None:
        """A spot and an arrow the way the person went."""
        line = next(line for line in self._lines if line.name == mark.crossing.line)
        (ax, ay), (bx, by) = canvas.inwards(line)
        way = 1 if mark.crossing.direction is Direction.IN else -1
        x, y = mark.place
        tip = x + way * (bx - ax), y + way * (by - ay)
        canvas.dot(mark.place, RED, bold=True)
        canvas.arrow(mark.place, tip, RED)
        canvas.text(f"{mark.crossing.direction.upper()} #{mark.crossing.track}", tip, RED)

    def _draw_bar(self, canvas: Canvas, step: Step) -> None:
        frame, people = step.sighting.frame, sum(t.confirmed for t in step.tracks.active)
        canvas.row(0, f"frame {frame.index}   {frame.t:.2f} s   {people} followed", GREY)
        for number, (name, totals) in enumerate(self._totals.items(), 1):
            latest = [mark.crossing for mark in self._marks if mark.crossing.line == name]
            told = "".join(f"   {c.direction} #{c.track} at {c.t:.2f} s" for c in latest)
            text = f"{name}  in {totals[Direction.IN]}  out {totals[Direction.OUT]}{told}"
            canvas.row(number, text, RED if latest else YELLOW)


def _draw_band(canvas: Canvas, line: Line, geometry: Geometry, track: Track) -> None:
    """The two edges of the dead band where a person comes near to a line.

    -----   band
    =====   line
    -----   band
    """
    depth, along = geometry.place(track.anchor)
    band, size = geometry.band(track, along), min(geometry.size(track))
    if not track.seen or abs(depth) > _BAND_NEAR * size or not 0 <= along <= geometry.length:
        return
    (ax, ay), (bx, by) = canvas.inwards(line)
    high = geometry.place((bx, by))[0]
    for way in (band / high, -band / high):
        ends = []
        for place in (along - size / 2, along + size / 2):
            share = min(max(place / geometry.length, 0.0), 1.0)
            x = line.a[0] + share * (line.b[0] - line.a[0]) + way * (bx - ax)
            y = line.a[1] + share * (line.b[1] - line.a[1]) + way * (by - ay)
            ends.append((x, y))
        canvas.way(ends, YELLOW)


def draw_lines(picture: Image, lines: Sequence[Line]) -> Image:
    """A copy of the picture with the counting lines, their names, and arrows to their in sides."""
    canvas = Canvas(picture, enlarge=False)
    for line in lines:
        canvas.line(line, YELLOW)
    return canvas.image


def draw_ways(
    picture: Image, ways: Iterable[Sequence[Point]], given: Sequence[Line], better: Sequence[Line]
) -> Image:
    """A drawing of where people walked, from the dots on; given lines yellow, better ones green."""
    canvas = Canvas(picture)
    for way in ways:
        canvas.way(way, BLUE)
        canvas.dot(way[0], BLUE)
    for line in given:
        canvas.line(line, YELLOW)
    for line in better:
        canvas.line(line, GREEN)
    return canvas.image
