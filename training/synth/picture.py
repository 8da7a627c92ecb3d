"""One training picture from nothing: camera, room, people, things, light and sensor by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.types import Image
from training.synth.boxes import can_be_seen, find_heads
from training.synth.cast import cast, hulls
from training.synth.chance import Chance
from training.synth.clutter import CLUTTER, thing
from training.synth.crowd import people
from training.synth.lens import Lens
from training.synth.light import shade
from training.synth.people import person
from training.synth.room import draw_walls, empty_room, fittings
from training.synth.sensor import develop
from training.synth.solids import Solid
from training.synth.texture import Noise
from training.synth.wish import PRESETS, Wish


def render(
    rng: np.random.Generator, width: int, height: int, wish: Wish | None = None
) -> tuple[Image, NDArray[np.float32], NDArray[np.float32]]:
    """Draw one picture from a camera above a door.

    Args:
        rng: all chance comes from here.
        width: pixels.
        height: pixels.
        wish: what it shall be like; anything by default.

    Returns:
        image (height, width, 3) uint8 BGR; heads (n, 4) float32 xyxy in pixels, which may stick
        out of the picture; visible (n,) float32, the share 0..1 of each head that is seen.
    """
    wish = wish or Wish()
    chance = Chance(rng, wish.want)
    noise = Noise.draw(rng)
    lens = draw_lens(chance, width, height, wish)
    rays = lens.rays()
    walls = draw_walls(chance, lens)
    layers = empty_room(chance.fork(), lens, walls, rays, noise)
    crowd = people(chance, lens, walls)
    solids = [
        *(s for k, who in enumerate(crowd, 1) for s in person(chance.fork(), *who, k)),
        *fittings(chance.fork()),
        *things(chance.fork(), lens),
    ]
    points = hulls(solids)
    shown = cast(lens, rays, solids, points, layers, noise)
    heads = find_heads(lens, solids, layers, len(crowd))
    lit = shade(chance.fork(), lens, rays, layers, shown, points, noise)
    image = develop(chance.fork(), lit, noise)
    return image, heads.boxes, heads.visible * can_be_seen(image, heads.boxes)


def draw_lens(chance: Chance, width: int, height: int, wish: Wish) -> Lens:
    """A camera at 2.2 to 4 m."""
    odds = PRESETS[wish.preset]
    low, high = list(odds)[int(chance.rng.choice(len(odds), p=list(odds.values())))]
    if wish.tilt is not None:
        low, high = wish.tilt
    tilt, up = math.radians(chance.between(low, high)), chance.between(0, 1)
    focal, fish = 0.5 + 0.8 * chance.between(0, 1) ** 1.1, chance.between(0.3, 1.0)
    bent = chance.happens("fish-eye", 0.15)
    mounted = 2.2 + 1.8 * up**1.7  # most hang just above the door
    return Lens(mounted, tilt, focal * (0.88 if bent else 1), width, height, fish if bent else 0.0)


def things(chance: Chance, lens: Lens) -> list[Solid]:
    """Clutter where the camera sees it."""
    solids: list[Solid] = []
    count = int(chance.rng.choice([0, 1, 2, 3, 5], p=[0.3, 0.27, 0.2, 0.13, 0.1]))
    for _ in range(max(count, 1) if chance.want & set(CLUTTER) else count):
        name, part = chance.pick(CLUTTER), chance.fork()
        pixel = part.rng.uniform(0, 1, 2) * (lens.width, lens.rows)
        place = lens.at_level((float(pixel[0]), float(pixel[1])), 0.3)
        if place is not None and math.hypot(*place) < 6:
            solids += thing(part, name, *place)
    return solids
