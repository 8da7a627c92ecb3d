"""The synthetic doors of the test suite as cases; the one place that knows what a Scenario is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from counters import View

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge.contract.detections import Detections
from edge.tracker import TrackerSettings
from tests.scenarios import SCENARIOS, Scenario, frames

USUAL = 10.0  # frames/s; the scenario's rate that is nearest to it


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario at one frame rate."""

    scenario: Scenario
    fps: float

    @property
    def name(self) -> str:
        """Of the scenario."""
        return self.scenario.name

    @property
    def truth(self) -> tuple[int, int]:
        """(in, out) of all its lines, where people who turn round count both ways."""
        return self.scenario.truth

    @property
    def usual(self) -> bool:
        """Whether it is the one rate at which more than one seed is counted."""
        return self.fps == min(self.scenario.fps, key=lambda fps: abs(fps - USUAL))

    @property
    def view(self) -> View:
        """What is told before."""
        place = self.scenario.place
        return View(place.lines, place.size, self.fps, TrackerSettings().birth_score)

    def frames(self, seed: int) -> Iterator[Detections]:
        """What the detector saw."""
        return frames(self.scenario, seed, self.fps)


CASES = tuple(Case(scenario, fps) for scenario in SCENARIOS for fps in scenario.fps)
