"""Augmentation of one picture: a window cut or grown around it, colours, sensor faults.

A pure function of its generator: the same seed gives the same picture. Windows have about the
input's aspect, so that heads keep their shape; a part of the pictures is squashed whole, as the
detector will see them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.types import Image
from training.config import Augment
from training.data.cache import Picture

Rng = np.random.Generator

_ROOM = 1.8  # a zoomed window is at least so many times as wide as its head


@dataclass(frozen=True, slots=True)
class View:
    """What the network is shown: image at the input size, boxes (n, 4) xyxy 0..1, ignore (n,)."""

    name: str
    image: Image
    boxes: Boxes
    ignore: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle in pixels of the picture; it may stick out."""

    x: int
    y: int
    width: int
    height: int


def whole(picture: Picture, size: tuple[int, int]) -> View:
    """The picture as it is, squashed to (width, height): what a detector sees at the door."""
    rows, columns = picture.image.shape[:2]
    return _look(picture, Window(0, 0, columns, rows), size, 0.5, 0)


def augment(
    rng: Rng,
    picture: Picture,
    size: tuple[int, int],
    chances: Augment,
    *,
    min_visible: float = 0.5,
    overhead: bool = False,
) -> View:
    """Draw one view of a picture.

    Args:
        rng: all chance comes from here.
        picture: at any size.
        size: width, height of the view.
        chances: how often and how much.
        min_visible: heads cut by the window so that less is left are ignored.
        overhead: flip vertically, too; from straight above there is no up.
    """
    window = _window(rng, picture, size, chances)
    view = _look(picture, window, size, min_visible, int(rng.integers(0, 200)))
    view = _flip(rng, view, overhead)
    image = _faults(rng, _colours(rng, view.image, chances), chances)
    return View(view.name, image, view.boxes, view.ignore)


def _window(rng: Rng, picture: Picture, size: tuple[int, int], chances: Augment) -> Window:
    rows, columns = picture.image.shape[:2]
    draw = rng.random()
    aspect = size[0] / size[1] * math.exp(rng.uniform(-chances.aspect, chances.aspect))
    if draw < chances.zoom:
        box = _target(rng, picture)
        scale = math.exp(rng.uniform(math.log(chances.zoom_min), 0))
        full = min(columns, rows * aspect)
        side = max(box[2] - box[0], box[3] - box[1])
        # a head that fills the window is no head at a door, and beyond the largest prior
        width = min(full, max(full * scale, _ROOM * side * max(1.0, aspect)))
        return _place(rng, picture, box, max(8, round(width)), max(8, round(width / aspect)))
    if draw < chances.zoom + chances.zoom_out:
        scale = rng.uniform(1, chances.zoom_out_max)
        width = max(columns, rows * aspect) * scale
        box = _target(rng, picture)
        return _place(rng, picture, box, round(width), round(width / aspect))
    return Window(0, 0, columns, rows)


def _target(rng: Rng, picture: Picture) -> NDArray[np.float32]:
    """A random head (4,), or a point where there is none."""
    if len(picture.boxes):
        head: NDArray[np.float32] = picture.boxes[rng.integers(len(picture.boxes))]
        return head
    rows, columns = picture.image.shape[:2]
    return np.array([rng.uniform(0, columns), rng.uniform(0, rows)] * 2, np.float32)


def _place(rng: Rng, picture: Picture, box: NDArray[np.float32], width: int, height: int) -> Window:
    """Put a window so that the box's centre lies in it; inside the picture as far as it fits."""
    rows, columns = picture.image.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left = round(x - width * rng.uniform(0.15, 0.85))
    top = round(y - height * rng.uniform(0.15, 0.85))
    return Window(_shift(left, width, columns), _shift(top, height, rows), width, height)


def _shift(start: int, length: int, limit: int) -> int:
    low, high = min(0, limit - length), max(0, limit - length)
    return min(max(start, low), high)


def _look(
    picture: Picture, window: Window, size: tuple[int, int], min_visible: float, fill: int
) -> View:
    """Cut the window, pad what sticks out with a grey, and scale; cut boxes with it."""
    rows, columns = picture.image.shape[:2]
    x1, y1 = max(window.x, 0), max(window.y, 0)
    x2, y2 = min(window.x + window.width, columns), min(window.y + window.height, rows)
    part = picture.image[y1:y2, x1:x2]
    if part.shape[:2] != (window.height, window.width):
        canvas = np.full((window.height, window.width, 3), fill, np.uint8)
        canvas[y1 - window.y : y2 - window.y, x1 - window.x : x2 - window.x] = part
        part = canvas
    shrink = part.shape[1] > size[0]
    image = cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    shift = np.array([window.x, window.y] * 2, np.float32)
    scale = np.array([window.width, window.height] * 2, np.float32)
    boxes = ((picture.boxes - shift) / scale).astype(np.float32)
    cut = np.clip(boxes, 0, 1).astype(np.float32)
    visible = _areas(cut) / np.maximum(_areas(boxes), 1e-12)
    keep = visible > 0.05
    ignore = picture.ignore | (visible < min_visible)
    return View(picture.name, np.asarray(image, np.uint8), cut[keep], ignore[keep])


def _areas(boxes: Boxes) -> NDArray[np.float32]:
    side = boxes[:, 2:] - boxes[:, :2]
    area: NDArray[np.float32] = side[:, 0] * side[:, 1]
    return area


def _flip(rng: Rng, view: View, overhead: bool) -> View:
    image, boxes = view.image, view.boxes.copy()
    across, down = rng.random() < 0.5, rng.random() < 0.5
    if across:
        image = image[:, ::-1]
        boxes[:, [0, 2]] = 1 - boxes[:, [2, 0]]
    if down and overhead:
        image = image[::-1]
        boxes[:, [1, 3]] = 1 - boxes[:, [3, 1]]
    return View(view.name, np.ascontiguousarray(image), boxes, view.ignore)


def _colours(rng: Rng, image: Image, chances: Augment) -> Image:
    """Gain, offset, gamma by channel; grey; darkness, which crushes the blacks."""
    ramp: NDArray[np.floating] = np.linspace(0, 1, 256)[:, None].repeat(3, axis=1)
    if rng.random() < chances.colour:
        gamma, gain = math.exp(rng.uniform(-0.4, 0.4)), math.exp(rng.uniform(-0.4, 0.4))
        tint = np.exp(rng.uniform(-0.15, 0.15, 3)).astype(np.float32)
        ramp = ramp**gamma * (gain * tint) + rng.uniform(-0.12, 0.12)
    if rng.random() < chances.dark:
        ramp = (ramp - rng.uniform(0, 0.15)) * rng.uniform(0.12, 0.5)
    if rng.random() < chances.grey:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        ramp = ramp[:, :1].repeat(3, axis=1)
    table = np.clip(ramp * 255, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _faults(rng: Rng, image: Image, chances: Augment) -> Image:
    """Blur, noise and compression, in the order in which a camera adds them."""
    if rng.random() < chances.blur:
        image = np.asarray(_blur(rng, image), np.uint8)
    if rng.random() < chances.noise:
        level = rng.uniform(2, 14)
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(level)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < chances.jpeg:
        quality = int(rng.integers(25, 80))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _blur(rng: Rng, image: Image) -> Image:
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6))), np.uint8)
    size = int(rng.integers(3, 8))
    kernel = np.zeros((size, size), np.float32)
    if rng.random() < 0.5:
        kernel[size // 2] = 1 / size
    else:
        kernel[:, size // 2] = 1 / size
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)
