"""Where rays meet a solid: distance, and the unit coordinates and normal of the point.

Rays and points are columns, (3, n) float32, so that each coordinate lies in one piece of memory.
Distances (n,) are in metres, infinite where a ray goes by.
"""

from __future__ import annotations

import numpy as np

from training.synth.solids import Floats, Solid

_FAR = np.float32(np.inf)
_NEAR = np.float32(0.05)  # m; nothing nearer to the lens is drawn


def meet(solid: Solid, inverse: Floats, eye: Floats, rays: Floats) -> Floats:
    """Distances (n,) along unit rays.

    Args:
        solid: what is met.
        inverse: (3, 3) of its axes.
        eye: (3,) where the rays begin, m.
        rays: (3, n).
    """
    with np.errstate(all="ignore"):
        if solid.shape == "rod":
            return _rod(solid, eye, rays)
        start, along = inverse @ (eye - solid.centre.astype(np.float32)), inverse @ rays
        if solid.shape == "ball":
            return _ball(solid, start, along)
        return _block(start, along) if solid.shape == "block" else _can(start, along)


def unit_points(solid: Solid, inverse: Floats, points: Floats) -> Floats:
    """World points (3, n) in the solid's unit coordinates."""
    unit: Floats = inverse @ (points - solid.centre.astype(np.float32)[:, None])
    return unit


def normals(solid: Solid, inverse: Floats, unit: Floats) -> Floats:
    """Unit normals (3, n) in the world at points (3, n) in unit coordinates."""
    if solid.shape == "rod":
        beyond = unit[:1] - np.clip(unit[:1], -1, 1)  # of an end, in half lengths
        long, wide = (float(np.linalg.norm(solid.axes[:, k])) for k in (0, 1))
        local = np.concatenate((beyond * (long / wide), unit[1:]))
        out = (solid.axes / (long, wide, wide)).astype(np.float32) @ local
    else:
        out = inverse.T @ _unit_normals(solid.shape, unit)
    length = np.sqrt(_dot(out, out))
    normal: Floats = (out / np.maximum(length, np.float32(1e-9))).astype(np.float32, copy=False)
    return normal


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = np.einsum("ij,ij->j", a, b)
    return product


def _unit_normals(kind: str, unit: Floats) -> Floats:
    if kind == "ball":
        return unit
    size = np.abs(unit)
    if kind == "can":
        lid = size[2] >= np.hypot(unit[0], unit[1])
        return np.stack((unit[0] * ~lid, unit[1] * ~lid, np.sign(unit[2]) * lid))
    faces: Floats = np.sign(unit) * (size >= size.max(axis=0))
    return faces


def _ball(solid: Solid, start: Floats, along: Floats) -> Floats:
    a, b = _dot(along, along), start @ along
    root = np.sqrt(b * b - a * (start @ start - 1))  # not a number where the ray goes by
    near = (-b - root) / a
    if solid.clip is None:
        return np.where(near > _NEAR, near, _FAR)
    far = (root - b) / a
    normal, offset = np.array(solid.clip[0], np.float32), np.float32(solid.clip[1])
    height, slope = start @ normal - offset, normal @ along
    inside = np.where(height + far * slope >= 0, far, _FAR)
    seen = np.where(height + near * slope >= 0, near, inside)
    return np.where(seen > _NEAR, seen, _FAR)


def _rod(solid: Solid, eye: Floats, rays: Floats) -> Floats:
    half = solid.axes[:, 0].astype(np.float32)
    square = float(solid.axes[:, 1] @ solid.axes[:, 1])
    start, span = eye - (solid.centre.astype(np.float32) - half), 2 * half
    length, lean = float(span @ span), float(span @ start)
    slope, b = span @ rays, start @ rays
    a, mixed = length - slope * slope, length * b - lean * slope
    inside = mixed * mixed - a * (length * float(start @ start) - lean**2 - square * length)
    reach = (-mixed - np.sqrt(inside)) / a
    along = lean + reach * slope
    first = along <= 0  # which end is the nearer one
    other = start - span
    down = np.where(first, b, b - slope)
    gap = np.where(first, start @ start, other @ other) - np.float32(square)
    round_end = -down - np.sqrt(down * down - gap)
    seen = np.where((along > 0) & (along < length), reach, round_end)
    return np.where((inside > 0) & (seen > _NEAR), seen, _FAR)


def _block(start: Floats, along: Floats) -> Floats:
    middle, half = -start[:, None] / along, 1 / np.abs(along)
    low, high = middle - half, middle + half
    enter = np.maximum(np.maximum(low[0], low[1]), low[2])
    leave = np.minimum(np.minimum(high[0], high[1]), high[2])
    return np.where((enter < leave) & (enter > _NEAR), enter, _FAR)


def _can(start: Floats, along: Floats) -> Floats:
    flat, foot = along[:2], start[:2]
    a, b = _dot(flat, flat), foot @ flat
    root = np.sqrt(b * b - a * (foot @ foot - 1))
    middle, half = -start[2] / along[2], 1 / np.abs(along[2])
    enter, leave = np.maximum((-b - root) / a, middle - half), (root - b) / a
    leave = np.minimum(leave, middle + half)
    return np.where((enter < leave) & (enter > _NEAR), enter, _FAR)
