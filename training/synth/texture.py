"""Grains of surfaces, from one bank of noise: cloth, hair, stripes, wood and the like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.solids import Floats, Material

SIDE = 256  # pixels of the noise; it tiles


@dataclass(frozen=True, slots=True)
class Noise:
    """Tiling noise of unit spread, (SIDE, SIDE): `fine` from pixel to pixel, `soft` in folds."""

    fine: Floats
    soft: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Noise:
        """Draw a bank."""
        fine = rng.standard_normal((SIDE, SIDE), np.float32)
        wide = cv2.copyMakeBorder(fine, 16, 16, 16, 16, cv2.BORDER_WRAP)
        soft = cv2.blur(cv2.blur(wide, (9, 9)), (9, 9))[16:-16, 16:-16]
        return cls(fine, soft / soft.std())


def cloud(noise: Noise, rows: int, width: int, coarse: float) -> Floats:
    """Smooth noise (rows, width) of about unit spread, whose blobs are `coarse` pixels wide."""
    tall, wide = (min(SIDE, max(3, int(side / coarse) + 2)) for side in (rows, width))
    smooth: Floats = cv2.resize(
        noise.fine[:tall, -wide:], (width, rows), interpolation=cv2.INTER_CUBIC
    )
    return smooth


def dimmed(picture: Floats, gain: Floats) -> Floats:
    """A picture (rows, width, 3) by a gain (rows, width); NumPy would loop over threes.

    The picture is changed.
    """
    out: Floats = cv2.multiply(picture, cv2.merge((gain, gain, gain)), dst=picture)
    return out


def look(bank: Floats, across: Floats, down: Floats) -> Floats:
    """Values (n,) of a bank at coordinates in its pixels, which wrap."""
    mask = SIDE - 1
    values: Floats = bank[across.astype(np.int32) & mask, down.astype(np.int32) & mask]
    return values


def _plain(noise: Noise, unit: Floats, scale: float) -> Floats:
    del noise, scale
    return np.zeros(unit.shape[1], np.float32)


def _cloth(noise: Noise, unit: Floats, scale: float) -> Floats:
    across, down = unit[0] * 37 * scale, (unit[1] + unit[2]) * 37 * scale
    weave: Floats = 0.05 * look(noise.fine, across, down) + 0.06 * look(noise.soft, across, down)
    return weave


def _hair(noise: Noise, unit: Floats, scale: float) -> Floats:
    """Strands that run down from the crown in a whorl, in tufts."""
    around = np.arctan2(unit[1], unit[0] + 0.25) + unit[2] * 0.8
    aside = 1 - np.abs(unit[2])  # strands are told apart at the sides, not at the crown
    strand = look(noise.fine, around * (30 * scale), unit[2] * 9 + 9)
    tuft = look(noise.soft, around * (14 * scale), unit[2] * 20)
    mess = look(noise.soft, unit[0] * 45, unit[1] * 45)
    hair: Floats = (0.03 + 0.09 * aside) * strand + 0.09 * tuft + 0.08 * mess
    return hair


def _wool(noise: Noise, unit: Floats, scale: float) -> Floats:
    """Curls: hair without a direction, knitted things, plants."""
    curls: Floats = 0.22 * look(noise.fine, unit[0] * 30 * scale, (unit[1] + 3 * unit[2]) * 30)
    return curls


def _folds(noise: Noise, unit: Floats, scale: float) -> Floats:
    across, down = unit[0] * 40 * scale, (unit[1] - unit[2]) * 50 * scale
    creases: Floats = 0.1 * look(noise.soft, across, down)
    return creases


GRAINS: dict[str, Callable[[Noise, Floats, float], Floats]] = {
    "plain": _plain, "cloth": _cloth, "hair": _hair, "wool": _wool, "folds": _folds,
}  # fmt: skip


def _second_share(material: Material, unit: Floats) -> NDArray[np.bool_] | None:
    """Where (n,) the second colour shows; None where a material has none."""
    wave, share = 9 * material.scale, None
    if material.grain == "stripes":
        share = np.sin(unit[2] * wave) > 0.4
    elif material.grain == "checks":
        share = (np.sin(unit[2] * wave) > 0) ^ (np.sin(unit[1] * wave) > 0)
    elif material.grain == "gores":  # of an umbrella
        share = np.sin(np.arctan2(unit[1], unit[0]) * 4) > 0
    elif material.grain == "print":  # something on the chest or the back
        share = np.hypot(unit[1], unit[2] * 1.5) < 0.4
    return None if share is None else np.asarray(share)


def colours(material: Material, noise: Noise, unit: Floats) -> Floats:
    """Colours (n, 3) 0..255 of a surface at points (3, n) in unit coordinates."""
    base = np.array(material.colour, np.float32)
    share = _second_share(material, unit)
    grain = GRAINS.get(material.grain, _cloth)(noise, unit, material.scale)
    gain = (1 + grain).astype(np.float32)
    if share is None:
        return gain[:, None] @ base[None]  # an outer product; a product of matrices is the faster
    first, second = (gain * ~share)[:, None], (gain * share)[:, None]
    mixed: Floats = first @ base[None] + second @ np.array([material.second], np.float32)
    return mixed
