"""Crowds with truth as cases: people a minute, and how many of them an arm found."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from counters import View

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge.tracker import TrackerSettings
from tests.crowds import LINE, SIZE, Crowd, crowd

RATES = (10.0, 30.0, 60.0, 90.0)  # people a minute
FPS = 10.0


@dataclass(frozen=True, slots=True)
class Crowded:
    """A rate of people and a seed."""

    rate: float
    seed: int

    @property
    def view(self) -> View:
        """What is told before."""
        return View((LINE,), SIZE, FPS, TrackerSettings().birth_score)

    def play(self) -> Crowd:
        """The boxes, and who passed the line when."""
        return crowd(self.rate, self.seed, FPS)
