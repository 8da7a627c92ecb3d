"""How far the counts of a stretch of time can be trusted: its figures, and the doubts they raise.

    coverage   for part of the time no pictures were counted
    rate       pictures were too few for the speeds seen, or for anybody who walks
    dwelling   people stood in the dead band of a line
    born_past  people were first seen just past a line and walked away from it
    undecided  people were last seen in the dead band of a line
    camera     the camera was covered, dark or frozen

Doubts are these words, in this order; a stretch without any is as good as the device knows how.
All figures add up, so that an hour's are the sum of its quarters'. Measuring is the meter's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

OK = "ok"
LOW = "low"
COVERED, DARK, FROZEN = "covered", "dark", "frozen"

COVERAGE = 0.99  # 9 s of a quarter of an hour: less is no more than one or two people
SHARE = 0.05  # of the people seen; one in twenty is what the best counters promise to miss

# Pictures a second. Who walks 1.4 m/s moves by 5.6 heads, and 1.3 between two pictures can be
# followed. With fewer pictures nobody may be seen as a person at all, and so nobody as fast.
RATE = 4.0
RATE_S = 10.0  # seconds of pictures before their rate is judged

DOUBTS = ("coverage", "rate", "dwelling", "born_past", "undecided", "camera")


_MOST = 1e12  # no figure of ours is so large, and NaN is below nothing


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of a stretch of time, or of what several add up to.

    `people` are those whose track was sure and ended; `fast` those of them who were at the limit
    of what can be followed; `dwelled`, `born_past` and `undecided` are as the line counter has
    them, over all lines. `covered_s`, `dark_s`, `frozen_s` are seconds of a blind camera.
    """

    seconds: float = 0.0  # how long it was
    counted_s: float = 0.0  # of them, those in which pictures were counted
    pictures: int = 0  # that were counted
    people: int = 0
    fast: int = 0
    dwelled: int = 0
    born_past: int = 0
    undecided: int = 0
    covered_s: float = 0.0
    dark_s: float = 0.0
    frozen_s: float = 0.0

    def __add__(self, other: Quality) -> Quality:
        return Quality(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Quality)))

    def __sub__(self, earlier: Quality) -> Quality:
        """What came since `earlier`, which this goes on from."""
        return Quality(
            *(max(0, getattr(self, f.name) - getattr(earlier, f.name)) for f in fields(Quality))
        )

    @property
    def coverage(self) -> float:
        """Share of the time in which pictures were counted, 0..1; 1 of no time at all."""
        return min(1.0, self.counted_s / self.seconds) if self.seconds > 0 else 1.0

    @property
    def rate(self) -> str:
        """`low` where one in twenty people was fast or pictures were few, else `ok`."""
        few = self.counted_s >= RATE_S and self.pictures < RATE * self.counted_s
        return LOW if few or self._is_much(self.fast) else OK

    @property
    def camera(self) -> str:
        """What it was for longest, if it was not `ok` all the time."""
        blind = {COVERED: self.covered_s, DARK: self.dark_s, FROZEN: self.frozen_s}
        return max(blind, key=lambda state: blind[state]) if any(blind.values()) else OK

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the count may be wrong, of `DOUBTS`; empty: as good as this device knows how."""
        doubtful = (
            self.coverage < COVERAGE,
            self.rate != OK,
            self._is_much(self.dwelled),
            self._is_much(self.born_past),
            self._is_much(self.undecided),
            self.camera != OK,
        )
        return tuple(word for word, is_so in zip(DOUBTS, doubtful, strict=True) if is_so)

    def figures(self) -> dict[str, Any]:
        """What is to be kept of it, for `from_json`."""
        return {f.name: round(getattr(self, f.name), 3) for f in fields(self)}

    def to_json(self) -> dict[str, Any]:
        """The object that travels; what can be reckoned from the figures is in it, too."""
        figures = self.figures()
        told = Quality(**figures)  # whoever reckons again comes to the same words
        return {
            "coverage": round(told.coverage, 4),
            "rate": told.rate,
            "camera": told.camera,
            "doubts": list(told.doubts),
            **figures,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quality:
        """Read the figures; what was reckoned from them is reckoned again.

        Raises:
            ValueError, TypeError: a figure is no number, or below 0.
        """
        return cls(**{f.name: _figure(f.name, data.get(f.name, 0)) for f in fields(cls)})

    def _is_much(self, figure: int) -> bool:
        return figure > 0 and figure >= SHARE * self.people


def _figure(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    kinds = (int, float) if name == "seconds" or name.endswith("_s") else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < _MOST:
        raise ValueError(f"{name} {value!r} is not a figure")
    return value
