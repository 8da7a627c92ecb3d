"""A head and what grows or is worn on it, in the head's own axes: forward, left, up.

The middle of the skull is the origin, metres of a person of 1.72 m. What an annotator would take
into a head's box (skull, hair, hat, bun) is marked `head`; hair that hangs down is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.synth.chance import Chance
from training.synth.solids import Colour, Material, Solid, ball, rod, shape, spin

SKINS: tuple[Colour, ...] = (
    (170, 192, 228), (150, 180, 222), (120, 150, 200), (85, 115, 165), (55, 80, 125), (35, 50, 85),
)  # fmt: skip
HAIRS: dict[str, tuple[Colour, float]] = {
    "black": ((16, 14, 15), 0.3), "dark": ((24, 30, 40), 0.26), "brown": ((35, 52, 78), 0.17),
    "fair": ((85, 125, 160), 0.07), "grey": ((125, 125, 128), 0.08), "white": ((200, 205, 210), 0.05),
    "red": ((35, 60, 130), 0.04), "dyed": ((140, 70, 120), 0.03),
}  # fmt: skip
HEADWEAR: dict[str, float] = {
    "short": 0.36, "receding": 0.07, "bald": 0.06, "tonsure": 0.05, "long": 0.12, "ponytail": 0.06,
    "bun": 0.04, "afro": 0.03, "cap": 0.06, "hat": 0.03, "beanie": 0.04, "hood": 0.05, "scarf": 0.02,
    "helmet": 0.01,
}  # fmt: skip
FACES: dict[str, float] = {"bare face": 0.66, "beard": 0.12, "glasses": 0.14, "mask": 0.08}

RADII = (0.098, 0.077, 0.115)  # m, of the skull: half of its length, breadth and height


@dataclass(frozen=True, slots=True)
class HeadLook:
    """What a head looks like."""

    wear: str  # of HEADWEAR
    face: str  # of FACES
    skin: Material
    hair: Material
    cloth: Material  # of what is worn


def draw_head(chance: Chance, top: Colour) -> HeadLook:
    """Draw a head by chance; a hood has the colour of the `top`."""
    wear, face = chance.pick(HEADWEAR), chance.pick(FACES)
    name = chance.pick({name: odds for name, (_, odds) in HAIRS.items()})
    skin = SKINS[chance.whole(0, len(SKINS) - 1)]
    cloth = chance.cloth()
    return HeadLook(
        wear,
        face,
        Material(_near(chance, skin, 9), gloss=chance.between(0.05, 0.3)),
        Material(
            _near(chance, HAIRS[name][0], 7), "hair", scale=chance.between(0.6, 1.6),
            gloss=chance.between(0.0, 0.35),
        ),
        Material(top if wear == "hood" else cloth, chance.pick({"cloth": 1, "folds": 1})),
    )  # fmt: skip


def head_solids(chance: Chance, look: HeadLook) -> list[Solid]:
    """Skull, face and what covers them."""
    skull = ball((0, 0, 0), RADII, look.skin, head=True)
    return [skull, *_face(look), *_COVERS[look.wear](chance, look)]


def _face(look: HeadLook) -> list[Solid]:
    nose = ball((0.1, 0, -0.015), (0.018, 0.014, 0.022), look.skin)
    ears = [ball((-0.005, y, -0.01), (0.02, 0.012, 0.03), look.skin) for y in (0.078, -0.078)]
    dark = Material(_times(look.skin.colour, 0.35))
    eyes = [ball((0.083, y, 0.012), (0.012, 0.018, 0.008), dark) for y in (0.033, -0.033)]
    lips = Material((*_times(look.skin.colour, 0.62)[:2], look.skin.colour[2] * 0.8))
    mouth = ball((0.082, 0, -0.06), (0.012, 0.026, 0.008), lips)
    extra: list[Solid] = []
    if look.face == "beard":
        clip = ((0.5, 0.0, -0.86), 0.45)
        extra = [ball((0.004, 0, -0.006), (0.102, 0.08, 0.12), look.hair, clip=clip, head=True)]
    elif look.face == "glasses":
        rims = Material((20, 20, 22), gloss=0.6)
        extra = [ball((0.09, y, 0.01), (0.008, 0.028, 0.02), rims) for y in (0.034, -0.034)]
        extra += [
            rod((0.09, y, 0.015), (-0.01, y * 1.05, 0.012), 0.004, rims) for y in (0.07, -0.07)
        ]
    elif look.face == "mask":
        white = Material((215, 205, 195), "cloth")
        extra = [ball((0.05, 0, -0.05), (0.062, 0.066, 0.062), white, head=True)]
    return [nose, *ears, *eyes, mouth, *extra]


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


_COVERS: dict[str, Callable[[Chance, HeadLook], list[Solid]]] = {
    "short": _short, "receding": _receding, "bald": _bald, "tonsure": _tonsure, "long": _long,
    "ponytail": _ponytail, "bun": _bun, "afro": _afro, "cap": _cap, "hat": _hat,
    "beanie": _beanie, "hood": _hood, "scarf": _scarf, "helmet": _helmet,
}  # fmt: skip


def _of_head(solid: Solid) -> Solid:
    return Solid(solid.shape, solid.centre, solid.axes, solid.material, solid.clip, head=True)


def _darker(material: Material) -> Material:
    return Material(_times(material.colour, 0.7), material.grain, gloss=material.gloss)


def _times(colour: Colour, gain: float) -> Colour:
    return colour[0] * gain, colour[1] * gain, colour[2] * gain


def _near(chance: Chance, colour: Colour, spread: float) -> Colour:
    blue, green, red = (max(4.0, c + chance.between(-spread, spread)) for c in colour)
    return blue, green, red
