"""What lens, sensor and recorder make of a picture: darkness, blur, noise, compression."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image
from training.synth.chance import Chance
from training.synth.solids import Floats
from training.synth.texture import SIDE, Noise, dimmed

TONES: dict[str, float] = {
    "true tones": 0.5, "low light": 0.11, "crushed blacks": 0.14, "overexposed": 0.06,
    "washed out": 0.08, "infrared": 0.06, "monochrome": 0.05,
}  # fmt: skip
FAULTS: dict[str, float] = {
    "colour cast": 0.35, "vignette": 0.25, "defocus": 0.18, "motion blur": 0.22,
    "low resolution": 0.22, "sharpened": 0.15,
}  # fmt: skip
_JPEG = 0.4  # share of pictures that are compressed


def develop(chance: Chance, picture: Floats, noise: Noise) -> Image:
    """The picture as a recorder keeps it, uint8."""
    tone = chance.pick(TONES)
    picture = _TONES[tone](chance.fork(), _exposed(chance, picture))
    for name, odds in FAULTS.items():
        if part := chance.part(name, odds):
            picture = _FAULTS[name](part, picture)
    picture = cv2.GaussianBlur(picture, (5, 5), chance.between(0.45, 0.8))
    image = _with_noise(chance.fork(), picture, noise)
    if chance.happens("jpeg", _JPEG):
        quality = chance.whole(15, 75)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _exposed(chance: Chance, picture: Floats) -> Floats:
    """Automatic exposure: the mean comes near a usual grey, as far as the gain reaches."""
    mean = max(float(picture[::4, ::4].mean()), 1.0)
    gain = (chance.between(45, 150) / mean) ** chance.between(0.0, 0.6)
    return picture * np.float32(min(gain, 3.0))


def _with_noise(chance: Chance, picture: Floats, noise: Noise) -> Image:
    """Grain of brightness, in half of the cameras of colour too; rounded to uint8."""
    rows, width = picture.shape[:2]
    down, across = -(-rows // SIDE) + 1, -(-width // SIDE) + 1
    wide = np.tile(noise.fine, (down, across))
    coloured, level = chance.rng.random() < 0.5, np.float32(chance.between(0.5, 8.0))
    shifts = chance.rng.integers(0, SIDE, (3, 2))
    image = np.empty((rows, width, 3), np.uint8)
    for channel, (y, x) in enumerate(shifts if coloured else shifts[[0, 0, 0]]):
        noisy = picture[..., channel] + level * wide[y : y + rows, x : x + width]
        image[..., channel] = np.clip(noisy, 0, 255)
    return image


def _cast(chance: Chance, picture: Floats) -> Floats:
    tinted: Floats = cv2.transform(picture, np.diag(chance.rng.uniform(0.75, 1.25, 3)))
    return tinted


def _low_light(chance: Chance, picture: Floats) -> Floats:
    """Few photons, amplified: dim and grainy."""
    dim = picture * chance.between(0.25, 0.6)
    rough = chance.rng.standard_normal(picture.shape[:2], np.float32)
    return dim + chance.between(1, 6) * rough[..., None]


def _crushed(chance: Chance, picture: Floats) -> Floats:
    """The blacks are cut off, the lights blown up: dark hair on a dark floor has no outline."""
    return (picture - chance.between(15, 65)) * chance.between(1.0, 1.8)


def _overexposed(chance: Chance, picture: Floats) -> Floats:
    return picture * chance.between(1.3, 2.1)


def _washed(chance: Chance, picture: Floats) -> Floats:
    return chance.between(30, 90) + picture * chance.between(0.4, 0.7)


def _of_grey(grey: Floats) -> Floats:
    picture: Floats = cv2.merge((grey, grey, grey))
    return picture


def _monochrome(chance: Chance, picture: Floats) -> Floats:
    del chance
    grey = picture @ np.array((0.114, 0.587, 0.299), np.float32)
    return _of_grey(grey)


def _infrared(chance: Chance, picture: Floats) -> Floats:
    """Lit from the camera at night: bright in the middle, and dyes do not show."""
    rows, width = picture.shape[:2]
    grey = 60 + 0.6 * (picture @ np.array((0.1, 0.3, 0.6), np.float32))
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, rows))
    spot = np.exp(-(across**2 + down**2) * chance.between(0.5, 2.0))
    lit = grey * spot.astype(np.float32) * chance.between(0.9, 1.4)
    return _of_grey(lit)


def _vignette(chance: Chance, picture: Floats) -> Floats:
    rows, width = picture.shape[:2]
    aside = (np.linspace(-1, 1, width) ** 2 + np.linspace(-1, 1, rows)[:, None] ** 2) / 2
    return dimmed(picture, 1 - chance.between(0.2, 0.7) * aside.astype(np.float32))


def _defocus(chance: Chance, picture: Floats) -> Floats:
    blurred: Floats = cv2.GaussianBlur(picture, (0, 0), chance.between(0.8, 2.2) * _unit(picture))
    return blurred


def _motion(chance: Chance, picture: Floats) -> Floats:
    """A long exposure of what moves: along a line, and mostly dark scenes have it."""
    size = max(3, round(chance.between(3, 12) * _unit(picture)))
    kernel: NDArray[np.float32] = np.zeros((size, size), np.float32)
    turn, middle = chance.between(0, math.pi), (size - 1) / 2
    reach = middle * np.array((math.cos(turn), math.sin(turn)))
    a, b = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
    cv2.line(kernel, a.tolist(), b.tolist(), 1.0)
    blurred: Floats = cv2.filter2D(picture, -1, kernel / kernel.sum())
    return blurred


def _coarse(chance: Chance, picture: Floats) -> Floats:
    """Recorded small and blown up again."""
    rows, width = picture.shape[:2]
    share = chance.between(0.4, 0.8)
    small = cv2.resize(
        picture,
        (max(8, int(width * share)), max(8, int(rows * share))),
        interpolation=cv2.INTER_AREA,
    )
    big: Floats = cv2.resize(small, (width, rows), interpolation=cv2.INTER_CUBIC)
    return big


def _sharpened(chance: Chance, picture: Floats) -> Floats:
    """The halos of a camera that sharpens."""
    soft = cv2.blur(picture, (5, 5))
    sharp: Floats = picture + chance.between(0.3, 1.0) * (picture - soft)
    return sharp


def _unit(picture: Floats) -> float:
    return float(picture.shape[1]) / 400


def _true(chance: Chance, picture: Floats) -> Floats:
    del chance
    return picture


_TONES: dict[str, Callable[[Chance, Floats], Floats]] = {
    "true tones": _true, "low light": _low_light, "crushed blacks": _crushed,
    "overexposed": _overexposed, "washed out": _washed, "infrared": _infrared,
    "monochrome": _monochrome,
}  # fmt: skip
_FAULTS: dict[str, Callable[[Chance, Floats], Floats]] = {
    "colour cast": _cast, "vignette": _vignette, "defocus": _defocus, "motion blur": _motion,
    "low resolution": _coarse, "sharpened": _sharpened,
}  # fmt: skip
