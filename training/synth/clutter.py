"""Things at doors that are no heads, many of them round: what detectors have taken for heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from training.synth.chance import Chance
from training.synth.solids import Material, Place, Solid, ball, rod, shape, spin

CLUTTER: dict[str, float] = {
    "wire chair": 0.17, "bin": 0.13, "plant": 0.13, "ball": 0.1, "shoes": 0.11, "drain": 0.08,
    "lamp": 0.08, "wheel": 0.08, "box": 0.12, "table": 0.08, "bollard": 0.06,
}  # fmt: skip


def thing(chance: Chance, name: str, x: float, y: float) -> list[Solid]:
    """A thing of `CLUTTER` that stands at (x, y) metres, turned by chance."""
    solids = _MAKERS[name](chance)
    place = Place(spin(chance.between(0, 2 * math.pi)), np.array((x, y, 0.0)))
    return place.put(solids)


def _wire_chair(chance: Chance) -> list[Solid]:
    wire = Material(chance.cloth(), gloss=0.5)
    radius, level = chance.between(0.14, 0.24), chance.between(0.4, 0.8)
    solids = _ring(radius, level, wire) + _ring(
        radius * chance.between(0.4, 0.8), level - 0.02, wire
    )
    for turn in np.linspace(0, 2 * math.pi, 4, endpoint=False):
        foot = (radius * math.cos(turn), radius * math.sin(turn), 0.0)
        solids.append(rod(foot, (foot[0], foot[1], level), 0.01, wire))
    return solids


def _ring(radius: float, level: float, wire: Material) -> list[Solid]:
    turns = np.linspace(0, 2 * math.pi, 11)
    points = [(radius * math.cos(t), radius * math.sin(t), level) for t in turns]
    return [rod(a, b, 0.009, wire) for a, b in pairwise(points)]


def _bin(chance: Chance) -> list[Solid]:
    radius, level = chance.between(0.1, 0.25), chance.between(0.15, 0.45)
    body = shape("can", (0, 0, level), (radius, radius, level), Material(chance.cloth(), gloss=0.2))
    rim = radius * chance.between(0.6, 0.95)
    inside = Material((15, 15, 15) if chance.rng.random() < 0.6 else chance.cloth())
    return [body, shape("can", (0, 0, 2 * level), (rim, rim, 0.006), inside)]


def _plant(chance: Chance) -> list[Solid]:
    green = Material(
        (chance.between(15, 60), chance.between(50, 130), chance.between(20, 80)), "wool"
    )
    pot = shape("can", (0, 0, 0.16), (0.15, 0.15, 0.16), Material(chance.cloth()))
    leaves = []
    for _ in range(chance.whole(8, 16)):
        turn, reach, level = (chance.between(*r) for r in ((0, 6.3), (0.05, 0.3), (0.4, 1.2)))
        at = (reach * math.cos(turn), reach * math.sin(turn), level)
        leaves.append(
            ball(at, (0.12, 0.035, 0.012), green, turn=spin(turn, chance.between(-0.5, 1)))
        )
    return [pot, *leaves]


def _ball(chance: Chance) -> list[Solid]:
    radius = chance.between(0.07, 0.16)
    coat = Material(
        chance.cloth(), chance.pick({"plain": 2, "gores": 1}), chance.cloth(), gloss=0.3
    )
    return [ball((0, 0, radius), (radius,) * 3, coat)]


def _shoes(chance: Chance) -> list[Solid]:
    leather = Material(chance.cloth(), gloss=0.3)
    return [
        ball((chance.between(-0.1, 0.1), y, 0.05), (0.14, 0.05, 0.055), leather)
        for y in (0.07, -0.07)
    ]


def _drain(chance: Chance) -> list[Solid]:
    radius, iron = chance.between(0.08, 0.3), Material(chance.cloth(), "stripes", (20, 20, 20), 3.0)
    lid = shape("can", (0, 0, 0.003), (radius, radius, 0.003), iron)
    return [
        lid,
        shape("can", (0, 0, 0.004), (radius * 0.8,) * 2 + (0.004,), Material(chance.cloth())),
    ]


def _lamp(chance: Chance) -> list[Solid]:
    """Hangs below the camera: a bright or a dark round thing."""
    radius, level = chance.between(0.08, 0.18), chance.between(1.4, 1.9)
    glow = Material((235, 245, 250)) if chance.rng.random() < 0.6 else Material(chance.cloth())
    pole = rod((0, 0, 0), (0, 0, level), 0.014, Material((60, 60, 60)))
    return [pole, ball((0, 0, level), (radius, radius, radius * 0.7), glow)]


def _wheel(chance: Chance) -> list[Solid]:
    """A bicycle: two wheels seen from the side or the edge, a bar between."""
    rubber, paint = Material((25, 25, 28)), Material(chance.cloth(), gloss=0.5)
    turns = np.linspace(0, 2 * math.pi, 13)
    rims = []
    for middle in (-0.5, 0.5):
        ring = [(middle + 0.32 * math.cos(t), 0.0, 0.33 + 0.32 * math.sin(t)) for t in turns]
        rims += [rod(a, b, 0.02, rubber) for a, b in pairwise(ring)]
    saddle = ball((-0.25, 0, 0.95), (0.13, 0.06, 0.03), rubber)
    bars = [rod((0.42, -0.25, 1.0), (0.42, 0.25, 1.0), 0.015, rubber)]
    return [*rims, saddle, *bars, rod((-0.5, 0, 0.33), (0.42, 0, 0.95), 0.02, paint)]


def _box(chance: Chance) -> list[Solid]:
    half = (chance.between(0.08, 0.4), chance.between(0.08, 0.3), chance.between(0.05, 0.5))
    return [shape("block", (0, 0, half[2]), half, Material(chance.cloth(), "cloth"))]


def _table(chance: Chance) -> list[Solid]:
    radius, level = chance.between(0.2, 0.5), chance.between(0.45, 1.0)
    top = Material(chance.cloth(), "cloth", gloss=0.3)
    cup = shape("can", (0.1, 0.05, level + 0.06), (0.04, 0.04, 0.05), Material(chance.cloth()))
    leg = rod((0, 0, 0), (0, 0, level), 0.03, Material((70, 70, 70)))
    return [shape("can", (0, 0, level), (radius, radius, 0.015), top), cup, leg]


def _bollard(chance: Chance) -> list[Solid]:
    """A post with a knob, as at barriers and turnstiles."""
    steel = Material(chance.cloth(), gloss=0.5)
    radius = chance.between(0.05, 0.1)
    return [rod((0, 0, 0), (0, 0, chance.between(0.8, 1.1)), radius, steel)]


_MAKERS: dict[str, Callable[[Chance], list[Solid]]] = {
    "wire chair": _wire_chair, "bin": _bin, "plant": _plant, "ball": _ball, "shoes": _shoes,
    "drain": _drain, "lamp": _lamp, "wheel": _wheel, "box": _box, "table": _table,
    "bollard": _bollard,
}  # fmt: skip
