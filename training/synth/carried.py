"""What people carry, push and pull, in the body's axes: forward, left, up; metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synth.chance import Chance
from training.synth.solids import Material, Place, Solid, ball, rod, shape, spin

CARRIED: dict[str, float] = {
    "nothing": 0.52, "backpack": 0.14, "bag": 0.12, "carton": 0.04, "suitcase": 0.05,
    "pram": 0.04, "trolley": 0.03, "umbrella": 0.03,
}  # fmt: skip

_RUBBER = Material((25, 25, 25))
_METAL = Material((150, 150, 150), gloss=0.6)


def carried_solids(chance: Chance, name: str) -> list[Solid]:
    """The solids of a thing of `CARRIED`."""
    return _MAKERS[name](chance)


def _nothing(chance: Chance) -> list[Solid]:
    del chance
    return []


def _backpack(chance: Chance) -> list[Solid]:
    stuff = Material(chance.cloth(), "folds")
    deep, high = chance.between(0.07, 0.13), chance.between(0.18, 0.26)
    straps = [
        rod((-0.09, y, 1.47), (0.11, y, 1.25), 0.022, Material(chance.cloth()))
        for y in (0.11, -0.11)
    ]
    pack = ball((-0.13 - deep, 0, 1.2), (deep, 0.155, high), stuff)
    lid = ball((-0.12 - deep, 0, 1.2 + 0.7 * high), (deep * 0.9, 0.14, 0.09), stuff)
    return [pack, lid, *straps]


def _bag(chance: Chance) -> list[Solid]:
    side = 0.31 if chance.rng.random() < 0.5 else -0.31
    leather = Material(chance.cloth(), gloss=0.3)
    long, high = chance.between(0.12, 0.2), chance.between(0.1, 0.16)
    strap = rod((0, side * 0.95, 0.95), (-0.01, side * 0.5, 1.46), 0.015, leather)
    return [shape("block", (0, side, 0.82), (long, 0.055, high), leather), strap]


def _carton(chance: Chance) -> list[Solid]:
    brown = Material((95, 140, 175), "cloth")
    half = (chance.between(0.12, 0.2), chance.between(0.16, 0.28), chance.between(0.08, 0.2))
    return [shape("block", (0.18 + half[0], 0, 1.12), half, brown)]


def _suitcase(chance: Chance) -> list[Solid]:
    hard = Material(chance.cloth(), gloss=0.4)
    half = (0.13, 0.21, chance.between(0.26, 0.36))
    handle = rod((-0.46, -0.2, half[2] * 2), (-0.25, -0.22, 0.92), 0.012, _METAL)
    return [shape("block", (-0.55, -0.2, half[2] + 0.04), half, hard, spin(0, -0.3)), handle]


def _pram(chance: Chance) -> list[Solid]:
    stuff, far = Material(chance.cloth(), "folds"), 0.85
    hood = ball((far - 0.05, 0, 0.72), (0.3, 0.24, 0.3), stuff, clip=((0.6, 0, 0.8), 0.25))
    tub = ball((far, 0, 0.66), (0.45, 0.23, 0.19), Material(chance.cloth(), "folds"))
    handle = rod((0.36, 0.2, 1.0), (0.36, -0.2, 1.0), 0.018, _RUBBER)
    bars = [rod((0.36, y, 1.0), (far - 0.3, y, 0.7), 0.012, _METAL) for y in (0.2, -0.2)]
    return [tub, hood, handle, *bars, *_wheels(far, 0.33, 0.23, 0.11)]


def _wheels(middle: float, reach: float, aside: float, radius: float) -> list[Solid]:
    flat = np.array([(1.0, 0, 0), (0, 0, -1.0), (0, 1.0, 0)])  # a can on its side
    return [
        shape("can", (middle + x, y, radius), (radius, radius, 0.025), _RUBBER, flat)
        for x in (reach, -reach)
        for y in (aside, -aside)
    ]


def _trolley(chance: Chance) -> list[Solid]:
    """A shopping trolley: a basket of bars with goods in it."""
    bars, far = [], 0.8
    corners = [(far - 0.4, -0.25), (far + 0.4, -0.2), (far + 0.4, 0.2), (far - 0.4, 0.25)]
    for level in (0.55, 0.78, 1.0):
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            bars.append(rod((x1, y1, level), (x2, y2, level), 0.01, _METAL))
    goods = [
        ball(
            (far + chance.between(-0.25, 0.25), chance.between(-0.1, 0.1), 0.7),
            (0.09, 0.08, 0.08), Material(chance.cloth()),
        )
        for _ in range(chance.whole(0, 5))
    ]  # fmt: skip
    floor = shape("block", (far, 0, 0.5), (0.4, 0.22, 0.01), Material((70, 70, 70)))
    return [*bars, *goods, floor, *_wheels(far, 0.35, 0.2, 0.06)]


def _umbrella(chance: Chance) -> list[Solid]:
    cloth = Material(chance.cloth(), chance.pick({"plain": 2, "gores": 1}), chance.cloth())
    wide, lean = chance.between(0.45, 0.58), chance.between(-0.15, 0.25)
    dome = ball((0, 0, 0), (wide, wide, 0.26), cloth, clip=((0, 0, 1), 0.15))
    stick = rod((0, 0, -0.6), (0, 0, 0.3), 0.01, _METAL)
    place = Place(spin(0, lean), np.array((0.08, 0.03, 1.76)))
    return place.put([dome, stick])


_MAKERS: dict[str, Callable[[Chance], list[Solid]]] = {
    "nothing": _nothing, "backpack": _backpack, "bag": _bag, "carton": _carton,
    "suitcase": _suitcase, "pram": _pram, "trolley": _trolley, "umbrella": _umbrella,
}  # fmt: skip
