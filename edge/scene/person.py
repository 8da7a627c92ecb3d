"""A person as solids of the room: looks drawn by chance, a body posed in mid-step.

The body is a list of parts, each the convex hull of points in metres. The picture of a part is
the convex hull of its projected points, so one body serves every camera height and tilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge.scene.camera import Points

Colour = tuple[float, float, float]  # blue, green, red; 0..255

_SKINS: tuple[Colour, ...] = (
    (180, 200, 232), (150, 180, 222), (120, 150, 200), (85, 115, 165), (55, 80, 125), (35, 50, 85),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (14, 12, 12), (18, 20, 26), (25, 32, 45), (30, 45, 70), (45, 70, 110), (80, 120, 160),
    (120, 120, 125), (185, 190, 195),
)  # fmt: skip
# From above most hair is dark; the lighter kinds are drawn less often.
_HAIR_WEIGHTS = np.array([0.26, 0.22, 0.16, 0.12, 0.09, 0.06, 0.05, 0.04])


@dataclass(frozen=True, slots=True)
class Look:
    """What one person looks like. Lengths in metres, colours BGR 0..255."""

    stature: float
    girth: float  # 1.0 = slim
    skin: Colour
    hair: Colour
    head_wear: str  # hair, long, tail, bald, cap, hat, hood
    wear: Colour  # of what is worn on the head
    top: Colour
    bottom: Colour
    shoe: Colour
    folds: Points  # (n, 2) where the cloth folds: angle, radius 0..1
    stripe: Colour | None
    bag: str  # none, backpack, shoulder
    bag_colour: Colour


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a person stands (m), faces (radians, 0 = +X), and is in the step (radians)."""

    x: float
    y: float
    heading: float
    phase: float
    stride: float = 0.3  # m, half the distance between the feet; 0 when standing


@dataclass(frozen=True, slots=True)
class Part:
    """One convex solid. `round` parts are shaded towards their middle."""

    points: Points  # (n, 3) m
    colour: Colour
    middle: tuple[float, float, float]  # m
    round: bool = False
    head: bool = False  # belongs to the head's box
    lines: Points | None = None  # (k, 2, 3) m: folds and stripes drawn on the part
    line_colour: Colour | None = None


def cloth(rng: np.random.Generator) -> Colour:
    """A colour that clothes have: often dark or grey, sometimes loud."""
    kind = rng.random()
    if kind < 0.35:
        level = rng.uniform(12, 70)
        return _tint(rng, level, 10)
    if kind < 0.55:
        return _tint(rng, rng.uniform(150, 245), 12)
    if kind < 0.7:
        return _tint(rng, rng.uniform(70, 150), 14)
    hue = rng.uniform(0, 2 * math.pi)
    level, spread = rng.uniform(50, 150), rng.uniform(12, 60)
    blue, green, red = (level + spread * math.cos(hue + turn) for turn in (0.0, 2.1, 4.2))
    return _clip(blue, green, red)


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a person by chance."""
    wears = ["hair", "long", "tail", "bald", "cap", "hat", "hood"]
    wear = str(rng.choice(wears, p=[0.5, 0.15, 0.08, 0.09, 0.07, 0.04, 0.07]))
    top = cloth(rng)
    fold_count = int(rng.integers(3, 9))
    hair = _HAIRS[int(rng.choice(len(_HAIRS), p=_HAIR_WEIGHTS))]
    skin = _SKINS[int(rng.integers(len(_SKINS)))]
    return Look(
        stature=float(np.clip(rng.normal(1.70, 0.10), 1.25, 1.98)),
        girth=float(rng.uniform(0.95, 1.4)),
        skin=_jitter(rng, skin, 10),
        hair=_jitter(rng, hair, 6),
        head_wear=wear,
        wear=top if wear == "hood" else cloth(rng),
        top=top,
        bottom=cloth(rng),
        shoe=cloth(rng),
        folds=np.column_stack(
            (rng.uniform(0, 2 * math.pi, fold_count), rng.uniform(0.2, 0.95, fold_count))
        ),
        stripe=cloth(rng) if rng.random() < 0.2 else None,
        bag=str(rng.choice(["none", "backpack", "shoulder"], p=[0.7, 0.18, 0.12])),
        bag_colour=cloth(rng),
    )


def body(look: Look, pose: Pose) -> list[Part]:
    """The parts of a person, in no order; the painter sorts them by depth."""
    scale = look.stature / 1.72
    maker = _Maker(pose, scale)
    return [
        *_legs(maker, look, pose),
        *_trunk(maker, look, pose),
        *_arms(maker, look, pose),
        *_bag(maker, look),
        *_head(maker, look),
    ]


class _Maker:
    """Turns body coordinates (forward, left, up; metres of a 1.72 m person) into the room's."""

    def __init__(self, pose: Pose, scale: float) -> None:
        self._pose = pose
        self._scale = scale
        self._cos, self._sin = math.cos(pose.heading), math.sin(pose.heading)

    def room(self, points: Points) -> Points:
        forward, left, up = (self._scale * points[:, i] for i in range(3))
        return np.column_stack(
            (
                self._pose.x + forward * self._cos - left * self._sin,
                self._pose.y + forward * self._sin + left * self._cos,
                up,
            )
        )

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        colour: Colour,
        *,
        head: bool = False,
    ) -> Part:
        points = self.room(_SPHERE * radii + centre)
        return Part(points, colour, self._middle(centre), round=True, head=head)

    def hull(
        self,
        balls: list[tuple[tuple[float, float, float], tuple[float, float, float]]],
        colour: Colour,
        *,
        lines: Points | None = None,
        line_colour: Colour | None = None,
    ) -> Part:
        points = np.vstack([_COARSE_SPHERE * radii + centre for centre, radii in balls])
        middle = tuple(np.mean([centre for centre, _ in balls], axis=0))
        drawn = None
        if lines is not None:
            drawn = self.room(lines.reshape(-1, 3)).reshape(-1, 2, 3)
        return Part(
            self.room(points), colour, self._middle(middle), lines=drawn, line_colour=line_colour
        )

    def _middle(self, centre: tuple[float, ...]) -> tuple[float, float, float]:
        x, y, z = self.room(np.array([centre], dtype=np.float64))[0]
        return float(x), float(y), float(z)


def _legs(maker: _Maker, look: Look, pose: Pose) -> list[Part]:
    parts = []
    for side, turn in ((0.09, 0.0), (-0.09, math.pi)):
        swing = pose.stride * math.sin(pose.phase + turn)
        lift = 0.06 * max(0.0, math.cos(pose.phase + turn)) * (pose.stride > 0)
        foot = (swing + 0.05, side, 0.05 + lift)
        parts.append(maker.hull([(foot, (0.14, 0.05, 0.05))], look.shoe))
        thigh = ((0.0, side, 0.92), (0.09 * look.girth, 0.09 * look.girth, 0.08))
        shin = ((swing, side, 0.12 + lift), (0.055, 0.055, 0.06))
        parts.append(maker.hull([thigh, shin], look.bottom))
    return parts


def _trunk(maker: _Maker, look: Look, pose: Pose) -> list[Part]:
    twist = 0.04 * math.sin(pose.phase) * (pose.stride > 0)
    hips = ((0.0, 0.0, 0.95), (0.11 * look.girth, 0.16 * look.girth, 0.08))
    chest = ((twist, 0.0, 1.28), (0.12 * look.girth, 0.19 * look.girth, 0.12))
    shoulders = ((0.0, twist, 1.40), (0.10 * look.girth, 0.225, 0.07))
    dark = _scaled(look.top, 0.72)
    return [
        maker.hull([hips, chest], look.top),
        maker.hull([chest, shoulders], look.top, lines=_folds(look), line_colour=dark),
        maker.ellipsoid((0.0, 0.0, 1.44), (0.075, 0.17, 0.055), look.top),
        maker.ellipsoid((0.015, 0.0, 1.49), (0.055, 0.055, 0.06), look.skin),
    ]


def _folds(look: Look) -> Points:
    """Short creases on the shoulders, or a stripe, that turn with the body."""
    angle, radius = look.folds[:, 0], look.folds[:, 1]
    start = np.column_stack(
        (0.09 * radius * np.cos(angle), 0.2 * radius * np.sin(angle), np.full(len(angle), 1.46))
    )
    end = start * (0.7, 0.7, 1.0) + (0.02, 0.0, 0.0)
    return np.stack((start, end), axis=1)


def _arms(maker: _Maker, look: Look, pose: Pose) -> list[Part]:
    parts = []
    for side, turn in ((1.0, math.pi), (-1.0, 0.0)):
        swing = 0.9 * pose.stride * math.sin(pose.phase + turn)
        shoulder = (0.0, side * 0.21, 1.38)
        elbow = (swing * 0.4 - 0.03, side * 0.26 * look.girth**0.5, 1.12)
        hand = (swing + 0.1, side * 0.25, 0.92)
        upper = [(shoulder, (0.065, 0.065, 0.07)), (elbow, (0.05, 0.05, 0.05))]
        lower = [(elbow, (0.05, 0.05, 0.05)), (hand, (0.035, 0.035, 0.04))]
        sleeve = look.top if look.folds[0, 1] > 0.45 else look.skin
        parts.append(maker.hull(upper, look.top))
        parts.append(maker.hull(lower, sleeve))
        parts.append(maker.ellipsoid(hand, (0.05, 0.04, 0.05), look.skin))
    return parts


def _bag(maker: _Maker, look: Look) -> list[Part]:
    if look.bag == "backpack":
        corners = [(x, y, z) for x in (-0.3, -0.14) for y in (-0.14, 0.14) for z in (0.98, 1.38)]
        return [maker.hull([(corner, (0.02, 0.02, 0.02)) for corner in corners], look.bag_colour)]
    if look.bag == "shoulder":
        return [maker.hull([((0.0, 0.3, 0.9), (0.17, 0.07, 0.14))], look.bag_colour)]
    return []


_HEAD = (0.03, 0.0, 1.61)
_HEAD_RADII = (0.1, 0.08, 0.115)


def _head(maker: _Maker, look: Look) -> list[Part]:
    """Skull, nose and what covers them. Only skull and cover make the head's box."""
    parts = [
        maker.ellipsoid(_HEAD, _HEAD_RADII, look.skin, head=True),
        maker.ellipsoid((0.135, 0.0, 1.60), (0.018, 0.016, 0.025), look.skin),
    ]
    wear = look.head_wear
    if wear in ("hair", "long", "tail"):
        parts.append(
            maker.ellipsoid((0.012, 0.0, 1.645), (0.102, 0.088, 0.1), look.hair, head=True)
        )
    if wear == "long":
        parts.append(maker.ellipsoid((-0.055, 0.0, 1.5), (0.05, 0.1, 0.13), look.hair))
    elif wear == "tail":
        parts.append(maker.ellipsoid((-0.12, 0.0, 1.56), (0.045, 0.03, 0.09), look.hair, head=True))
    elif wear == "cap":
        parts.append(maker.ellipsoid((0.02, 0.0, 1.65), (0.108, 0.09, 0.09), look.wear, head=True))
        parts.append(
            maker.ellipsoid((0.14, 0.0, 1.64), (0.06, 0.07, 0.012), _scaled(look.wear, 0.8))
        )
    elif wear == "hat":
        parts.append(maker.ellipsoid((0.02, 0.0, 1.65), (0.17, 0.16, 0.014), look.wear, head=True))
        parts.append(maker.ellipsoid((0.02, 0.0, 1.69), (0.1, 0.085, 0.07), look.wear, head=True))
    elif wear == "hood":
        parts.append(maker.ellipsoid((0.0, 0.0, 1.62), (0.118, 0.105, 0.125), look.wear, head=True))
    return parts


def _sphere(rings: int, spokes: int) -> Points:
    lift = np.linspace(-math.pi / 2, math.pi / 2, rings)
    turn = np.arange(spokes) * (2 * math.pi / spokes)
    lift, turn = (grid.ravel() for grid in np.meshgrid(lift, turn))
    return np.column_stack((np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)))


_SPHERE = _sphere(7, 14)
_COARSE_SPHERE = _sphere(4, 8)


def _tint(rng: np.random.Generator, level: float, spread: float) -> Colour:
    blue, green, red = level + rng.uniform(-spread, spread, 3)
    return _clip(blue, green, red)


def _jitter(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    blue, green, red = np.asarray(colour) + rng.uniform(-spread, spread, 3)
    return _clip(blue, green, red)


def _scaled(colour: Colour, gain: float) -> Colour:
    return _clip(*(gain * channel for channel in colour))


def _clip(blue: float, green: float, red: float) -> Colour:
    low, high = 0.0, 255.0
    return (
        min(max(float(blue), low), high),
        min(max(float(green), low), high),
        min(max(float(red), low), high),
    )
