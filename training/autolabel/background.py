"""What moves at a door, told from a background that is learned from the recording itself.

The background is the median of pictures from all over the recording, which needs every place to
be free of people for more than half of the time. A shadow darkens the floor and leaves its colour;
it is no motion unless it is so dark that no colour is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image

SIDE = 320  # pixels of the longer side of the pictures that are looked at: more only costs time
PICTURES = 60  # whose median is the background
_BLUR = 1.5  # pixels: below that it is noise
_CHANGE = 14.0  # grey values in one of the colours
_SHADOW = (0.25, 1.0)  # how bright a floor in shadow is, as a share
_COLOUR = 0.05  # share of a colour in the sum of all, by which a shadow may change it
_CLOSE = 0.06  # of the picture's smaller side: parts of a person so near are one

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Blob:
    """A connected moving part: where, as a mask of the whole picture, and how large."""

    mask: Mask
    box: tuple[int, int, int, int]  # x1, y1, x2, y2, pixels
    area: int  # pixels


@dataclass(frozen=True, slots=True)
class Background:
    """The door without people, (height, width, 3) float32, blurred."""

    picture: NDArray[np.float32]

    def moving(self, image: Image) -> Mask:
        """(height, width) where a picture differs, shadows aside."""
        now, then = _smooth(image), self.picture
        change = np.abs(now - then).max(axis=2)
        bright, was = now.sum(axis=2), then.sum(axis=2)
        share = (bright + 15) / (was + 15)  # grey values that keep darkness from deciding
        tint = np.abs(now / (bright + 30)[..., None] - then / (was + 30)[..., None]).max(axis=2)
        shadow = (share > _SHADOW[0]) & (share < _SHADOW[1]) & (tint < _COLOUR)
        mask = ((change > _CHANGE) & ~shadow).astype(np.uint8)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
        side = 2 * round(_CLOSE * min(mask.shape) / 2) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), bool)


def shrink(image: Image) -> Image:
    """The picture at the size at which motion is looked for; a small one as it is."""
    scale = SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def learn_background(images: Sequence[Image]) -> Background:
    """The median of pictures from all over a recording."""
    return Background(_smooth(np.median(np.stack(images), axis=0).astype(np.uint8)))


def blobs(moving: Mask, least: float) -> list[Blob]:
    """The connected parts of at least `least` pixels, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(moving.astype(np.uint8))
    found = []
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        if area >= least:
            found.append(Blob(labels == number, (x, y, x + width, y + height), area))
    return sorted(found, key=lambda blob: -blob.area)


def _smooth(image: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR), np.float32)
