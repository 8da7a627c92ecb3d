"""One training picture from nothing: camera, room, people, things, light and sensor by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.errors import CallError
from edge.types import Image
from training.synth.boxes import can_be_seen, find_heads
from training.synth.carried import CARRIED
from training.synth.cast import cast, hulls
from training.synth.chance import Chance
from training.synth.clutter import CLUTTER, thing
from training.synth.floor import FLOORS
from training.synth.head import FACES, HAIRS, HEADWEAR
from training.synth.lens import Lens
from training.synth.light import LIGHTS, PATCHES, shade
from training.synth.people import ARMS, CLOTHES, Dress, Stand, draw_dress, person, skull_of
from training.synth.room import FITTINGS, Walls, draw_walls, empty_room, fittings
from training.synth.sensor import FAULTS, TONES, develop
from training.synth.solids import Solid
from training.synth.texture import Noise

GROUPS: dict[str, float] = {"alone": 0.62, "pair": 0.25, "group": 0.13}
PRESETS: Mapping[str, Mapping[tuple[float, float], float]] = {  # tilts in degrees, their odds
    "overhead": {(0, 4): 0.6, (4, 20): 0.4},
    "oblique": {(20, 40): 0.5, (40, 60): 0.5},
    "mixed": {(0, 4): 0.33, (4, 20): 0.22, (20, 40): 0.2, (40, 60): 0.25},
}
FEATURES: frozenset[str] = frozenset().union(
    HEADWEAR, HAIRS, FACES, CLOTHES, ARMS, CARRIED, CLUTTER, FLOORS, FITTINGS, LIGHTS, PATCHES,
    FAULTS, TONES, GROUPS, ("child", "coat", "fish-eye", "jpeg"),
)  # fmt: skip
_APART = 0.42  # m between the middles of two people


@dataclass(frozen=True, slots=True)
class Wish:
    """What pictures shall be like.

    Args:
        tilt: least and most degrees from straight down; None leaves it to the preset.
        preset: one of PRESETS.
        want: features that must appear, of FEATURES.

    Raises:
        CallError: no such preset or feature, or tilts that are none.
    """

    tilt: tuple[float, float] | None = None
    preset: str = "mixed"
    want: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise CallError(f"preset {self.preset!r}: must be one of {', '.join(PRESETS)}")
        if unknown := sorted(self.want - FEATURES):
            raise CallError(
                f"no such feature: {unknown[0]!r}; known are {', '.join(sorted(FEATURES))}"
            )
        if self.tilt is not None and not 0 <= self.tilt[0] <= self.tilt[1] <= 60:
            raise CallError(
                f"tilt {self.tilt}: must be two degrees from 0 to 60, the lower one first"
            )


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
    focal, fish = 0.5 + 0.8 * chance.between(0, 1) ** 1.3, chance.between(0.3, 1.0)
    bent = chance.happens("fish-eye", 0.15)
    mounted = 2.2 + 1.8 * up**1.3
    return Lens(mounted, tilt, focal * (0.7 if bent else 1), width, height, fish if bent else 0.0)


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


_COUNTS = {
    False: [0.08, 0.38, 0.26, 0.14, 0.08, 0.04, 0.02],
    True: [0.05, 0.17, 0.2, 0.2, 0.16, 0.13, 0.09],
}  # from above, obliquely


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
