"""Who stands where: people alone, in pairs side by side, in groups, where a camera sees them."""

from __future__ import annotations

import math

import numpy as np

from training.synth.chance import Chance
from training.synth.lens import Lens
from training.synth.people import Dress, Stand, draw_dress, skull_of
from training.synth.room import Walls

GROUPS: dict[str, float] = {"alone": 0.62, "pair": 0.25, "group": 0.13}
_APART = 0.42  # m between the middles of two people
_COUNTS = {
    False: [0.08, 0.38, 0.26, 0.14, 0.08, 0.04, 0.02],
    True: [0.05, 0.17, 0.2, 0.2, 0.16, 0.13, 0.09],
}  # from above, obliquely


def people(chance: Chance, lens: Lens, walls: Walls) -> list[tuple[Dress, Stand]]:
    """Who stands where: one by one, in pairs side by side, in groups."""
    count = int(chance.rng.choice([0, 1, 2, 3, 4, 6, 8], p=_COUNTS[lens.tilt > 0.35]))
    if chance.want:
        count = max(count, 1)
    crowd: list[tuple[Dress, Stand]] = []
    for _ in range(count):
        size = {"alone": 1, "pair": 2, "group": 4}[chance.pick(GROUPS)]
        lead = _stand(chance, lens, clear=bool(chance.want) and not crowd)
        for place in range(size):
            dress, stand = draw_dress(chance.fork()), _beside(chance, lead, place)
            if stand is not None and _has_room(lens, walls, crowd, dress, stand):
                crowd.append((dress, stand))
    return crowd


def _stand(chance: Chance, lens: Lens, *, clear: bool) -> Stand | None:
    """A place whose head is in view; well in the picture if `clear`."""
    margin = 0.3 if clear else -0.05
    pixel = chance.rng.uniform(margin, 1 - margin, 2) * (lens.width, lens.rows)
    heading, phase = chance.rng.uniform(0, 2 * math.pi, 2)
    stride = 0.0 if chance.rng.random() < 0.3 else chance.between(0.12, 0.36)
    place = lens.at_level((float(pixel[0]), float(pixel[1])), 1.6)
    if place is None or math.hypot(*place) > 9.0:
        return None
    return Stand(*place, float(heading), float(phase), stride)


def _beside(chance: Chance, lead: Stand | None, place: int) -> Stand | None:
    """The place-th of a group that walks together, the first being the lead."""
    aside, behind = chance.between(0.45, 0.65), chance.between(-0.2, 0.2)
    turn, phase = chance.rng.normal(0, 0.15), chance.between(0, 2 * math.pi)
    if lead is None or place == 0:
        return lead
    row, column = divmod(place, 2)
    left, back = column * aside, row * 0.75 + behind
    cosine, sine = math.cos(lead.heading), math.sin(lead.heading)
    x, y = lead.x - left * sine - back * cosine, lead.y + left * cosine - back * sine
    return Stand(x, y, lead.heading + float(turn), phase, lead.stride)


def _has_room(
    lens: Lens, walls: Walls, crowd: list[tuple[Dress, Stand]], dress: Dress, stand: Stand
) -> bool:
    """Whether a person fits in and does not have the lens in the hair."""
    near = any(math.hypot(stand.x - o.x, stand.y - o.y) < _APART for _, o in crowd)
    skull = skull_of(dress, stand)
    return (
        walls.hold(stand.x, stand.y)
        and not near
        and float(np.linalg.norm(skull - (0, 0, lens.height))) > 0.45
    )
