"""A head: its look by chance, its skull and face, in the head's own axes: forward, left, up.

The middle of the skull is the origin, metres of a person of 1.72 m. What an annotator would take
into a head's box (skull, hair, hat, bun) is marked `head`; hair that hangs down is not.
"""

from __future__ import annotations

from training.synth.chance import Chance
from training.synth.headwear import HEADWEAR, RADII, HeadLook, covers
from training.synth.solids import Colour, Material, Solid, ball, rod, times

SKINS: tuple[Colour, ...] = (
    (170, 192, 228), (150, 180, 222), (120, 150, 200), (85, 115, 165), (55, 80, 125), (35, 50, 85),
)  # fmt: skip
HAIRS: dict[str, tuple[Colour, float]] = {
    "black": ((16, 14, 15), 0.3), "dark": ((24, 30, 40), 0.26), "brown": ((35, 52, 78), 0.17),
    "fair": ((85, 125, 160), 0.07), "grey": ((125, 125, 128), 0.08),
    "white": ((200, 205, 210), 0.05), "red": ((35, 60, 130), 0.04), "dyed": ((140, 70, 120), 0.03),
}  # fmt: skip
FACES: dict[str, float] = {"bare face": 0.66, "beard": 0.12, "glasses": 0.14, "mask": 0.08}


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
    return [skull, *_face(look), *covers(chance, look)]


def _face(look: HeadLook) -> list[Solid]:
    nose = ball((0.1, 0, -0.015), (0.018, 0.014, 0.022), look.skin)
    ears = [ball((-0.005, y, -0.01), (0.02, 0.012, 0.03), look.skin) for y in (0.078, -0.078)]
    dark = Material(times(look.skin.colour, 0.35))
    eyes = [ball((0.083, y, 0.012), (0.012, 0.018, 0.008), dark) for y in (0.033, -0.033)]
    lips = Material((*times(look.skin.colour, 0.62)[:2], look.skin.colour[2] * 0.8))
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


def _near(chance: Chance, colour: Colour, spread: float) -> Colour:
    blue, green, red = (max(4.0, c + chance.between(-spread, spread)) for c in colour)
    return blue, green, red
