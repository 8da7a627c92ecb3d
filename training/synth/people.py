"""A person as solids: clothes, posture and what is carried, placed in the room.

Built in the body's axes (forward, left, up; metres of a person of 1.72 m, the floor at 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from training.synth.carried import CARRIED, carried_solids
from training.synth.chance import Chance
from training.synth.head import draw_head, head_solids
from training.synth.headwear import HeadLook
from training.synth.solids import Array, Material, Place, Solid, Vector, ball, rod, spin

CLOTHES: dict[str, float] = {
    "cloth": 0.34, "folds": 0.36, "stripes": 0.1, "checks": 0.08, "print": 0.12,
}  # fmt: skip
ARMS: dict[str, float] = {
    "swinging": 0.5, "hanging": 0.2, "phone": 0.12, "raised": 0.08, "crossed": 0.1,
}  # fmt: skip
_HEAD = (0.025, 0.0, 1.605)  # m, the middle of the skull


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a person stands (m), faces (radians, 0 = +X), and how far through the step."""

    x: float
    y: float
    heading: float
    phase: float  # radians
    stride: float  # m, half the distance of the feet; 0 when standing


@dataclass(frozen=True, slots=True)
class Dress:
    """What a person wears and does. Lengths in metres."""

    stature: float
    girth: float  # 1 is slim
    head: HeadLook
    gaze: tuple[float, float]  # yaw, pitch of the head, radians; pitch > 0 looks down
    top: Material
    legs: Material
    shoe: Material
    sleeve: Material  # of the forearm: cloth or skin
    coat: bool
    arms: str  # of ARMS
    carries: str  # of CARRIED


def draw_dress(chance: Chance) -> Dress:
    """Draw what a person looks like."""
    top = Material(chance.cloth(), chance.pick(CLOTHES), chance.cloth(), chance.between(0.6, 1.8))
    head = draw_head(chance, top.colour)
    child = chance.happens("child", 0.06)
    stature = chance.between(1.0, 1.35) if child else float(chance.rng.normal(1.70, 0.09))
    looks_down = chance.rng.random() < 0.35
    return Dress(
        stature=float(np.clip(stature, 1.0, 1.98)),
        girth=chance.between(0.92, 1.35),
        head=head,
        gaze=(
            float(chance.rng.normal(0, 0.35)),
            chance.between(0.2, 0.7) if looks_down else chance.between(-0.15, 0.2),
        ),
        top=top,
        legs=Material(chance.cloth(), "folds"),
        shoe=Material(chance.cloth(), gloss=0.2),
        sleeve=head.skin if chance.rng.random() < 0.45 else replace(top, grain="folds"),
        coat=chance.happens("coat", 0.18),
        arms=chance.pick(ARMS),
        carries=chance.pick(CARRIED),
    )


def person(chance: Chance, dress: Dress, stand: Stand, number: int) -> list[Solid]:
    """The solids of a person in the room; what is carried belongs to the person, too."""
    yaw, pitch = dress.gaze
    crown = Place(spin(yaw, pitch), np.array(_HEAD)).put(head_solids(chance, dress.head))
    solids = [
        *crown,
        *_trunk(dress),
        *_arms(dress, stand),
        *_legs(dress, stand),
        *carried_solids(chance, dress.carries),
    ]
    place = Place(spin(stand.heading), np.array((stand.x, stand.y, 0.0)), dress.stature / 1.72)
    placed = place.put(solids)
    for solid in placed:
        solid.owner = number
    return placed


def skull_of(dress: Dress, stand: Stand) -> Array:
    """(3,) the middle of a person's skull in the room, m."""
    scale = dress.stature / 1.72
    skull: Array = spin(stand.heading) @ np.array(_HEAD) * scale
    skull += (stand.x, stand.y, 0.0)
    return skull


def _trunk(dress: Dress) -> list[Solid]:
    wide, top, skin = dress.girth, dress.top, dress.head.skin
    folds = replace(top, grain="folds") if top.grain == "print" else top
    solids = [
        rod((0.0, 0, 1.44), (0.02, 0, 1.56), 0.055, skin),
        ball((0, 0, 1.2), (0.118 * wide, 0.172 * wide, 0.29), top),
        ball((-0.01, 0, 1.36), (0.098 * wide, 0.205, 0.115), folds),
        ball((-0.012, 0, 1.44), (0.07, 0.145, 0.062), folds),
        ball((0, 0, 0.97), (0.115 * wide, 0.16 * wide, 0.17), dress.top),
    ]
    if dress.coat:
        solids.append(ball((0, 0, 0.85), (0.15 * wide, 0.19 * wide, 0.42), folds))
    return solids


_ELBOWS: dict[str, tuple[Vector, Vector]] = {
    # elbow and hand of the left arm
    "hanging": ((-0.02, 0.25, 1.12), (0.05, 0.25, 0.88)),
    "phone": ((0.05, 0.24, 1.13), (0.29, 0.07, 1.22)),
    "raised": ((0.1, 0.33, 1.5), (0.15, 0.3, 1.8)),
    "crossed": ((0.04, 0.26, 1.14), (0.17, -0.06, 1.15)),
}


def _arms(dress: Dress, stand: Stand) -> list[Solid]:
    solids = []
    sleeve = replace(dress.top, grain="folds")
    for side, turn in ((1.0, math.pi), (-1.0, 0.0)):
        swing = 0.9 * stand.stride * math.sin(stand.phase + turn)
        elbow, hand = (0.4 * swing - 0.03, 0.25, 1.12), (swing + 0.1, 0.24, 0.9)
        both = dress.arms != "raised" or side > 0  # only one hand goes up
        if dress.arms in _ELBOWS and both:
            elbow, hand = _ELBOWS[dress.arms]
        reach = dress.girth**0.5
        bend, palm = (
            (elbow[0], side * elbow[1] * reach, elbow[2]),
            (hand[0], side * hand[1], hand[2]),
        )
        shoulder = (-0.01, side * 0.195, 1.375)
        solids += [
            ball(shoulder, (0.072, 0.07, 0.075), sleeve),
            rod(shoulder, bend, 0.052, sleeve),
            rod(bend, palm, 0.04, dress.sleeve),
            ball(palm, (0.055, 0.035, 0.045), dress.head.skin),
        ]
    return solids


def _legs(dress: Dress, stand: Stand) -> list[Solid]:
    solids = []
    for side, turn in ((0.09, 0.0), (-0.09, math.pi)):
        swing = stand.stride * math.sin(stand.phase + turn)
        lift = 0.07 * max(0.0, math.cos(stand.phase + turn)) * (stand.stride > 0)
        knee = (0.55 * swing + 0.06 * (stand.stride > 0), side, 0.5)
        ankle = (swing, side, 0.1 + lift)
        thick = 0.078 * dress.girth
        solids += [
            rod((0, side, 0.88), knee, thick, dress.legs),
            rod(knee, ankle, 0.055, dress.legs),
            ball((swing + 0.06, side, 0.045 + lift), (0.135, 0.05, 0.05), dress.shoe),
        ]
    return solids
