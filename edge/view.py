"""Judges pictures: whether the camera sees anything, and anything new.

About once a second a coarse copy of the picture is looked at. `covered`: next to no texture, as
behind a hand, a cap that lets light in, paint, or with a wall close by. `dark`: even the brightest
parts are black, as at night without a lamp, or under a cap. `frozen`: for a minute the very same
picture, without even the noise of a sensor. Says nothing about people.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.quality import COVERED, DARK, FROZEN, OK
from edge.types import Image

LOOK_S = 1.0  # a look costs a few milliseconds
HOLD = 5  # looks in a row before the verdict changes: who passes close below covers it for less
FREEZE_S = 60.0

# Grey levels, 0..255; the tests hold them against real pictures, blinded ones among them.
BLACK = 16.0  # of the brightest hundredth of the picture
TEXTURE = 8.0  # of the hundredth with most texture: how far a spot differs from those around it
SAME = 1.0  # by how much a point may differ and be the same ...
CHANGED = 0.001  # ... and the share of points that may differ by more

_ROWS = 240  # of the copy that is compared
_GRID = (64, 48)  # of the copy in which texture is looked for: means, which hold no noise

Grey = NDArray[np.float32]  # (rows, columns), 0..255


class View:
    """Judges one camera's pictures.

    Args:
        can_freeze: whether an unchanging picture is a fault. A file may well hold one.
    """

    def __init__(self, *, can_freeze: bool) -> None:
        self._can_freeze = can_freeze
        self._looked_at = float("-inf")
        self._same: tuple[Grey, float] | None = None  # a picture, and since when it is the same
        self._verdicts = (OK, 0)  # the last one, and how often in a row
        self.state = OK

    def look(self, image: Image, t: float) -> bool:
        """Take in the picture of second `t`, and judge it if it is time; whether it was.

        `state` is `ok`, `covered`, `dark` or `frozen` after that.
        """
        if t - self._looked_at < LOOK_S:
            return False
        self._looked_at = t
        step = max(1, image.shape[0] // _ROWS)
        grey = image[::step, ::step].mean(axis=2, dtype=np.float32)
        verdict = FROZEN if self._is_frozen(grey, t) else judge(grey)
        last, times = self._verdicts
        self._verdicts = (verdict, times + 1 if verdict == last else 1)
        if self._verdicts[1] >= HOLD or FROZEN in (verdict, self.state):
            self.state = verdict
        return True

    def _is_frozen(self, grey: Grey, t: float) -> bool:
        if not self._can_freeze:
            return False
        if self._same is None or not _is_same(self._same[0], grey):
            self._same = (grey, t)
        return t - self._same[1] >= FREEZE_S


def judge(grey: Grey) -> str:
    """What one picture looks like: `dark`, `covered` or `ok`."""
    grid = cv2.resize(grey, _GRID, interpolation=cv2.INTER_AREA)
    if np.percentile(grid, 99) < BLACK:
        return DARK
    # The second difference: light that falls off evenly over a hand or a wall leaves none.
    texture = np.abs(cv2.Laplacian(grid, cv2.CV_32F))[1:-1, 1:-1]
    return COVERED if np.percentile(texture, 99) < TEXTURE else OK


def _is_same(before: Grey, now: Grey) -> bool:
    # Against the first of the row, not the last, so that slow changes are changes.
    if before.shape != now.shape:
        return False
    return float((np.abs(now - before) > SAME).mean()) <= CHANGED
