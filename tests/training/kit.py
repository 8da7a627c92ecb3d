"""Small things to train on: dark discs on grey, a recipe and a network that learn them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from edge.contract.ssd import PriorMap
from edge.types import Image
from training.config import Augment, Fit, Input, Model, Recipe, Source, Validation
from training.data.cache import Picture
from training.data.sampler import Pool

WIDTH, HEIGHT = 96, 64


def disc(rng: np.random.Generator, width: int, height: int) -> tuple[Image, np.ndarray, np.ndarray]:
    """A picture with one dark disc: what a renderer of training pictures gives."""
    image = rng.normal(150, 8, (height, width, 3)).clip(0, 255).astype(np.uint8)
    radius = int(rng.integers(7, 12))
    x = int(rng.integers(radius, width - radius))
    y = int(rng.integers(radius, height - radius))
    cv2.circle(image, (x, y), radius, (20, 20, 20), -1)
    box = np.array([[x - radius, y - radius, x + radius, y + radius]], np.float32)
    return image, box, np.ones(1, np.float32)


def pictures(count: int, seed: int = 0) -> list[Picture]:
    """Pictures of one disc each."""
    drawn = (disc(np.random.default_rng((seed, k)), WIDTH, HEIGHT) for k in range(count))
    none = np.zeros(1, bool)
    return [Picture(f"disc {k}", image, box, none) for k, (image, box, _) in enumerate(drawn)]


def recipe(steps: int = 6, batch: int = 4, **fit: float) -> Recipe:
    """A narrow net on small pictures, nothing frozen, nothing read from files."""
    options: dict[str, float] = {"warmup": 1, "check_every": 3, "log_every": 2, "ema": 0.5, **fit}
    return Recipe(
        input=Input(WIDTH, HEIGHT),
        prior=(PriorMap(8, (14.0, 20.0)), PriorMap(16, (28.0,)), PriorMap(32, (45.0,))),
        model=Model(width=0.25, neck=16, frozen=0),
        source=(Source("discs", "scene", 1.0),),
        validation=Validation("none"),
        fit=Fit(steps=steps, batch=batch, **options),  # type: ignore[arg-type]
        augment=Augment(),
    )


def pools(plan: Recipe, count: int = 8) -> list[Pool]:
    """The pictures of that recipe."""
    return [Pool(plan.source[0], pictures(count))]


def write_heads(folder: Path, count: int = 4) -> Path:
    """A data set on disk in the CSV form: `count` pictures of discs, half of them for training."""
    (folder / "images").mkdir(parents=True)
    with (folder / "heads.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "xmin", "ymin", "xmax", "ymax", "width", "height"])
        for number, picture in enumerate(pictures(count)):
            name = f"{number}.png"
            cv2.imwrite(str(folder / "images" / name), picture.image)
            table.writerow([name, "head", *picture.boxes[0].astype(int), WIDTH, HEIGHT])
    rows = [f"{number}.png,{'train' if number % 2 else 'val'}" for number in range(count)]
    (folder / "split.csv").write_text("\n".join(["image,split", *rows]) + "\n")
    return folder


def write_recipe(path: Path, data: str = "discs") -> Path:
    """The recipe above as a file, with pictures from `data` and from the simulator."""
    path.write_text(
        f"""
[input]
width = {WIDTH}
height = {HEIGHT}
[[prior]]
stride = 8
sizes = [14.0, 20]
[[prior]]
stride = 16
sizes = [28.0]
[model]
width = 0.25
neck = 16
frozen = 0
[[source]]
name = "discs"
kind = "csv"
path = "{data}"
split = "train"
share = 0.5
[[source]]
name = "drawn"
kind = "scene"
count = 2
width = 96
height = 64
share = 0.5
[validation]
path = "{data}"
split = "val"
[fit]
steps = 2
batch = 2
check_every = 2
log_every = 1
"""
    )
    return path
