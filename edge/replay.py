"""Counts a recording: every frame, as fast as the machine can, from pictures or from boxes.

However long it is, nothing is kept of its frames, and a few bytes of each crossing. Leaves it to
the caller to open the source and the detector, and to say what is right.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.crossing_log import CrossingLog
from edge.errors import WorldError
from edge.histogram import Histogram
from edge.line import LineCounter
from edge.pipeline import Corridor, Step
from edge.quality import QualityMeter
from edge.types import Crossing, Direction, Line, Sighting


@dataclass(frozen=True, slots=True)
class Replay:
    """What a recording came to. `fps` is the rate of processing, `source_fps` of recording."""

    lines: tuple[Line, ...]
    crossings: Sequence[Crossing]  # in the order of their frames
    frames: int
    source_fps: float
    fps: float
    detector_ms: float | None  # median; None where no detector ran
    quality: dict[str, Any]  # how far the count can be trusted, as JSON has it

    def total(self, direction: Direction, line: str | None = None) -> int:
        """Crossings in a direction, over one line or all."""
        return sum(
            crossing.direction is direction and line in (None, crossing.line)
            for crossing in self.crossings
        )

    def by_line(self) -> dict[str, dict[str, int]]:
        """Crossings in each direction of each line, by its name."""
        return {
            line.name: {
                direction.value: self.total(direction, line.name) for direction in Direction
            }
            for line in self.lines
        }

    def json_parts(self) -> Iterator[str]:
        """The JSON object that `headcount replay --json` prints, in parts.

        Whole, the text of a long recording would take more memory than counting it did.
        """
        figures = {
            "in": self.total(Direction.IN),
            "out": self.total(Direction.OUT),
            "lines": self.by_line(),
            "frames": self.frames,
            "source_fps": self.source_fps,
            "fps": round(self.fps, 2),
            "detector_ms": None if self.detector_ms is None else round(self.detector_ms, 2),
            "quality": self.quality,
        }
        yield json.dumps(figures)[:-1] + ', "events": ['
        for number, crossing in enumerate(self.crossings):
            yield (", " if number else "") + json.dumps(_event(crossing))
        yield "]}"


def _event(crossing: Crossing) -> dict[str, Any]:
    return {
        "frame": crossing.frame,
        "t": round(crossing.t, 3),
        "line": crossing.line,
        "direction": crossing.direction.value,
        "track": crossing.track,
    }


def replay(
    sightings: Iterable[Sighting],
    corridor: Corridor,
    lines: tuple[Line, ...],
    source_fps: float,
    *,
    meter: QualityMeter,
    watch: Callable[[Step], None] | None = None,
) -> Replay:
    """Count a recording to its end.

    Args:
        sightings: one for each frame, in order.
        corridor: a fresh tracker and line counter.
        lines: those that the corridor counts at.
        source_fps: frames per second of the recording.
        meter: a fresh one, that begins at 0 s of the recording.
        watch: sees every step, for annotating or saving.
    """
    crossings, times, frames = CrossingLog(), Histogram(), 0
    begun = time.perf_counter()
    for sighting in sightings:
        step = corridor.step(sighting)
        crossings.add(step.crossings)
        meter.note(step, corridor.counter.quality, sighting.frame.t)
        if sighting.ms > 0:
            times.add(sighting.ms)
        frames = sighting.frame.index + 1
        if watch is not None:
            watch(step)
    crossings.add(corridor.finish())
    meter.end(corridor.counter.quality)
    took = max(time.perf_counter() - begun, 1e-9)
    quality = {**meter.reading(meter.last).to_json(), "lines": _figures(corridor.counter)}
    return Replay(lines, crossings, frames, source_fps, frames / took, times.median(), quality)


def _figures(counter: LineCounter) -> dict[str, dict[str, int]]:
    return {name: asdict(figures) for name, figures in counter.quality.items()}


def write_events(path: Path, crossings: Iterable[Crossing]) -> None:
    """Write crossings as CSV, with the columns of a truth file that a count knows.

    Raises:
        WorldError: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("event", "line", "frame", "time_s", "direction"))
            for number, crossing in enumerate(crossings, 1):
                t = round(crossing.t, 3)
                rows.writerow((number, crossing.line, crossing.frame, t, crossing.direction.value))
    except OSError as error:
        raise WorldError(f"{path}: events cannot be written: {error.strerror}") from error
