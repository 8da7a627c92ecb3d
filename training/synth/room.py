"""The empty room: a floor, four walls, and what lies and stands at the door."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.cast import Layers
from training.synth.chance import Chance
from training.synth.floor import METRES, PIXELS, floor_texture
from training.synth.lens import Lens
from training.synth.solids import Floats, Material, Place, Solid, shape, spin
from training.synth.texture import Noise

_FLOOR, _NOTHING = 4, 5  # faces of the room after its four walls
FITTINGS: dict[str, float] = {"mat": 0.32, "door leaf": 0.22, "door frame": 0.2, "strip": 0.2}


@dataclass(frozen=True, slots=True)
class Walls:
    """Where the room ends, m: -x, +x, -y (far), +y (near); turned by yaw radians."""

    left: float
    right: float
    far: float
    near: float
    yaw: float

    def turned(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Directions or places of the world in the walls' own axes."""
        cosine, sine = np.float32(math.cos(self.yaw)), np.float32(math.sin(self.yaw))
        return cosine * x + sine * y, cosine * y - sine * x

    def hold(self, x: float, y: float) -> bool:
        """Whether a person can stand at (x, y)."""
        across, down = (
            float(v) for v in self.turned(np.array(x, np.float32), np.array(y, np.float32))
        )
        arm = 0.3
        return (
            arm < across + self.left
            and across + arm < self.right
            and (arm < down + self.far and down + arm < self.near)
        )


def draw_walls(chance: Chance, lens: Lens) -> Walls:
    """Walls that are usually out of view from straight above, and in view obliquely."""
    left, right, near = (chance.between(1.3, 5.0) for _ in range(3))
    far = chance.between(1.5, 5.0) + 3 * math.tan(min(lens.tilt, 0.9))
    return Walls(left, right, far, near, chance.between(-0.3, 0.3))


def empty_room(chance: Chance, lens: Lens, walls: Walls, rays: Floats, noise: Noise) -> Layers:
    """The layers of a room with nothing in it."""
    turned = walls.turned(rays[0], rays[1])
    depth, face = _ends(walls, lens, (*turned, rays[2]))
    floor = face == _FLOOR
    colour = _floor_colour(chance.fork(), rays, depth, noise)
    upright = np.flatnonzero(~floor.ravel())
    reach = depth.ravel()[upright]
    x, y, z = (part.ravel()[upright] * reach for part in (*turned, rays[2]))
    face = face.ravel()[upright]
    along = np.where(face < 2, y, x)
    wall = _walls_colour(chance.fork(), face, along, lens.height + z)
    colour.reshape(-1, 3)[upright] = wall
    return Layers(depth, np.full(depth.shape, -1, np.int16), colour, floor)


def _ends(walls: Walls, lens: Lens, rays: Sequence[Floats]) -> tuple[Floats, NDArray[np.int8]]:
    """Distance to the room's end and which of its faces it is, by pixel."""
    limits = (walls.left, walls.right, walls.far, walls.near, lens.height)
    best = np.full(rays[0].shape, np.float32(60.0))
    face = np.full(rays[0].shape, _NOTHING, np.int8)
    for number, limit in enumerate(limits):
        sign = 1.0 if number % 2 else -1.0
        reach = np.float32(limit) / np.maximum(rays[number // 2] * np.float32(sign), 1e-6)
        nearer = reach < best
        np.copyto(best, reach, where=nearer)
        np.copyto(face, np.int8(number), where=nearer)
    return best, face


def _floor_colour(chance: Chance, rays: Floats, depth: Floats, noise: Noise) -> Floats:
    texture = floor_texture(chance, noise)
    turn, scale = chance.between(0, math.pi), PIXELS / METRES
    cosine, sine = np.float32(scale * math.cos(turn)), np.float32(scale * math.sin(turn))
    shift = chance.rng.uniform(0, PIXELS, 2).astype(np.float32)
    x, y = rays[0] * depth, rays[1] * depth
    colour = cv2.remap(
        texture, cosine * x - sine * y + shift[0], sine * x + cosine * y + shift[1],
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP,
    )  # fmt: skip
    return np.asarray(colour, np.float32)


def _walls_colour(chance: Chance, face: NDArray[np.int8], along: Floats, height: Floats) -> Floats:
    """Colours (n, 3) of points on walls: paint, skirting, a door hole, things hung up.

    Args:
        chance: for all of it.
        face: (n,) which wall.
        along: (n,) m, sideways on it.
        height: (n,) m above the floor.
    """
    paint = np.array(chance.paint() if chance.rng.random() < 0.3 else _pale(chance), np.float32)
    shades = np.array([0.82, 0.9, 1.0, 0.75, 1.0, 0.6], np.float32)[face]
    colour: Floats = paint * shades[:, None]
    if chance.rng.random() < 0.4:  # a lower half of another colour
        colour[height < chance.between(0.8, 1.2)] *= chance.rng.uniform(0.5, 1.05)
    colour[height < chance.between(0.06, 0.15)] *= chance.between(0.4, 0.9)
    hole = (face == 2) & (np.abs(along - chance.between(-1, 1)) < chance.between(0.45, 1.2))
    beyond = np.array(chance.paint(), np.float32) * chance.between(0.3, 1.6)
    colour[hole & (height < 2.1)] = beyond
    for _ in range(chance.whole(0, 5)):
        _hang(chance, colour, face, along, height)
    return colour


def _pale(chance: Chance) -> tuple[float, float, float]:
    level = chance.between(110, 235)
    return level * chance.between(0.8, 1.0), level * 0.98, level


def _hang(
    chance: Chance, colour: Floats, face: NDArray[np.int8], along: Floats, height: Floats
) -> None:
    """A picture, a sign, a window or a round clock on a wall."""
    side, at, up = chance.whole(0, 2), chance.between(-3, 3), chance.between(1.0, 2.2)
    wide, tall = chance.between(0.1, 0.7), chance.between(0.1, 0.6)
    across, down = (along - at) / wide, (height - up) / tall
    inside = (np.abs(across) < 1) & (np.abs(down) < 1)
    if chance.rng.random() < 0.3:
        inside = across**2 + (down * tall / wide) ** 2 < 0.4
    colour[inside & (face == side)] = chance.cloth()


def fittings(chance: Chance) -> list[Solid]:
    """Mats, door leaves, frames and strips, where people pass."""
    solids: list[Solid] = []
    for name, odds in FITTINGS.items():
        if part := chance.part(name, odds):
            turn = part.between(-0.3, 0.3) + (math.pi / 2 if part.rng.random() < 0.4 else 0)
            at = np.array((part.between(-0.9, 0.9), part.between(-1.3, 0.7), 0.0))
            solids += Place(spin(turn), at).put(_FITTINGS[name](part))
    return solids


def _mat(chance: Chance) -> list[Solid]:
    kind = chance.pick({"cloth": 2, "wool": 1, "stripes": 1, "checks": 1})
    stuff = Material(chance.cloth(), kind, chance.cloth(), chance.between(0.5, 3))
    half = (chance.between(0.4, 1.2), chance.between(0.25, 0.8), 0.008)
    rim = Material((30, 30, 30))
    border = shape("block", (0, 0, 0), (half[0] + 0.04, half[1] + 0.04, 0.005), rim)
    return [border, shape("block", (0, 0, 0.002), half, stuff)]


def _strip(chance: Chance) -> list[Solid]:
    """A threshold or a lane of another colour across the whole floor."""
    stuff = Material(chance.paint(), "cloth")
    return [shape("block", (0, 0, 0), (8.0, chance.between(0.03, 0.4), 0.006), stuff)]


def _leaf(chance: Chance) -> list[Solid]:
    paint, wide = Material(chance.paint(), gloss=0.3), chance.between(0.4, 0.5)
    aside = chance.between(0.9, 1.6) * (1 if chance.rng.random() < 0.5 else -1)
    leaf = shape(
        "block", (aside, 0, 1.0), (0.022, wide, 1.0), paint, spin(chance.between(-0.9, 0.9))
    )
    knob = shape("block", (aside, wide * 0.8, 1.05), (0.06, 0.05, 0.012), Material((150, 150, 150)))
    return [leaf, knob]


def _frame(chance: Chance) -> list[Solid]:
    paint, half = Material(chance.paint(), gloss=0.2), chance.between(0.5, 1.3)
    thick = chance.between(0.03, 0.09)
    posts = [shape("block", (x, 0, 1.05), (thick, 0.07, 1.05), paint) for x in (-half, half)]
    sill = shape("block", (0, 0, 0.01), (half, 0.07, 0.01), Material(chance.cloth()))
    head = shape("block", (0, 0, 2.1), (half, 0.06, 0.04), paint)
    return [*posts, sill, *([head] if chance.rng.random() < 0.3 else [])]


_FITTINGS = {"mat": _mat, "strip": _strip, "door leaf": _leaf, "door frame": _frame}
