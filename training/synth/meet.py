"""Where rays meet a solid: distance, and the unit coordinates and normal of the point.

Each function takes an eye (3,) and rays (n, 3) in the solid's unit coordinates, where distances
along a ray are those of the world, and gives distances (n,), infinite where the ray goes by.
"""

from __future__ import annotations

import numpy as np

from training.synth.solids import Floats, Solid

_FAR = np.float32(np.inf)
_NEAR = 0.05  # m; nothing nearer to the lens is drawn


def meet(solid: Solid, inverse: Floats, eye: Floats, rays: Floats) -> Floats:
    """Distances (n,) in metres along unit rays (n, 3) from an eye (3,) of the world.

    Args:
        solid: what is met.
        inverse: (3, 3) of its axes.
        eye: where the rays begin, m.
        rays: float32.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.shape == "rod":
            return _rod(solid, eye, rays)
        start, along = inverse @ (eye - solid.centre.astype(np.float32)), rays @ inverse.T
        if solid.shape == "ball":
            return _ball(solid, start, along)
        if solid.shape == "block":
            return _block(start, along)
        return _can(start, along)


def unit_points(solid: Solid, inverse: Floats, points: Floats) -> Floats:
    """World points (n, 3) in the solid's unit coordinates."""
    out: Floats = (points - solid.centre.astype(np.float32)) @ inverse.T
    return out


def normals(solid: Solid, inverse: Floats, unit: Floats) -> Floats:
    """Unit normals (n, 3) in the world at points (n, 3) in unit coordinates."""
    if solid.shape == "rod":
        beyond = unit[:, :1] - np.clip(unit[:, :1], -1, 1)  # of an end, in half lengths
        long, wide = (float(np.linalg.norm(solid.axes[:, k])) for k in (0, 1))
        local = np.concatenate((beyond * (long / wide), unit[:, 1:]), axis=1)
        out = local @ (solid.axes / (long, wide, wide)).T.astype(np.float32)
    else:
        out = _unit_normals(solid.shape, unit) @ inverse
    length = np.sqrt(np.einsum("ij,ij->i", out, out))[:, None]
    normal: Floats = (out / np.maximum(length, 1e-9)).astype(np.float32)
    return normal


def _unit_normals(kind: str, unit: Floats) -> Floats:
    if kind == "ball":
        return unit
    if kind == "can":
        lid = np.abs(unit[:, 2:]) > 0.998
        flat = np.concatenate((unit[:, :2], np.zeros_like(unit[:, :1])), axis=1)
        up = np.concatenate((np.zeros_like(unit[:, :2]), np.sign(unit[:, 2:])), axis=1)
        return np.where(lid, up, flat).astype(np.float32)
    side = np.abs(unit)
    faces: Floats = (np.sign(unit) * (side >= side.max(axis=1, keepdims=True))).astype(np.float32)
    return faces


def _ball(solid: Solid, start: Floats, along: Floats) -> Floats:
    a = np.einsum("ij,ij->i", along, along)
    b = along @ start
    inside = b * b - a * (start @ start - 1)
    root = np.sqrt(inside)  # not a number where the ray goes by
    near = (-b - root) / a
    if solid.clip is None:
        return np.where(near > _NEAR, near, _FAR)
    far = (-b + root) / a
    normal, offset = np.array(solid.clip[0], np.float32), solid.clip[1]
    height, slope = start @ normal - offset, along @ normal
    seen = np.where(height + near * slope >= 0, near, np.where(height + far * slope >= 0, far, _FAR))
    return np.where(seen > _NEAR, seen, _FAR)


def _rod(solid: Solid, eye: Floats, rays: Floats) -> Floats:
    half = solid.axes[:, 0].astype(np.float32)
    radius2 = float(solid.axes[:, 1] @ solid.axes[:, 1])
    start = eye - (solid.centre.astype(np.float32) - half)
    span = 2 * half
    length2 = float(span @ span)
    slope, lean = rays @ span, float(span @ start)
    b = rays @ start
    a = length2 - slope * slope
    mixed = length2 * b - lean * slope
    inside = mixed * mixed - a * (length2 * float(start @ start) - lean**2 - radius2 * length2)
    reach = (-mixed - np.sqrt(inside)) / a
    along = lean + reach * slope
    cap = np.where(along[:, None] <= 0, start, start - span)  # from the nearer end to the eye
    down = np.einsum("ij,ij->i", rays, cap)
    round_end = -down - np.sqrt(down * down - (np.einsum("ij,ij->i", cap, cap) - radius2))
    seen = np.where((along > 0) & (along < length2), reach, round_end)
    return np.where((inside > 0) & (seen > _NEAR), seen, _FAR)


def _block(start: Floats, along: Floats) -> Floats:
    middle, half = -start / along, 1 / np.abs(along)
    enter, leave = (middle - half).max(axis=1), (middle + half).min(axis=1)
    return np.where((enter < leave) & (enter > _NEAR), enter, _FAR)


def _can(start: Floats, along: Floats) -> Floats:
    flat, foot = along[:, :2], start[:2]
    a, b = np.einsum("ij,ij->i", flat, flat), flat @ foot
    root = np.sqrt(b * b - a * (foot @ foot - 1))
    enter, leave = (-b - root) / a, (-b + root) / a
    middle, half = -start[2] / along[:, 2], 1 / np.abs(along[:, 2])
    enter, leave = np.maximum(enter, middle - half), np.minimum(leave, middle + half)
    return np.where((enter < leave) & (enter > _NEAR), enter, _FAR)
