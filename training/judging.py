"""The composition of one evaluation: which model, on which data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.detections import Detections
from edge.detector import open_detector
from edge.errors import CallError
from edge.types import Frame, Image
from training.data.cache import load_pictures
from training.data.heads import read_heads
from training.engine import restore
from training.evaluate import SCORE, Detect, Score, score, torch_detector

SETS = ("heads/scut_head_partB:test", "heads/overhead_bus", "heads/overhead_footfall")


def open_model(path: Path) -> Detect:
    """A detector of a checkpoint file or of a bundle's folder.

    Raises:
        DataError: the checkpoint is wrong.
        BundleError: the bundle is wrong.
        CallError: there is neither.
    """
    if path.is_dir():
        return bundle_detector(read_bundle(path))
    if not path.is_file():
        raise CallError(f"{path}: neither a checkpoint nor a bundle's folder")
    torch.set_num_threads(1)
    return torch_detector(restore(path)[0])


def bundle_detector(bundle: Bundle) -> Detect:
    """Run a bundle's file as a door does, but with scores down to those an AP needs."""
    detector = open_detector(
        bundle, DetectorConfig(device="CPU", precision="f32", threads=1), score=SCORE
    )

    def detect(image: Image) -> Detections:
        (sighting,) = detector.detect([Frame(image, 0, 0.0)])
        return sighting.detections

    return detect


def evaluate_sets(detect: Detect, data: Path, sets: Sequence[str] | None) -> list[Score]:
    """Score a detector on each `PATH[:SPLIT]` below the data folder; the usual three by default.

    Raises:
        DataError: a data set is missing or wrong.
    """
    scores = []
    for name in sets or SETS:
        path, _, split = name.partition(":")
        scores.append(score(name, detect, load_pictures(read_heads(data / path, split))))
    return scores
