"""Which pictures make up batch k: a pure function of the seed and k.

Nothing is carried from step to step, so a resumed run sees the very batches that an
uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from training import synth
from training.config import Recipe, Source
from training.data.augment import View, augment
from training.data.cache import SHRUNK, Picture, Renderer, load_pictures, rendered_pool
from training.data.heads import read_heads
from training.synth import Wish


@dataclass(frozen=True, slots=True)
class Pool:
    """One source's pictures in memory."""

    source: Source
    pictures: Sequence[Picture]


def load_pools(recipe: Recipe, data: Path, cache: Path, render: Renderer) -> list[Pool]:
    """Load every source of a recipe.

    Args:
        recipe: names the sources.
        data: the folder to which their paths are relative.
        cache: a folder for rendered pools and shrunken photos.
        render: draws the pictures of sources of kind "scene"; those of kind "synth" are drawn by
            `training.synth`.
    """
    pools = []
    for source in recipe.source:
        if source.kind == "scene":
            pictures = _rendered(source, cache, render, recipe.fit.workers)
        elif source.kind == "synth":
            draw = partial(synth.render, wish=Wish(preset=source.preset))
            pictures = _rendered(source, cache, draw, recipe.fit.workers)
        else:
            samples = read_heads(data / source.path, source.split, source.kind)
            pictures = load_pictures(samples, cache=cache / SHRUNK)
        pools.append(Pool(source, pictures))
    return pools


def _rendered(source: Source, cache: Path, render: Renderer, workers: int) -> Sequence[Picture]:
    size = (source.width, source.height)
    maker = "" if source.kind == "scene" else f"synth {synth.VERSION} {source.preset}"
    name = "-".join([*(maker or "scene").split(), str(source.count), str(source.seed)])
    return rendered_pool(
        render,
        count=source.count,
        seed=source.seed,
        size=size,
        file=cache / f"{name}-{size[0]}x{size[1]}.npz",
        maker=maker,
        workers=workers,
    )


def batch(
    pools: Sequence[Pool], recipe: Recipe, step: int, part: Iterable[int] | None = None
) -> list[View]:
    """The views of one step: sources by their shares, pictures by chance.

    Each view has a generator of its own, so that `part` of a batch, the views with these numbers,
    is drawn without the rest; all of it by default.
    """
    seed, count = recipe.fit.seed, recipe.fit.batch
    owners = np.random.default_rng((seed, step)).choice(len(pools), count, p=_shares(pools))
    return [
        _draw(np.random.default_rng((seed, step, number)), pools[owners[number]], recipe)
        for number in (range(count) if part is None else part)
    ]


def steps_of(pools: Sequence[Pool], batch: int, epochs: float) -> int:
    """Steps of so many epochs, at least one.

    An epoch is as many views as the pools hold pictures. It is a measure of length, no order: each
    view's source is drawn by its share, and its picture by chance.
    """
    return max(1, math.ceil(epochs * sum(len(pool.pictures) for pool in pools) / batch))


def _shares(pools: Sequence[Pool]) -> list[float]:
    total = sum(pool.source.share for pool in pools)
    return [pool.source.share / total for pool in pools]


def _draw(rng: np.random.Generator, pool: Pool, recipe: Recipe) -> View:
    return augment(
        rng,
        pool.pictures[int(rng.integers(len(pool.pictures)))],
        (recipe.input.width, recipe.input.height),
        recipe.augment,
        min_visible=recipe.loss.min_visible,
        overhead=pool.source.overhead,
    )
