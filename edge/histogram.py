"""Durations of any number of pictures in constant memory, for their median."""

from __future__ import annotations

import math
from array import array

_LEAST, _MOST = 1e-3, 1e6  # of what is told apart
_STEP = math.log(1.001)  # one bin is 0.1 % wide
_BINS = math.ceil(math.log(_MOST / _LEAST) / _STEP)


class Histogram:
    """Counts values above 0 in bins of 0.1 %, in 166 kB whatever their number.

    What lies below 0.001 or above a million is taken for that.
    """

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BINS))
        self._total = 0

    def add(self, value: float) -> None:
        """Take in one value."""
        at = int(math.log(min(max(value, _LEAST), _MOST) / _LEAST) / _STEP)
        self._counts[min(at, _BINS - 1)] += 1
        self._total += 1

    def median(self) -> float | None:
        """The median to 0.05 %; None of no values."""
        if not self._total:
            return None
        return (self._ranked((self._total - 1) // 2) + self._ranked(self._total // 2)) / 2

    def _ranked(self, rank: int) -> float:
        """The value of a rank from 0: the middle of its bin."""
        seen = 0
        for at, count in enumerate(self._counts):
            seen += count
            if seen > rank:
                return _LEAST * math.exp((at + 0.5) * _STEP)
        raise IndexError(f"rank {rank} of {seen} values")
