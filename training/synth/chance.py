"""All chance of a picture, with a say in it: what is wanted happens, the rest stays as drawn.

A wanted feature uses up the generator just as a drawn one does, so a picture with `hat` is the
picture without it, but for the hats; only a wanted group brings more people along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.synth.solids import Colour


@dataclass(frozen=True, slots=True)
class Chance:
    """A generator and the names of the features that must appear."""

    rng: np.random.Generator
    want: frozenset[str] = frozenset()

    def pick(self, odds: Mapping[str, float]) -> str:
        """One name, by odds that need not add up to 1; a wanted one if there is one here."""
        names = list(odds)
        weights = np.array(list(odds.values()))
        drawn = names[int(self.rng.choice(len(names), p=weights / weights.sum()))]
        return next((name for name in names if name in self.want), drawn)

    def fork(self) -> Chance:
        """A generator of its own for a part, so that its draws do not shift those after it."""
        return Chance(np.random.default_rng(int(self.rng.integers(1 << 62))), self.want)

    def happens(self, name: str, odds: float) -> bool:
        """Whether a feature appears."""
        return bool(self.rng.random() < odds) or name in self.want

    def part(self, name: str, odds: float) -> Chance | None:
        """A fork for a feature, None where it does not appear; both use up as much."""
        seed = int(self.rng.integers(1 << 62))
        there = self.happens(name, odds)
        return Chance(np.random.default_rng(seed), self.want) if there else None

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self.rng.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """A uniform whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def cloth(self) -> Colour:
        """A colour that dyed things have: often dark or grey, sometimes loud; 0..255."""
        kind, spread = self.rng.random(), self.between(10, 62)
        dark, light, middle = (self.between(*r) for r in ((10, 60), (150, 240), (60, 150)))
        tint, hue = self.rng.uniform(-9, 9, 3), self.between(0, 2 * np.pi)
        if kind < 0.4:
            colour = dark + 0.6 * tint
        elif kind < 0.58:
            colour = light + tint
        elif kind < 0.7:
            colour = middle + tint
        else:
            colour = 0.8 * middle + spread * np.cos(hue + np.array([0.0, 2.1, 4.2]))
        blue, green, red = np.clip(colour, 5, 250)
        return float(blue), float(green), float(red)

    def paint(self) -> Colour:
        """A colour of walls, doors and floors: a cloth's, but quiet; now and then a loud one."""
        colour, calm = np.array(self.cloth()), self.between(0.3, 0.8)
        blue, green, red = colour + (colour.mean() - colour) * (
            calm if self.rng.random() < 0.9 else 0
        )
        return float(blue), float(green), float(red)
