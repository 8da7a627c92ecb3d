"""The corridor: what the detector saw goes in, tracks and crossings come out, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from edge.line import LineCounter
from edge.tracker import Tracker
from edge.types import Crossing, Sighting, TrackUpdate


@dataclass(frozen=True, slots=True)
class Step:
    """One frame's way through the corridor."""

    sighting: Sighting
    tracks: TrackUpdate
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class Corridor:
    """Follows and counts. Time comes with the frames, so a replay counts as the live run did."""

    tracker: Tracker
    counter: LineCounter

    def step(self, sighting: Sighting) -> Step:
        """Take in what one frame showed."""
        frame = sighting.frame
        tracks = self.tracker.update(sighting.detections, frame.t)
        return Step(sighting, tracks, self.counter.update(tracks, frame.index, frame.t))

    def finish(self) -> tuple[Crossing, ...]:
        """The recording is over: crossings of tracks that end with it."""
        return self.counter.finish()
