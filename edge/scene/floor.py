"""Floors with texture, seen through the camera, and the things that stand about on them."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.scene.camera import Camera
from edge.scene.person import Colour, Part, cloth
from edge.types import Image

_METRES = 8.0  # side of the drawn square of floor, the camera above its middle
_PIXELS = 640  # its side in texture pixels

Rng = np.random.Generator


def cloud(rng: Rng, rows: int, width: int, coarse: int) -> NDArray[np.float32]:
    """Smooth noise of unit spread whose blobs are about `coarse` pixels wide."""
    small = rng.standard_normal((max(2, rows // coarse + 1), max(2, width // coarse + 1)))
    smooth: NDArray[np.float32] = cv2.resize(
        small.astype(np.float32), (width, rows), interpolation=cv2.INTER_CUBIC
    )
    return smooth


def floor_picture(rng: Rng, camera: Camera) -> Image:
    """An empty floor drawn by chance, (rows, width, 3) BGR."""
    texture = _texture(rng)
    picture: Image = cv2.warpPerspective(
        texture,
        _floor_to_picture(camera),
        (camera.width, camera.rows),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return picture


def _floor_to_picture(camera: Camera) -> NDArray[np.float64]:
    """Homography from texture pixels to picture pixels, from four points in view."""
    reach = min(0.3 * camera.height, 1.0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64) * reach
    room = np.column_stack((corners, np.zeros(4)))
    pixels = camera.project(room).astype(np.float32)
    on_texture = ((corners / _METRES + 0.5) * _PIXELS).astype(np.float32)
    homography: NDArray[np.float64] = cv2.getPerspectiveTransform(on_texture, pixels)
    return homography


def _texture(rng: Rng) -> Image:
    base = floor_colour(rng)
    canvas = np.empty((_PIXELS, _PIXELS, 3), np.float32)
    canvas[:] = base
    grain = cloud(rng, _PIXELS, _PIXELS, 2) * rng.uniform(1, 9)
    stains = cloud(rng, _PIXELS, _PIXELS, int(rng.integers(20, 120))) * rng.uniform(2, 14)
    canvas += (grain + stains)[..., None]
    pattern: Callable[[Rng, NDArray[np.float32], Colour], None] = _PATTERNS[
        int(rng.integers(len(_PATTERNS)))
    ]
    pattern(rng, canvas, base)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.35, 0.35, 0.2, 0.1]))):
        _band_or_mat(rng, canvas)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def floor_colour(rng: Rng) -> Colour:
    """Mostly grey, brown or dark; now and then strong."""
    level = float(rng.choice([rng.uniform(4, 40), rng.uniform(40, 120), rng.uniform(120, 225)]))
    if rng.random() < 0.2:
        return cloth(rng)
    warmth = rng.uniform(-0.12, 0.3)
    return level * (1 - warmth), level, level * (1 + 0.6 * warmth)


def _plain(rng: Rng, canvas: NDArray[np.float32], base: Colour) -> None:
    del rng, canvas, base


def _tiles(rng: Rng, canvas: NDArray[np.float32], base: Colour) -> None:
    step, gap = int(rng.integers(12, 70)), int(rng.integers(1, 3))
    gain = float(rng.uniform(0.5, 1.5))
    shades = 1 + rng.uniform(0, 0.12) * rng.standard_normal((_PIXELS // step + 1,) * 2)
    if rng.random() < 0.25:  # a checkerboard
        shades[(np.add.outer(*(np.arange(_PIXELS // step + 1),) * 2) % 2) == 0] *= rng.uniform(
            0.3, 0.8
        )
    canvas *= np.kron(shades, np.ones((step, step)))[:_PIXELS, :_PIXELS, None].astype(np.float32)
    for start in range(0, _PIXELS, step):
        canvas[start : start + gap] = np.multiply(base, gain)
        canvas[:, start : start + gap] = np.multiply(base, gain)


def _planks(rng: Rng, canvas: NDArray[np.float32], base: Colour) -> None:
    del base
    step = int(rng.integers(8, 26))
    shades = (1 + 0.15 * rng.standard_normal(_PIXELS // step + 1)).repeat(step)[:_PIXELS]
    along = cv2.resize(rng.standard_normal((_PIXELS, 24)).astype(np.float32), (_PIXELS, _PIXELS))
    canvas *= shades[:, None, None].astype(np.float32)
    canvas += 6 * along[..., None]
    if rng.random() < 0.5:
        canvas[:] = canvas.transpose(1, 0, 2).copy()


def _dots(rng: Rng, canvas: NDArray[np.float32], base: Colour) -> None:
    step = int(rng.integers(5, 16))
    colour = np.multiply(base, rng.uniform(0.5, 1.6)).tolist()
    for y in range(0, _PIXELS, step):
        for x in range((y // step) % 2 * step // 2, _PIXELS, step):
            cv2.circle(canvas, (x, y), max(1, step // 5), colour, -1)


def _scribbles(rng: Rng, canvas: NDArray[np.float32], base: Colour) -> None:
    del base
    for _ in range(int(rng.integers(20, 160))):
        centre = tuple(int(v) for v in rng.integers(0, _PIXELS, 2))
        size = tuple(int(v) for v in rng.integers(3, 40, 2))
        cv2.ellipse(
            canvas, centre, size, float(rng.uniform(0, 180)), 0, float(rng.uniform(60, 360)),
            cloth(rng), int(rng.integers(1, 4)), cv2.LINE_AA,
        )  # fmt: skip


_PATTERNS = (_plain, _plain, _tiles, _tiles, _planks, _dots, _scribbles)


def _band_or_mat(rng: Rng, canvas: NDArray[np.float32]) -> None:
    """A threshold strip across the floor, or a mat; sometimes a bright lane as in a bus."""
    colour = cloth(rng)
    low, high = 0.28, 0.72
    if rng.random() < 0.5:
        start, wide = int(rng.uniform(low, high) * _PIXELS), int(rng.uniform(0.1, 0.7) * 80)
        area = (
            canvas[start : start + wide] if rng.random() < 0.5 else canvas[:, start : start + wide]
        )
    else:
        y, x = (rng.uniform(0.2, 0.6, 2) * _PIXELS).astype(int)
        tall, wide = (rng.uniform(0.05, 0.35, 2) * _PIXELS).astype(int)
        area = canvas[y : y + tall, x : x + wide]
    area[:] = 0.25 * area + 0.75 * np.asarray(colour, np.float32)
    area += cloud(rng, area.shape[0], area.shape[1], 2)[..., None] * rng.uniform(1, 10)


def clutter(rng: Rng, camera: Camera) -> list[Part]:
    """Things that are no heads, many of them round: stools, bins, wheels, plants, boxes."""
    parts: list[Part] = []
    for _ in range(int(rng.choice([0, 1, 2, 4, 6], p=[0.25, 0.25, 0.2, 0.2, 0.1]))):
        pixel = rng.uniform(-0.05, 1.05, 2) * (camera.width, camera.rows)
        place = camera.at_plane((float(pixel[0]), float(pixel[1])), 0.3)
        if place is not None and math.hypot(*place) < 0.5 * _METRES:
            parts += _THINGS[int(rng.integers(len(_THINGS)))](rng, place)
    return parts


def _disc(place: tuple[float, float], radius: float, level: float, colour: Colour) -> Part:
    turn = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    x, y = place[0] + radius * np.cos(turn), place[1] + radius * np.sin(turn)
    return Part(np.column_stack((x, y, np.full(20, level))), colour, (*place, level))


def _stool(rng: Rng, place: tuple[float, float]) -> list[Part]:
    radius, level = rng.uniform(0.08, 0.25), rng.uniform(0.02, 1.1)
    return [_disc(place, radius, level, cloth(rng)), _disc(place, radius * 0.8, level, cloth(rng))]


def _bin(rng: Rng, place: tuple[float, float]) -> list[Part]:
    radius, level = float(rng.uniform(0.1, 0.28)), float(rng.uniform(0.2, 0.9))
    turn = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    ring = np.column_stack((place[0] + radius * np.cos(turn), place[1] + radius * np.sin(turn)))
    wall = np.vstack([np.column_stack((ring, np.full(16, z))) for z in (0.0, level)])
    dark = (18.0, 18.0, 18.0)
    return [
        Part(wall, cloth(rng), (*place, level / 2)),
        _disc(place, radius * float(rng.uniform(0.6, 0.95)), level, dark),
    ]


def _wire_chair(rng: Rng, place: tuple[float, float]) -> list[Part]:
    """A round chair of bent wire: rings and spokes, no surface."""
    radius, level = rng.uniform(0.12, 0.25), rng.uniform(0.3, 0.9)
    turn = np.linspace(0, 2 * math.pi, 19)
    rings = []
    for size in (1.0, rng.uniform(0.4, 0.8)):
        ring = np.column_stack(
            (
                place[0] + size * radius * np.cos(turn),
                place[1] + size * radius * np.sin(turn),
                np.full(19, level),
            )
        )
        rings.append(np.stack((ring[:-1], ring[1:]), axis=1))
    lines = np.concatenate(rings)
    seat = _disc(place, 0.01, level, (90.0, 90.0, 90.0))
    wire = cloth(rng)
    return [Part(seat.points, seat.colour, seat.middle, lines=lines, line_colour=wire)]


def _plant(rng: Rng, place: tuple[float, float]) -> list[Part]:
    colour = (rng.uniform(10, 60), rng.uniform(50, 140), rng.uniform(20, 80))
    parts = []
    for _ in range(int(rng.integers(5, 14))):
        turn, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.25)
        level = rng.uniform(0.3, 1.2)
        tip = (place[0] + reach * math.cos(turn), place[1] + reach * math.sin(turn))
        leaf = _disc(tip, rng.uniform(0.02, 0.07), level, colour)
        stem = np.vstack((leaf.points, [(*place, level * 0.8)]))
        parts.append(Part(stem, colour, leaf.middle))
    return parts


def _box(rng: Rng, place: tuple[float, float]) -> list[Part]:
    half = rng.uniform(0.08, 0.45, 2)
    level = float(rng.uniform(0.05, 1.0))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    turn = rng.uniform(0, math.pi)
    spin = np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])
    flat = corners @ spin.T + place
    wall = np.vstack([np.column_stack((flat, np.full(4, z))) for z in (0.0, level)])
    lid = np.column_stack((flat, np.full(4, level)))
    colour = cloth(rng)
    return [Part(wall, colour, (*place, level / 2)), Part(lid, colour, (*place, level))]


def _ball(rng: Rng, place: tuple[float, float]) -> list[Part]:
    radius = float(rng.uniform(0.06, 0.16))
    turn = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    rings = [
        np.column_stack(
            (
                place[0] + radius * math.cos(lift) * np.cos(turn),
                place[1] + radius * math.cos(lift) * np.sin(turn),
                np.full(14, radius + radius * math.sin(lift)),
            )
        )
        for lift in (-0.8, 0.0, 0.8)
    ]
    return [Part(np.vstack(rings), cloth(rng), (*place, radius), round=True)]


_THINGS: tuple[Callable[[Rng, tuple[float, float]], list[Part]], ...] = (
    _stool, _stool, _bin, _wire_chair, _wire_chair, _plant, _box, _ball,
)  # fmt: skip
