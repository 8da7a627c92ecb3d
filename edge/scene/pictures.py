"""Single pictures with exact head boxes, to train a detector on.

Everything is drawn by chance: camera height, tilt and lens, floor, clutter, light, darkness,
people standing and walking, noise and blur. What is drawn depends on the generator alone.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.scene.camera import Camera
from edge.scene.floor import cloud, clutter, floor_picture
from edge.scene.painter import Light, paint
from edge.scene.person import Pose, body, draw_look
from edge.types import Image

Rng = np.random.Generator


def render_training_picture(
    rng: Rng, width: int, height: int
) -> tuple[Image, NDArray[np.float32], NDArray[np.float32]]:
    """Draw one picture from a camera above a door.

    Args:
        rng: all chance comes from here.
        width: pixels.
        height: pixels.

    Returns:
        image (height, width, 3) uint8 BGR; heads (n, 4) float32 xyxy in pixels, which may stick
        out of the picture; visible (n,) float32, the share 0..1 of each head that is seen.
    """
    camera = _camera(rng, width, height)
    light = _light(rng)
    floor = floor_picture(rng, camera)
    people = [body(draw_look(rng), pose) for pose in _poses(rng, camera)]
    image, heads = paint(floor, camera, light, people, clutter(rng, camera))
    boxes = np.array([head.box for head in heads], np.float32).reshape(-1, 4)
    visible = np.array([head.visible for head in heads], np.float32)
    return _develop(rng, image), boxes, visible


def _camera(rng: Rng, width: int, height: int) -> Camera:
    tilt = 0.0 if rng.random() < 0.35 else abs(rng.normal(0.0, 0.28))
    focal = rng.uniform(0.5, 1.1)
    return Camera(float(rng.uniform(2.05, 4.2)), float(min(tilt, 1.0)), float(focal), width, height)


def _light(rng: Rng) -> Light:
    # Under a high lamp the shadow of a head lies close to the person and looks like a head.
    angle, slope = rng.uniform(0, 2 * math.pi), 0.05 + 1.25 * rng.uniform() ** 1.7
    return Light(
        (slope * math.cos(angle), slope * math.sin(angle)),
        float(
            rng.choice([0.0, rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.85)], p=[0.2, 0.45, 0.35])
        ),
        float(rng.uniform(0, 7)),
    )


def _poses(rng: Rng, camera: Camera) -> list[Pose]:
    """People where the camera sees their heads, at least a shoulder's width apart."""
    poses: list[Pose] = []
    for _ in range(
        int(rng.choice([0, 1, 2, 3, 4, 6, 9], p=[0.06, 0.24, 0.25, 0.2, 0.12, 0.08, 0.05]))
    ):
        pixel = rng.uniform(-0.04, 1.04, 2) * (camera.width, camera.rows)
        place = camera.at_plane((float(pixel[0]), float(pixel[1])), 1.6)
        if place is None or math.hypot(*place) > 6.0:
            continue
        if any(math.hypot(place[0] - p.x, place[1] - p.y) < 0.36 for p in poses):
            continue
        stride = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.15, 0.38))
        heading, phase = rng.uniform(0, 2 * math.pi, 2)
        poses.append(Pose(place[0], place[1], float(heading), float(phase), stride))
    return poses


def _develop(rng: Rng, image: Image) -> Image:
    """What lens, sensor and darkness make of the picture."""
    rows, width = image.shape[:2]
    picture = image.astype(np.float32)
    if rng.random() < 0.7:  # uneven light
        picture *= 1 + rng.uniform(0.05, 0.35) * cloud(rng, rows, width, width // 3)[..., None]
    for coarse in (3, 7):  # cloth and hair are no plain colours
        picture *= 1 + rng.uniform(0.0, 0.1) * cloud(rng, rows, width, coarse)[..., None]
    if rng.random() < 0.25:  # a lamp mirrored in the floor, or sun
        x, y = rng.uniform(0, 1, 2) * (width, rows)
        across, down = np.meshgrid(np.arange(width) - x, np.arange(rows) - y)
        spread = rng.uniform(0.02, 0.3) * width
        glow = np.exp(-(across**2 + down**2) / (2 * spread**2))
        picture += (rng.uniform(20, 120) * glow)[..., None].astype(np.float32)
    picture *= rng.uniform(0.8, 1.2, 3).astype(np.float32)
    if rng.random() < 0.35:  # dark: the blacks are crushed, so that dark hair has no outline
        picture = (picture - rng.uniform(0, 60)) * rng.uniform(0.35, 1.8)
    if rng.random() < 0.2:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.5)))
    if rng.random() < 0.3:
        picture = _motion_blur(rng, picture)
    noise = rng.standard_normal((rows, width, 3), np.float32) * rng.uniform(0.5, 9)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _motion_blur(rng: Rng, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    size = int(rng.integers(3, 10))
    kernel = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, math.pi)
    middle = (size - 1) / 2
    reach = middle * np.array((math.cos(angle), math.sin(angle)))
    a, b = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
    cv2.line(kernel, a.tolist(), b.tolist(), 1.0)
    blurred: NDArray[np.float32] = cv2.filter2D(picture, -1, kernel / kernel.sum())
    return blurred
