"""Casts rays at solids: what each pixel shows, how far it is, and which way it faces.

First the depths of all solids, then the surfaces, of pixels that show them only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.synth.lens import Lens
from training.synth.meet import meet, normals, unit_points
from training.synth.solids import Array, Floats, Solid, even_directions, inverses, surface
from training.synth.texture import Noise, colours

_COARSE = even_directions(36)
_SPECK = 1.5  # pixels; what is smaller, as an eye far away, is left out


@dataclass(slots=True)
class Layers:
    """By pixel of the picture."""

    depth: Floats  # (rows, width) m from the lens
    solid: NDArray[np.int16]  # (rows, width) number of the solid, -1 for the room
    colour: Floats  # (rows, width, 3) BGR 0..255
    floor: NDArray[np.bool_]  # (rows, width) whether the empty room shows its floor


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The n pixels that show a solid."""

    pixels: NDArray[np.intp]  # (n,) numbers, row by row
    normal: Floats  # (3, n)
    gloss: Floats  # (n,)


def hulls(solids: Sequence[Solid]) -> Array:
    """Points (solids, points, 3) on each solid, whose hull nearly is the solid."""
    found: Array = np.array([surface(solid, _COARSE) for solid in solids])
    return found.reshape(-1, len(_COARSE), 3)


def cast(
    lens: Lens, rays: Floats, solids: Sequence[Solid], points: Array, layers: Layers, noise: Noise
) -> Surfaces:
    """Draw solids in front of what is there already.

    Args:
        lens: the camera.
        rays: (3, rows, width) of its pixels.
        solids: in any order; nearer ones cover farther ones.
        points: of `hulls`.
        layers: the empty room; changed in place.
        noise: for the grains.
    """
    eye = np.array((0, 0, lens.height), np.float32)
    turned = inverses(solids)
    for number, (top, bottom, left, right) in _windows(lens, points):
        part = np.ascontiguousarray(rays[:, top:bottom, left:right]).reshape(3, -1)
        depth = layers.depth[top:bottom, left:right]
        distance = meet(solids[number], turned[number], eye, part).reshape(depth.shape)
        seen = distance < depth
        np.copyto(depth, distance, where=seen)
        np.copyto(layers.solid[top:bottom, left:right], np.int16(number), where=seen)
    return _paint(solids, turned, eye, rays, layers, noise)


def _windows(lens: Lens, points: Array) -> list[tuple[int, tuple[int, ...]]]:
    """Of each solid that may be in the picture: its number; top, bottom, left, right in pixels."""
    if not len(points):
        return []
    depth, pixels = lens.depth(points), lens.project(points)
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    there = (high - low).max(axis=1) > _SPECK
    room = 1.5 + 0.06 * (high - low)
    low, high = np.floor(low - room), np.ceil(high + room)
    at_lens = depth.min(axis=1) < 0.1
    low[at_lens], high[at_lens] = 0, (lens.width, lens.rows)
    low, high = np.maximum(low, 0), np.minimum(high, (lens.width, lens.rows))
    there &= (high > low).all(axis=1) & (depth.max(axis=1) > 0.05)
    corners = np.stack((low[:, 1], high[:, 1], low[:, 0], high[:, 0]), axis=1).astype(int)
    return [(int(k), tuple(corners[k].tolist())) for k in np.flatnonzero(there)]


def _paint(
    solids: Sequence[Solid], turned: Floats, eye: Floats, rays: Floats, layers: Layers, noise: Noise
) -> Surfaces:
    """Give every pixel that shows a solid its colour, and tell its normal and gloss."""
    flat = layers.solid.ravel()
    shown = np.flatnonzero(flat >= 0)
    shown = shown[np.argsort(flat[shown], kind="stable")]
    owners = flat[shown]
    starts = np.flatnonzero(np.diff(owners, prepend=-1)).tolist()
    spots = eye[:, None] + rays.reshape(3, -1)[:, shown] * layers.depth.ravel()[shown]
    colour, normal = np.empty((len(shown), 3), np.float32), np.empty_like(spots)
    for start, stop in pairwise([*starts, len(shown)]):
        number = int(owners[start])
        unit = unit_points(solids[number], turned[number], spots[:, start:stop])
        colour[start:stop] = colours(solids[number].material, noise, unit)
        normal[:, start:stop] = normals(solids[number], turned[number], unit)
    layers.colour.reshape(-1, 3)[shown] = colour
    gloss = np.array([solid.material.gloss for solid in solids] or [0], np.float32)
    return Surfaces(shown, normal, gloss[owners])
