"""Pictures in memory: decoded once, shrunk, uint8; rendered pools kept in a file.

Decoding and shrinking a photo costs more than a training step on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.errors import DataError
from edge.types import Image
from training.data.heads import Sample

Renderer = Callable[[np.random.Generator, int, int], tuple[Image, Boxes, NDArray[np.float32]]]

LONG_SIDE = 640  # pixels; more than any input uses, little enough to keep thousands in memory
SEEN = 0.35  # a rendered head of which less is seen is neither right nor wrong to find


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: image (h, w, 3) uint8 BGR, boxes (n, 4) xyxy pixels, ignore (n,)."""

    name: str
    image: Image
    boxes: Boxes
    ignore: NDArray[np.bool_]


def load_pictures(samples: Sequence[Sample], long_side: int = LONG_SIDE) -> list[Picture]:
    """Decode and shrink; boxes shrink with their picture.

    Raises:
        DataError: a file is not a picture.
    """
    return [_load(sample, long_side) for sample in samples]


def _load(sample: Sample, long_side: int) -> Picture:
    image = cv2.imread(str(sample.path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{sample.path}: cannot be decoded as a picture")
    scale = min(1.0, long_side / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes = (sample.boxes * np.float32(scale)).astype(np.float32)
    return Picture(sample.path.name, np.asarray(image, np.uint8), boxes, sample.ignore)


def rendered_pool(
    render: Renderer, *, count: int, seed: int, size: tuple[int, int], file: Path, maker: str = ""
) -> list[Picture]:
    """`count` rendered pictures, from the pool file when it holds them, else drawn and kept.

    Args:
        render: draws one picture from a generator, a width and a height.
        count: pictures.
        seed: picture k is drawn from the seed (seed, k).
        size: width, height in pixels.
        file: the pool's npz file; an older one of another pool is replaced.
        maker: the renderer's name, version and settings; a pool of another maker is drawn anew.
    """
    stamp = f"1 {count} {seed} {size[0]}x{size[1]} {maker}".strip()
    if file.is_file():
        with np.load(file) as kept:
            if str(kept["stamp"]) == stamp:
                return _unpack(kept["images"], kept["owner"], kept["boxes"], kept["visible"])
    drawn = [render(np.random.default_rng((seed, k)), *size) for k in range(count)]
    owner = np.repeat(np.arange(count), [len(boxes) for _, boxes, _ in drawn])
    images = np.stack([image for image, _, _ in drawn])
    boxes = np.concatenate([boxes for _, boxes, _ in drawn])
    visible = np.concatenate([visible for _, _, visible in drawn])
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part.npz")
    np.savez(beside, stamp=stamp, images=images, owner=owner, boxes=boxes, visible=visible)
    beside.replace(file)
    return _unpack(images, owner, boxes, visible)


def _unpack(
    images: NDArray[np.uint8], owner: NDArray[np.intp], boxes: Boxes, visible: NDArray[np.float32]
) -> list[Picture]:
    pictures = []
    for number, image in enumerate(images):
        mine = owner == number
        pictures.append(Picture(f"rendered {number}", image, boxes[mine], visible[mine] < SEEN))
    return pictures
