"""Classifiers and pictures small enough for a test."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import torch

from training.cifar.pictures import CLASSES, SIDE, ZIPS, Pictures, Splits
from training.cifar.recipe import ClassifierRecipe, Cut, Fit, Net
from training.cifar.running import Run

# Three blocks a stage; the thinner a GoogLeNet is, the fewer of its channels make a cluster.
NETS = {
    "resnet56": Net("resnet56", width=0.5, blocks=3),
    "vgg16": Net("vgg16", width=0.125),
    "googlenet": Net("googlenet", width=0.125),
}


def recipe(net: str = "resnet56") -> ClassifierRecipe:
    """One epoch for everything, in batches of 16."""
    fit = Fit(epochs=1, batch=16, lr=0.01)
    return ClassifierRecipe(NETS[net], fit, fit, cut=Cut(batches=2, ranks=2))


def pictures(count: int, seed: int = 0) -> Pictures:
    """Each class is of one brightness, with noise on it."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    noise = rng.integers(0, 20, (count, SIDE, SIDE, 3))
    return Pictures((noise + 23 * labels[:, None, None, None]).astype(np.uint8), labels)


def run(out: Path, net: str = "resnet56", **more: float) -> Run:
    """A run on 64 pictures, silent."""
    splits = Splits(pictures(64), pictures(16, 1), pictures(32, 2))
    return Run(recipe(net), splits, out, torch.device("cpu"), say=lambda _: None, **more)  # type: ignore[arg-type]


def write_zips(folder: Path, each: int) -> None:
    """Zips as CIFAR-10's: `each` training pictures of a class in either zip, and test pictures."""
    folder.mkdir(parents=True)
    for number, name in enumerate(ZIPS):
        part = "test" if "test" in name else "train"
        with zipfile.ZipFile(folder / name, "w") as archive:
            for label, kind in enumerate(CLASSES):
                for count in range(each):
                    archive.writestr(
                        f"{part}/{kind}/{number}{count:03}.jpg", _jpeg(label, number, count)
                    )


def _jpeg(*seed: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return io.BytesIO(data.tobytes()).getvalue()
