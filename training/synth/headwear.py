"""What grows or is worn on a head: hair, hats, hoods, in the head's axes: forward, left, up.

The middle of the skull is the origin, metres of a person of 1.72 m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.synth.chance import Chance
from training.synth.solids import Material, Solid, ball, rod, shape, spin, times

HEADWEAR: dict[str, float] = {
    "short": 0.36, "receding": 0.07, "bald": 0.06, "tonsure": 0.05, "long": 0.12,
    "ponytail": 0.06, "bun": 0.04, "afro": 0.03, "cap": 0.06, "hat": 0.03, "beanie": 0.04,
    "hood": 0.05, "scarf": 0.02, "helmet": 0.01,
}  # fmt: skip

RADII = (0.098, 0.077, 0.115)  # m, of the skull: half of its length, breadth and height


@dataclass(frozen=True, slots=True)
class HeadLook:
    """What a head looks like."""

    wear: str  # of HEADWEAR
    face: str  # of FACES
    skin: Material
    hair: Material
    cloth: Material  # of what is worn


def covers(chance: Chance, look: HeadLook) -> list[Solid]:
    """The solids that cover a head, none on a bald one."""
    return _MAKERS[look.wear](chance, look)


def _cap_of_hair(look: HeadLook, back: float = 0.0, thick: float = 0.012) -> Solid:
    """Hair over crown, sides and nape; `back` 0..0.5 moves the hairline off the brow."""
    radii = (RADII[0] + thick, RADII[1] + thick, RADII[2] + thick * 0.6)
    clip = ((-0.62, 0.0, 0.78), -0.12 + back)
    return ball((-0.007, 0, 0.006), radii, look.hair, clip=clip, head=True)


def _short(chance: Chance, look: HeadLook) -> list[Solid]:
    parting = chance.between(-0.02, 0.02)
    quiff = ball((0.03, parting, 0.082), (0.065, 0.055, 0.042), look.hair, head=True)
    return [_cap_of_hair(look, thick=chance.between(0.006, 0.02)), quiff]


def _receding(chance: Chance, look: HeadLook) -> list[Solid]:
    return [_cap_of_hair(look, back=chance.between(0.2, 0.5), thick=0.008)]


def _bald(chance: Chance, look: HeadLook) -> list[Solid]:
    del chance, look
    return []


def _tonsure(chance: Chance, look: HeadLook) -> list[Solid]:
    """A ring of hair below a bare crown."""
    drop = chance.between(0.03, 0.05)
    radii = (RADII[0] + 0.01, RADII[1] + 0.012, RADII[2] * 0.86)
    return [
        ball((-0.012, 0, -drop + 0.012), radii, look.hair, clip=((-0.9, 0, 0.43), -0.1), head=True)
    ]


def _long(chance: Chance, look: HeadLook) -> list[Solid]:
    reach = chance.between(0.09, 0.2)
    hang = ball((-0.06, 0, -0.09), (0.055, 0.092, reach), look.hair)
    return [_cap_of_hair(look, thick=0.018), hang]


def _ponytail(chance: Chance, look: HeadLook) -> list[Solid]:
    high = chance.between(-0.02, 0.07)
    tail = rod(
        (-0.115, 0, high), (-0.15, chance.between(-0.03, 0.03), high - 0.17), 0.024, look.hair
    )
    return [_cap_of_hair(look, thick=0.008), tail]


def _bun(chance: Chance, look: HeadLook) -> list[Solid]:
    high, size = chance.between(-0.02, 0.11), chance.between(0.028, 0.045)
    back = -0.115 + 0.6 * max(high, 0)
    return [
        _cap_of_hair(look, thick=0.008),
        ball((back, 0, high), (size, size * 1.1, size), look.hair, head=True),
    ]


def _afro(chance: Chance, look: HeadLook) -> list[Solid]:
    curls = Material(look.hair.colour, "wool")
    size = chance.between(1.25, 1.6)
    radii = (RADII[0] * size, RADII[1] * size * 1.2, RADII[2] * size)
    return [ball((-0.02, 0, 0.04), radii, curls, clip=((-0.7, 0, 0.71), -0.25), head=True)]


def _cap(chance: Chance, look: HeadLook) -> list[Solid]:
    dome = ball((0, 0, 0.025), (0.107, 0.09, 0.103), look.cloth, clip=((0, 0, 1), 0.05), head=True)
    turned = 1.0 if chance.rng.random() < 0.85 else -1.0  # now and then back to front
    peak = ball((0.105 * turned, 0, 0.038), (0.075, 0.075, 0.008), _darker(look.cloth), head=True)
    return [_cap_of_hair(look, thick=0.006), dome, peak]


def _hat(chance: Chance, look: HeadLook) -> list[Solid]:
    wide = chance.between(0.15, 0.21)
    brim = shape("can", (0, 0, 0.045), (wide, wide * 0.92, 0.007), look.cloth)
    crown = ball((0, 0, 0.05), (0.105, 0.088, 0.105), look.cloth, clip=((0, 0, 1), 0.0), head=True)
    band = shape("can", (0, 0, 0.065), (0.107, 0.09, 0.014), _darker(look.cloth))
    return [_cap_of_hair(look, thick=0.006), _of_head(brim), crown, band]


def _beanie(chance: Chance, look: HeadLook) -> list[Solid]:
    wool = Material(look.cloth.colour, "wool")
    dome = ball(
        (-0.008, 0, 0.02), (0.112, 0.095, 0.12), wool, clip=((-0.25, 0, 0.97), 0.05), head=True
    )
    bobble = ball((-0.01, 0, 0.15), (0.032, 0.032, 0.03), wool, head=True)
    return [_cap_of_hair(look, thick=0.006), dome, *([bobble] if chance.rng.random() < 0.3 else [])]


def _hood(chance: Chance, look: HeadLook) -> list[Solid]:
    size = chance.between(1.0, 1.15)
    radii = (0.125 * size, 0.108 * size, 0.145 * size)
    clip = ((-0.92, 0.0, 0.39), -0.42)
    tip = ball((-0.1, 0, 0.02), (0.05, 0.06, 0.08), look.cloth, head=True, turn=spin(0, 0.5))
    return [ball((-0.012, 0, 0.005), radii, look.cloth, clip=clip, head=True), tip]


def _scarf(chance: Chance, look: HeadLook) -> list[Solid]:
    """A headscarf: face free, chin and neck covered."""
    clip = ((-0.97, 0.0, 0.2), -0.5)
    over = ball((-0.008, 0, 0), (0.118, 0.098, 0.132), look.cloth, clip=clip, head=True)
    drop = chance.between(0.1, 0.16)
    return [over, ball((-0.01, 0, -0.15), (0.1, 0.12, drop), look.cloth)]


def _helmet(chance: Chance, look: HeadLook) -> list[Solid]:
    shell = Material(chance.cloth(), gloss=0.8)
    dome = ball((-0.005, 0, 0.03), (0.135, 0.11, 0.11), shell, clip=((0, 0, 1), -0.05), head=True)
    vents = [shape("block", (0, y, 0.135), (0.07, 0.008, 0.012), look.cloth) for y in (-0.04, 0.04)]
    return [dome, *vents]


_MAKERS: dict[str, Callable[[Chance, HeadLook], list[Solid]]] = {
    "short": _short, "receding": _receding, "bald": _bald, "tonsure": _tonsure, "long": _long,
    "ponytail": _ponytail, "bun": _bun, "afro": _afro, "cap": _cap, "hat": _hat,
    "beanie": _beanie, "hood": _hood, "scarf": _scarf, "helmet": _helmet,
}  # fmt: skip


def _of_head(solid: Solid) -> Solid:
    return Solid(solid.shape, solid.centre, solid.axes, solid.material, solid.clip, head=True)


def _darker(material: Material) -> Material:
    return Material(times(material.colour, 0.7), material.grain, gloss=material.gloss)
