"""Pictures in memory: decoded once, shrunk, uint8; rendered pools kept in a file.

Decoding and shrinking a photo costs more than a training step on it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.detections import Boxes
from edge.errors import DataError
from edge.types import Image
from training.data.container import read_header
from training.data.heads import Sample
from training.data.photo import read_photo
from training.data.shrunk import ShrunkCache

Rendered = tuple[Image, Boxes, NDArray[np.float32]]  # boxes (n, 4) pixels, visible (n,) 0..1
Renderer = Callable[[np.random.Generator, int, int], Rendered]

LONG_SIDE = 640  # pixels; more than any input uses, little enough to keep thousands in memory
SHRUNK = "shrunk"  # the folder of shrunken photos in a run's cache
SEEN = 0.35  # a rendered head of which less is seen is neither right nor wrong to find


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: image (h, w, 3) uint8 BGR, boxes (n, 4) xyxy pixels, ignore (n,).

    `name` is its file's path, or says which rendered one it is.
    """

    name: str
    image: Image
    boxes: Boxes
    ignore: NDArray[np.bool_]


def load_pictures(
    samples: Sequence[Sample], long_side: int = LONG_SIDE, cache: Path | None = None
) -> list[Picture]:
    """Decode and shrink; boxes shrink with their picture.

    Args:
        samples: files and boxes.
        long_side: pixels of the longer side at most.
        cache: a folder that keeps shrunken pictures for the next time.

    Raises:
        DataError: a file is not a picture, or not a whole one.
    """
    shrunk = ShrunkCache(cache, long_side)
    return [_load(sample, shrunk) for sample in samples]


def _load(sample: Sample, shrunk: ShrunkCache) -> Picture:
    data = read_photo(sample.path)
    try:
        image, full = shrunk.load(data), read_header(data).upright
    except ValueError as error:
        raise DataError(f"{sample.path}: cannot be decoded as a picture: {error}") from error
    scale = min(1.0, shrunk.long_side / max(full))
    boxes = (sample.boxes * np.float32(scale)).astype(np.float32)
    return Picture(str(sample.path), image, boxes, sample.ignore)


def rendered_pool(
    render: Renderer, *, count: int, seed: int, size: tuple[int, int], file: Path, maker: str = "",
    workers: int = 0,
) -> list[Picture]:  # fmt: skip
    """`count` rendered pictures, from the pool file when it holds them, else drawn and kept.

    Args:
        render: draws one picture from a generator, a width and a height.
        count: pictures.
        seed: picture k is drawn from the seed (seed, k).
        size: width, height in pixels.
        file: the pool's npz file; an older one of another pool is replaced.
        maker: the renderer's name, version and settings; a pool of another maker is drawn anew.
        workers: processes that draw; with 0 this one does.
    """
    stamp = f"1 {count} {seed} {size[0]}x{size[1]} {maker}".strip()
    if file.is_file():
        with np.load(file) as kept:
            if str(kept["stamp"]) == stamp:
                return _unpack(kept["images"], kept["owner"], kept["boxes"], kept["visible"])
    drawn = _drawn(partial(_draw, render, seed, size), count, workers)
    owner = np.repeat(np.arange(count), [len(boxes) for _, boxes, _ in drawn])
    images = np.stack([image for image, _, _ in drawn])
    boxes = np.concatenate([boxes for _, boxes, _ in drawn])
    visible = np.concatenate([visible for _, _, visible in drawn])
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part.npz")
    np.savez(beside, stamp=stamp, images=images, owner=owner, boxes=boxes, visible=visible)
    beside.replace(file)
    return _unpack(images, owner, boxes, visible)


def _drawn(draw: Callable[[int], Rendered], count: int, workers: int) -> list[Rendered]:
    if not workers:
        return [draw(k) for k in range(count)]
    # forked from a process that has run torch, a child may wait for its threads for ever
    fresh = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        return list(pool.map(draw, range(count), chunksize=16))


def _draw(render: Renderer, seed: int, size: tuple[int, int], number: int) -> Rendered:
    return render(np.random.default_rng((seed, number)), *size)


def _unpack(
    images: NDArray[np.uint8], owner: NDArray[np.intp], boxes: Boxes, visible: NDArray[np.float32]
) -> list[Picture]:
    pictures = []
    for number, image in enumerate(images):
        mine = owner == number
        pictures.append(Picture(f"rendered {number}", image, boxes[mine], visible[mine] < SEEN))
    return pictures
