"""Scores counts against a truth made by eye: what was found, missed, counted for nothing.

An event and a crossing match when line and direction are the same and the crossing's frame lies
within the event's window, half a second wider on both sides; one to one, as many as possible,
required events before optional ones. A match with an optional event is neither right nor wrong.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import CallError, DataError
from edge.line import LineCounter, LineSettings
from edge.types import Crossing, Direction, Line

SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Event:
    """A true crossing. Any frame from `frame_lo` to `frame_hi` is a sensible one.

    In a file both may be left out, as `headcount replay --events` does: then it is `frame` alone.
    """

    line: str
    direction: Direction
    frame: int
    frame_lo: int
    frame_hi: int
    optional: bool

    def to_json(self) -> dict[str, Any]:
        """For the list of the missed."""
        return {"line": self.line, "direction": self.direction.value, "frame": self.frame}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a recording."""

    lines: tuple[Line, ...]
    events: tuple[Event, ...]
    fps: float


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What became of each event and crossing."""

    found: tuple[Event, ...]  # required events that were counted
    missed: tuple[Event, ...]  # required events that were not
    false: tuple[Crossing, ...]
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `headcount audit --json` prints, but for the speed."""
        tp, fn, fp = self._tally()
        return {
            "tp": tp,
            "fn": fn,
            "fp": fp,
            "precision": tp / (tp + fp) if tp + fp else None,
            "recall": tp / (tp + fn) if tp + fn else None,
            **{way.value: self._named(direction=way) for way in Direction},
            "lines": {name: self._named(line=name) for name in self.lines},
            "missed": [event.to_json() for event in self.missed],
            "false": [
                {"line": c.line, "direction": c.direction.value, "frame": c.frame}
                for c in self.false
            ],
        }

    def _named(self, **only: str) -> dict[str, int]:
        return dict(zip(("tp", "fn", "fp"), self._tally(**only), strict=True))

    def _tally(self, **only: str) -> tuple[int, int, int]:
        def count(items: Sequence[Event | Crossing]) -> int:
            return sum(all(getattr(item, key) == only[key] for key in only) for item in items)

        return count(self.found), count(self.missed), count(self.false)


def match(events: Sequence[Event], crossings: Sequence[Crossing], fps: float) -> AuditResult:
    """Match crossings with events, as many as possible.

    Args:
        events: the truth.
        crossings: what was counted, over the same lines.
        fps: frames per second of the recording.
    """
    slack = SLACK_S * fps
    fits = [[_fits(event, crossing, slack) for crossing in crossings] for event in events]
    taken: dict[int, int] = {}  # crossing to event
    # An augmenting path never gives up an event that is matched already, so the required ones,
    # which come first, stay as many as they can be.
    order = sorted(range(len(events)), key=lambda i: events[i].optional)
    for i in order:
        _augment(i, fits, taken, set())
    matched = set(taken.values())
    required = [i for i, event in enumerate(events) if not event.optional]
    return AuditResult(
        tuple(events[i] for i in required if i in matched),
        tuple(events[i] for i in required if i not in matched),
        tuple(crossing for j, crossing in enumerate(crossings) if j not in taken),
        tuple(dict.fromkeys([*(e.line for e in events), *(c.line for c in crossings)])),
    )


def _fits(event: Event, crossing: Crossing, slack: float) -> bool:
    return (
        event.line == crossing.line
        and event.direction is crossing.direction
        and event.frame_lo - slack <= crossing.frame <= event.frame_hi + slack
    )


def _augment(i: int, fits: list[list[bool]], taken: dict[int, int], tried: set[int]) -> bool:
    """Find event `i` a crossing, moving others on if need be (Kuhn 1955)."""
    for j, fit in enumerate(fits[i]):
        if fit and j not in tried:
            tried.add(j)
            if j not in taken or _augment(taken[j], fits, taken, tried):
                taken[j] = i
                return True
    return False


def load_truth(path: Path) -> Truth:
    """Read a truth file and the events beside it (`<stem>_events.csv`).

    Raises:
        DataError: a file is missing or wrong; names file, line and field.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such truth file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    try:
        lines = tuple(
            Line(str(line["id"]), _point(line["a"]), _point(line["b"]), _point(line["in_side"]))
            for line in data["lines"]
        )
        fps = float(data["fps"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: needs fps and lines with id, a, b, in_side: {error!r}") from error
    if not lines or not 0 < fps < math.inf:
        raise DataError(f"{path}: needs a line, and fps above 0")
    try:
        LineCounter(lines, LineSettings(), aspect=1.0)
    except CallError as error:
        raise DataError(f"{path}: {error}") from error
    events = _load_events(path.with_name(f"{path.stem}_events.csv"), {line.name for line in lines})
    return Truth(lines, events, fps)


def _load_events(path: Path, lines: set[str]) -> tuple[Event, ...]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; the truth's events belong there") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return tuple(_event(path, number, row, lines) for number, row in enumerate(rows, 2))


def _event(path: Path, number: int, row: dict[str, str], lines: set[str]) -> Event:
    try:
        event = Event(
            row["line"],
            Direction(row["direction"]),
            int(row["frame"]),
            int(row.get("frame_lo") or row["frame"]),
            int(row.get("frame_hi") or row["frame"]),
            row.get("optional", "0") == "1",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}:{number}: {error!r}") from error
    if event.line not in lines:
        raise DataError(f"{path}:{number}: line {event.line!r} is not in the truth file")
    if not event.frame_lo <= event.frame <= event.frame_hi:
        raise DataError(f"{path}:{number}: frame must lie from frame_lo to frame_hi")
    return event


def _point(value: Any) -> tuple[float, float]:  # noqa: ANN401 - JSON
    x, y = (float(number) for number in value)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"{value} is no point")
    return x, y
