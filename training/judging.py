"""The composition of one evaluation: which model, on which data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
import torch

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.detections import Detections
from edge.contract.ssd import PriorSpec, postprocess
from edge.detector import open_detector
from edge.errors import CallError
from edge.types import Frame, Image
from training.checkpoint import restore
from training.data.augment import whole
from training.data.cache import SHRUNK, Picture, load_pictures
from training.data.heads import read_heads
from training.evaluate import NMS_IOU, SCORE, Detect, Score, score, torch_detector

SETS = ("heads/scut_head_partB:test", "heads/overhead_bus", "heads/overhead_footfall")

_NONE = np.zeros((0, 4), np.float32)


def open_model(path: Path, precision: str = "f32") -> Detect:
    """A detector of a checkpoint file or of a bundle's folder; `precision` is for the latter.

    Raises:
        DataError: the checkpoint is wrong.
        BundleError: the bundle is wrong.
        CallError: there is neither.
    """
    if path.is_dir():
        return bundle_detector(read_bundle(path), precision)
    if not path.is_file():
        raise CallError(f"{path}: neither a checkpoint nor a bundle's folder")
    torch.set_num_threads(1)
    return torch_detector(restore(path).net)


def bundle_detector(bundle: Bundle, precision: str = "f32") -> Detect:
    """Run a bundle's file as a door does, but with scores down to those an AP needs."""
    detector = open_detector(
        bundle, DetectorConfig(device="CPU", precision=precision, threads=1), score=SCORE
    )

    def detect(image: Image) -> Detections:
        (sighting,) = detector.detect([Frame(image, 0, 0.0)])
        return sighting.detections

    return detect


def ir_detector(xml: Path, spec: PriorSpec) -> Detect:
    """Run an OpenVINO file of ours, float or int8, on single pictures on the CPU."""
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(xml, "CPU", exact)

    def detect(image: Image) -> Detections:
        view = whole(Picture("", image, _NONE, np.zeros(0, bool)), (spec.width, spec.height))
        result = compiled(view.image.transpose(2, 0, 1)[None].astype(np.float32))
        loc, conf = (result[compiled.output(name)] for name in ("loc", "conf"))
        return postprocess(loc, conf, spec, score=SCORE, nms_iou=NMS_IOU, max_detections=300)

    return detect


def evaluate_sets(
    detect: Detect, data: Path, sets: Sequence[str] | None, cache: Path | None = None
) -> list[Score]:
    """Score a detector on each `PATH[:SPLIT]` below the data folder; the usual three by default.

    Raises:
        DataError: a data set is missing or wrong.
    """
    scores = []
    for name in sets or SETS:
        path, _, split = name.partition(":")
        pictures = load_pictures(read_heads(data / path, split), cache=cache and cache / SHRUNK)
        scores.append(score(name, detect, pictures))
    return scores
