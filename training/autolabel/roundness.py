"""Heads seen from above as the roundest thing in a moving blob.

Fast radial symmetry (Loy and Zelinsky, 2003, equations 1 to 4, of orientation alone): every edge
votes for the place one radius away along its gradient, to both sides; where the votes of a whole
circle meet lies its centre. Hair is darker than clothes or lighter, and mostly the one thing in
the picture that is round and of a head's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image
from training.autolabel.background import Blob

RADII = np.geomspace(0.045, 0.18, 11)  # of a head, in shares of the picture's smaller side
_GAMMA = 0.5  # lifts the dark, where black hair lies on a black floor
_EDGE = 24.0  # gradient (Sobel) below which there is no edge
_LIGHT = 0.5  # the vote for a centre that is lighter than its surroundings: few heads are
_TOGETHER = 0.25  # of the radius: votes so near to each other are for one centre
_APART = 1.6  # radii between two heads
_SECOND = 0.7  # of the best one's roundness, from which another in the same blob is a head, too


@dataclass(frozen=True, slots=True)
class Disc:
    """A head: centre and radius in pixels; roundness 0..1, the share of the circle that voted."""

    x: float
    y: float
    radius: float
    roundness: float


class Edges:
    """The edges of a picture, which vote for centres."""

    def __init__(self, image: Image) -> None:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        grey = np.asarray(255 * (grey / 255.0) ** _GAMMA, np.float32)
        across, down = (cv2.Sobel(grey, cv2.CV_32F, *way, ksize=3) for way in ((1, 0), (0, 1)))
        strength = np.hypot(across, down)
        self._ys, self._xs = np.nonzero(strength > _EDGE)
        at = self._ys, self._xs
        self._way = across[at] / strength[at], down[at] / strength[at]
        self._shape = grey.shape

    def votes(self, radius: float) -> NDArray[np.float32]:
        """(height, width) the share of a circle around each place that voted for it, to 1."""
        height, width = self._shape
        found = np.zeros(height * width)
        for way, weight in ((-radius, 1.0), (radius, _LIGHT)):
            x = np.rint(self._xs + way * self._way[0]).astype(int)
            y = np.rint(self._ys + way * self._way[1]).astype(int)
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            found += weight * np.bincount(y[inside] * width + x[inside], minlength=len(found))
        votes = found.reshape(self._shape).astype(np.float32)
        sigma = _TOGETHER * radius
        near, wide = (cv2.GaussianBlur(votes, (0, 0), s) for s in (sigma, 2 * sigma))
        gathered = (near - wide) * (2 * math.pi * sigma**2)
        return np.asarray(gathered / (2 * math.pi * radius * 2), np.float32)  # an edge is 2 px wide


def head_radius(looks: Sequence[tuple[Image, Sequence[Blob]]]) -> float:
    """The radius at which the blobs of many pictures hold the roundest things, pixels.

    One camera hangs at one height: all heads are about equally large.
    """
    side = min(looks[0][0].shape[:2])
    best = np.zeros(len(RADII))
    for image, blobs in looks:
        edges = Edges(image)
        for number, share in enumerate(RADII):
            votes = edges.votes(share * side)
            best[number] += sum(float(votes[_around(blob, share * side)].max()) for blob in blobs)
    return float(RADII[best.argmax()] * side)


def heads(image: Image, blobs: Sequence[Blob], radius: float) -> list[Disc]:
    """The roundest places of about this radius in each blob; more than one where they are alike."""
    edges = Edges(image)
    maps = [(r, edges.votes(r)) for r in (0.87 * radius, radius, 1.15 * radius)]
    found: list[Disc] = []
    for blob in blobs:
        where = _around(blob, radius)
        first = _roundest(maps, where)
        found.append(first)
        for _ in range(2):  # pairs and threes touch
            where = where & ~_circle(where.shape, found[-1], _APART * 2 * radius)
            if not where.any():
                break
            other = _roundest(maps, where)
            if other.roundness < _SECOND * first.roundness:
                break
            found.append(other)
    return found


def _roundest(maps: Sequence[tuple[float, NDArray[np.float32]]], where: NDArray[np.bool_]) -> Disc:
    discs = []
    for radius, votes in maps:
        inside = np.where(where, votes, -1)
        y, x = np.unravel_index(int(inside.argmax()), inside.shape)
        discs.append(Disc(float(x), float(y), radius, min(1.0, float(inside[y, x]))))
    return max(discs, key=lambda disc: disc.roundness)


def _around(blob: Blob, radius: float) -> NDArray[np.bool_]:
    """The blob and what is so near: hair in the colour of the floor is no part of it."""
    side = 2 * round(radius / 2) + 1
    return np.asarray(cv2.dilate(blob.mask.astype(np.uint8), np.ones((side, side), np.uint8)), bool)


def _circle(shape: tuple[int, ...], disc: Disc, radius: float) -> NDArray[np.bool_]:
    ys, xs = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((xs - disc.x) ** 2 + (ys - disc.y) ** 2 < radius**2)
