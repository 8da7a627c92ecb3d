"""Light: what faces it is bright, shadows lie on the floor, patches of sun on everything."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from training.synth.cast import Layers, Surfaces
from training.synth.chance import Chance
from training.synth.lens import Lens
from training.synth.solids import Array, Floats
from training.synth.texture import Noise, cloud, dimmed

LIGHTS: dict[str, float] = {"overcast": 0.3, "lamp": 0.4, "sun": 0.3}
PATCHES: dict[str, float] = {"sun patch": 0.16, "glare": 0.2, "glass": 0.12, "passing shadow": 0.14}


@dataclass(frozen=True, slots=True)
class Light:
    """`slope` is metres of shadow for a metre of height (X, Y)."""

    slope: tuple[float, float]
    shadow: float  # 0..1, how dark it is
    softness: float  # pixels of blur at a width of 400
    key: float  # 0..1, the share of light that comes from one side


def draw_light(chance: Chance) -> Light:
    """Draw a light by chance."""
    kind, part = chance.pick(LIGHTS), chance.fork()
    angle = part.between(0, 2 * math.pi)
    steep = 0.05 + 0.5 * part.rng.uniform() if kind == "lamp" else part.between(0.3, 1.6)
    slope = (steep * math.cos(angle), steep * math.sin(angle))
    if kind == "overcast":
        return Light((0.1 * slope[0], 0.1 * slope[1]), part.between(0.1, 0.35), 12.0, 0.15)
    if kind == "lamp":
        return Light(slope, part.between(0.2, 0.6), part.between(1.0, 7.0), part.between(0.25, 0.5))
    return Light(slope, part.between(0.4, 0.8), part.between(0.0, 1.5), part.between(0.4, 0.65))


def shade(
    chance: Chance, lens: Lens, rays: Floats, layers: Layers, shown: Surfaces, points: Array,
    noise: Noise,
) -> Floats:  # fmt: skip
    """The lit picture (rows, width, 3), 0..255 and above."""
    light = draw_light(chance)
    toward = np.array((-light.slope[0], -light.slope[1], 1.0), np.float32)
    toward /= np.linalg.norm(toward)
    level = np.where(layers.floor, _shadow(lens, light, points), np.float32(1))
    uneven = np.float32(chance.between(0.02, 0.2))
    level *= 1 + uneven * cloud(noise, lens.rows, lens.width, lens.width / 3)
    view = rays.reshape(3, -1)[:, shown.pixels]
    height = lens.height + view[2] * layers.depth.ravel()[shown.pixels]
    level.ravel()[shown.pixels] = _facing(light, toward, shown.normal, height)
    picture = dimmed(layers.colour, level)
    picture.reshape(-1, 3)[shown.pixels] += _shine(toward, view, shown)[:, None]
    return _patches(chance, lens, picture)


def _facing(light: Light, toward: Floats, normal: Floats, height: Floats) -> Floats:
    """Light (n,) on solids: from the side, from above, and little near the floor."""
    level = (1 - light.key) * (0.72 + 0.28 * normal[2])
    level += 1.15 * light.key * np.maximum(toward @ normal, 0)
    lit: Floats = level * (0.6 + 0.4 * np.clip(height / 1.3, 0, 1))
    return lit


def _shine(toward: Floats, view: Floats, shown: Surfaces) -> Floats:
    """Highlights (n,) of glossy solids, Blinn's way: where the normal halves light and view."""
    halfway = toward[:, None] - view
    length = np.sqrt(np.einsum("ij,ij->j", halfway, halfway))
    match = np.clip(np.einsum("ij,ij->j", halfway, shown.normal) / length, 0, 1)
    for _ in range(5):  # to the 32nd power
        match *= match
    shine: Floats = 150 * shown.gloss * match
    return shine


def _shadow(lens: Lens, light: Light, points: Array) -> Floats:
    """By pixel of the floor: the share of light that is left under what stands on it."""
    standing = points[points[..., 2].max(axis=1) > 0.03]
    left = np.ones((lens.rows, lens.width), np.float32)
    unit = lens.width / 400
    for slope, dark, softness in (
        (light.slope, light.shadow, light.softness),
        ((0.0, 0.0), 0.35, 5.0),  # little light gets under things
    ):
        mask = np.zeros((lens.rows, lens.width), np.uint8)
        flat = standing.copy()
        flat[..., :2] += np.maximum(flat[..., 2:], 0) * slope
        flat[..., 2] = 0
        outlines = np.clip(lens.project(flat), -4000, 4000).round().astype(np.int32)
        for outline in outlines:
            cv2.fillConvexPoly(mask, cv2.convexHull(outline), 255)
        if softness * unit > 0.4:
            size = 2 * round(softness * unit) + 1
            mask = cv2.blur(cv2.blur(mask, (size, size)), (size, size))
        left *= 1 - np.float32(dark / 255) * mask
    return left


def _patches(chance: Chance, lens: Lens, picture: Floats) -> Floats:
    for name, odds in PATCHES.items():
        if part := chance.part(name, odds):
            picture = _PATCHES[name](part, lens, picture)
    return picture


def _polygon(chance: Chance, lens: Lens, corners: int) -> Floats:
    """A mask 0..1 of a polygon that crosses the picture, with an edge hard or soft."""
    mask = np.zeros((lens.rows, lens.width), np.uint8)
    middle = chance.rng.uniform(0.1, 0.9, 2) * (lens.width, lens.rows)
    turns = np.sort(chance.rng.uniform(0, 2 * math.pi, corners))
    reach = chance.rng.uniform(0.12, 0.5, corners) * lens.width
    points = middle + np.column_stack((np.cos(turns), np.sin(turns))) * reach[:, None]
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255, cv2.LINE_AA)
    size = 2 * chance.whole(0, 3) + 1
    share: Floats = cv2.blur(mask, (size, size)) * np.float32(1 / 255)
    return share


def _sun(chance: Chance, lens: Lens, picture: Floats) -> Floats:
    gain = chance.between(0.4, 1.6)
    return dimmed(picture, 1 + gain * _polygon(chance, lens, 4))


def _passing(chance: Chance, lens: Lens, picture: Floats) -> Floats:
    """The shadow of somebody or something outside the picture."""
    mask = _polygon(chance, lens, chance.whole(4, 7))
    return dimmed(picture, 1 - chance.between(0.25, 0.7) * mask)


def _glare(chance: Chance, lens: Lens, picture: Floats) -> Floats:
    """A lamp mirrored in the floor, or in the lens."""
    x, y = chance.rng.uniform(0, 1, 2) * (lens.width, lens.rows)
    spread = chance.between(0.015, 0.2) * lens.width
    across = np.exp(-((np.arange(lens.width) - x) ** 2) / (2 * spread**2))
    down = np.exp(-((np.arange(lens.rows) - y) ** 2) / (2 * (spread * chance.between(0.5, 1)) ** 2))
    glow = np.outer(down, across).astype(np.float32) * chance.between(30, 140)
    lit: Floats = picture + glow[..., None]
    return lit


def _glass(chance: Chance, lens: Lens, picture: Floats) -> Floats:
    """A pane across a part of the picture that mirrors the room, and its frame."""
    mask = _polygon(chance, lens, 4)[..., None] * chance.between(0.12, 0.4)
    mirror = cv2.blur(picture[:, ::-1], (5, 5)) * chance.between(0.6, 1.3)
    seen: Floats = picture * (1 - mask) + (mirror + chance.between(0, 60)) * mask
    return seen


_PATCHES = {"sun patch": _sun, "glare": _glare, "glass": _glass, "passing shadow": _passing}
