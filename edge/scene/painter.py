"""Paints parts, farthest first, and their shadows, and tells what is seen of every head."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.scene.camera import Camera, Points
from edge.scene.person import Colour, Part
from edge.types import Image

_SHIFT = 3  # sub-pixel bits of cv2's fixed-point polygons
_SHADES = ((1.0, 0.76), (0.88, 0.85), (0.74, 0.93), (0.56, 1.0), (0.34, 1.08))  # size, brightness


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light comes from: `slope` is metres of shadow for a metre of height (X, Y)."""

    slope: tuple[float, float]
    strength: float  # 0..1, how dark the shadow is
    softness: float  # pixels of blur


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """A head in the picture: box in pixels (may stick out) and what of it is not covered."""

    box: tuple[float, float, float, float]
    visible: float  # 0..1, share of the head's own outline that is seen in the picture


def paint(
    floor: Image, camera: Camera, light: Light, people: list[list[Part]], props: list[Part]
) -> tuple[Image, list[HeadSeen]]:
    """Paint people and other things onto a floor.

    Args:
        floor: (rows, width, 3) picture of the empty floor; left as it is.
        people: the parts of each person.
        props: parts that belong to nobody.

    Returns:
        The picture, and one HeadSeen for each person, in their order.
    """
    parts = [(part, owner) for owner, body in enumerate(people, 1) for part in body]
    parts += [(part, 0) for part in props]
    image = _shade_floor(floor, camera, light, [part for part, _ in parts])
    owners = np.zeros(image.shape[:2], np.uint8)
    for part, owner in sorted(parts, key=lambda item: -camera.depth(item[0].middle)):
        outline = _outline(camera, part.points)
        _fill_part(image, camera, light, part, outline)
        cv2.fillConvexPoly(owners, outline, owner if part.head else 0, shift=_SHIFT)
    return image, [_head_seen(camera, body, owners, i) for i, body in enumerate(people, 1)]


def _outline(camera: Camera, points: Points) -> NDArray[np.int32]:
    pixels = np.clip(camera.project(points), -4000, 4000) * (1 << _SHIFT)
    hull: NDArray[np.int32] = cv2.convexHull(np.round(pixels).astype(np.int32))
    return hull


def _shade_floor(floor: Image, camera: Camera, light: Light, parts: list[Part]) -> Image:
    if light.strength <= 0 or not parts:
        return floor.copy()
    mask = np.zeros(floor.shape[:2], np.uint8)
    for part in parts:
        flat = part.points.copy()
        flat[:, 0] += flat[:, 2] * light.slope[0]
        flat[:, 1] += flat[:, 2] * light.slope[1]
        flat[:, 2] = 0.0
        cv2.fillConvexPoly(mask, _outline(camera, flat), 255, shift=_SHIFT)
    if light.softness > 0.3:
        mask = cv2.blur(mask, (2 * round(light.softness) + 1,) * 2)
    keep = cv2.LUT(mask, np.clip(255 - light.strength * np.arange(256), 0, 255).astype(np.uint8))
    shaded: Image = cv2.multiply(floor, cv2.merge((keep, keep, keep)), scale=1 / 255)
    return shaded


def _fill_part(
    image: Image, camera: Camera, light: Light, part: Part, outline: NDArray[np.int32]
) -> None:
    shades = _SHADES if part.round else ((1.0, 0.86), (0.72, 1.0))
    middle = np.asarray(part.middle)
    to_light = np.array((-light.slope[0], -light.slope[1], 1.0))
    for size, gain in shades:
        if size < 1.0:
            reach = 0.25 * (1 - size) * np.ptp(part.points, axis=0)
            outline = _outline(camera, middle + size * (part.points - middle) + reach * to_light)
        cv2.fillConvexPoly(image, outline, _lit(part.colour, gain), cv2.LINE_AA, shift=_SHIFT)
    if part.lines is not None and part.line_colour is not None:
        for line in part.lines:
            a, b = np.round(camera.project(line) * (1 << _SHIFT)).astype(int)
            cv2.line(image, a, b, part.line_colour, 1, cv2.LINE_AA, shift=_SHIFT)


def _lit(colour: Colour, gain: float) -> Colour:
    return min(colour[0] * gain, 255.0), min(colour[1] * gain, 255.0), min(colour[2] * gain, 255.0)


def _head_seen(camera: Camera, body: list[Part], owners: NDArray[np.uint8], owner: int) -> HeadSeen:
    heads = [part.points for part in body if part.head]
    pixels = camera.project(np.vstack(heads))
    (x1, y1), (x2, y2) = pixels.min(axis=0), pixels.max(axis=0)
    outline_area = max(cv2.contourArea(cv2.convexHull(pixels.astype(np.float32))), 1.0)
    seen = int(np.count_nonzero(owners == owner))
    return HeadSeen((x1, y1, x2, y2), min(seen / outline_area, 1.0))
