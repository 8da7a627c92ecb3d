"""Floors as tiling textures: what lies under the people."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edge.types import Image
from training.synth.chance import Chance
from training.synth.solids import Floats
from training.synth.texture import Noise

FLOORS: dict[str, float] = {
    "concrete": 0.17, "tiles": 0.19, "checkerboard": 0.05, "wood": 0.14, "carpet": 0.14,
    "pattern": 0.1, "rough": 0.12, "grating": 0.05, "blank": 0.06,
}  # fmt: skip
PIXELS = 384  # side of a texture
METRES = 3.2  # what it covers, before it repeats


def floor_texture(chance: Chance, noise: Noise) -> Image:
    """A floor drawn by chance, (PIXELS, PIXELS, 3) BGR."""
    name, part = chance.pick(FLOORS), chance.fork()
    base = floor_colour(part)
    gain = _PATTERNS[name](part, noise)
    stains = 1 + np.float32(part.between(0.01, 0.09)) * _blown(noise.soft, part.whole(2, 5))
    gains = cv2.split(gain) if gain.ndim == 3 else (gain,) * 3
    channels = [
        cv2.convertScaleAbs(share * stains, alpha=level)
        for share, level in zip(gains, base, strict=True)
    ]
    texture: Image = cv2.merge(channels)
    return texture


def floor_colour(chance: Chance) -> tuple[float, float, float]:
    """Mostly grey, brown or dark; now and then strong."""
    ranges = {"black": (4, 30), "dark": (30, 80), "middle": (80, 150), "light": (150, 225)}
    odds = {"black": 0.17, "dark": 0.27, "middle": 0.33, "light": 0.23}
    level = chance.between(*ranges[chance.pick(odds)])
    if chance.rng.random() < 0.15:
        return chance.paint()
    warmth = chance.between(-0.1, 0.3)
    return level * (1 - warmth), level, level * (1 + 0.6 * warmth)


def _blown(bank: Floats, times: int) -> Floats:
    """A bank of noise blown up to the texture's side; it still tiles as far as one sees."""
    small = bank[: PIXELS // times, : PIXELS // times]
    big: Floats = cv2.resize(small, (PIXELS, PIXELS), interpolation=cv2.INTER_LINEAR)
    return big


def _grain(noise: Noise) -> Floats:
    return np.tile(noise.fine, (2, 2))[:PIXELS, :PIXELS]


def _concrete(chance: Chance, noise: Noise) -> Floats:
    gain = 1 + _grain(noise) * chance.between(0.01, 0.05) + 0.03 * _blown(noise.fine, 16)
    for _ in range(chance.whole(0, 3)):  # cracks and joints
        a, b = chance.rng.integers(0, PIXELS, (2, 2)).tolist()
        cv2.line(gain, a, b, chance.between(0.55, 0.85), chance.whole(1, 2), cv2.LINE_AA)
    return gain


def _tiled(chance: Chance, noise: Noise, *, board: bool) -> Floats:
    count = chance.whole(6, 14) if board else chance.whole(7, 40)
    step, joint = PIXELS / count, chance.between(0.5, 1.35)
    shades = 1 + chance.between(0.01, 0.1) * noise.fine[:count, :count]
    if board:
        odd = np.add.outer(np.arange(count), np.arange(count)) % 2 == 1
        shades = shades * np.where(odd, chance.between(0.3, 0.75), 1)
    gain = cv2.resize(shades, (PIXELS, PIXELS), interpolation=cv2.INTER_NEAREST)
    gain = gain + _grain(noise) * chance.between(0.005, 0.03)
    for start in np.arange(count) * step:
        at, thick = int(start), chance.whole(1, 2)
        gain[at : at + thick] *= joint
        gain[:, at : at + thick] *= joint
    return np.asarray(gain, np.float32)


def _tiles(chance: Chance, noise: Noise) -> Floats:
    return _tiled(chance, noise, board=False)


def _checkerboard(chance: Chance, noise: Noise) -> Floats:
    return _tiled(chance, noise, board=True)


def _wood(chance: Chance, noise: Noise) -> Floats:
    planks = chance.whole(16, 40)
    shades = 1 + chance.between(0.04, 0.14) * noise.fine[:planks, :6]
    gain = cv2.resize(shades, (PIXELS, PIXELS), interpolation=cv2.INTER_NEAREST)
    grain = cv2.resize(noise.fine[:, :10], (PIXELS, PIXELS), interpolation=cv2.INTER_LINEAR)
    gain = gain + chance.between(0.02, 0.06) * grain
    gain[(np.arange(planks) * PIXELS // planks)] *= chance.between(0.6, 0.9)
    warm = np.array((0.85, 1.0, 1.12), np.float32)
    return np.asarray(gain[..., None] * warm, np.float32)


def _carpet(chance: Chance, noise: Noise) -> Floats:
    gain = 1 + _grain(noise) * chance.between(0.05, 0.14)
    if chance.rng.random() < 0.5:  # ribs
        wave = np.sin(np.arange(PIXELS) * (2 * np.pi * chance.whole(30, 110) / PIXELS))
        gain *= (1 + chance.between(0.03, 0.12) * wave)[:, None].astype(np.float32)
    return np.asarray(gain, np.float32)


def _pattern(chance: Chance, noise: Noise) -> Floats:
    """Rings, dots and bars at regular places, in a second colour."""
    count = chance.whole(5, 20)
    cell = PIXELS // count
    stamp = np.zeros((cell, cell), np.float32)
    middle, size = cell // 2, max(2, int(cell * chance.between(0.15, 0.45)))
    kind, thick = chance.whole(0, 2), chance.whole(1, max(1, cell // 8))
    if kind == 0:
        cv2.circle(stamp, (middle, middle), size, 1.0, thick, cv2.LINE_AA)
    elif kind == 1:
        cv2.circle(stamp, (middle, middle), size, 1.0, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(stamp, (middle - size, thick), (middle + size, cell - thick), 1.0, thick)
    share = np.tile(stamp, (count + 1, count + 1))[:PIXELS, :PIXELS, None]
    second = chance.rng.uniform(0.4, 1.7, 3).astype(np.float32)
    return np.asarray(
        (1 + share * (second - 1)) * (1 + 0.03 * _grain(noise)[..., None]), np.float32
    )


def _rough(chance: Chance, noise: Noise) -> Floats:
    """Asphalt, gravel, grass, trodden snow: noise of all sizes."""
    gain = np.ones((PIXELS, PIXELS), np.float32)
    for times in (1, 2, 4, 8, 16):
        layer = _grain(noise) if times == 1 else _blown(noise.fine, times)
        gain += layer * chance.between(0.02, 0.11) / (1 if times < 4 else 2)
    return gain


def _grating(chance: Chance, noise: Noise) -> Floats:
    """Studded rubber or a metal grating: small dots close together, as in vehicles."""
    count = chance.whole(32, 64)
    cell = PIXELS // count
    stamp = np.ones((cell, cell), np.float32)
    cv2.circle(stamp, (cell // 2, cell // 2), max(1, cell // 4), chance.between(0.4, 1.6), -1)
    gain = np.ones((PIXELS, PIXELS), np.float32)
    tiled = np.tile(stamp, (count, count))
    gain[: len(tiled), : len(tiled)] = tiled
    return np.asarray(gain * (1 + 0.05 * _grain(noise)), np.float32)


def _blank(chance: Chance, noise: Noise) -> Floats:
    del chance, noise
    return np.ones((PIXELS, PIXELS), np.float32)


_PATTERNS: dict[str, Callable[[Chance, Noise], Floats]] = {
    "concrete": _concrete, "tiles": _tiles, "checkerboard": _checkerboard, "wood": _wood,
    "carpet": _carpet, "pattern": _pattern, "rough": _rough, "grating": _grating, "blank": _blank,
}  # fmt: skip
