"""The composition of one evaluation: which model, on which runtime, on which data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.detections import Detections
from edge.contract.ssd import PriorSpec, postprocess
from edge.detector import open_detector
from edge.detector.outputs import MAX_DETECTIONS
from edge.errors import CallError
from edge.openvino_core import core
from edge.types import Frame, Image
from training.checkpoint import restore
from training.data.augment import whole
from training.data.cache import SHRUNK, Picture, load_pictures
from training.data.heads import read_heads
from training.evaluate import (
    LIMIT,
    NMS_IOU,
    SCORE,
    WORKING,
    Detect,
    Score,
    Seen,
    score_seen,
    torch_detector,
)
from training.export import export

SETS = (
    "heads/scut_head_partB:test@oblique",
    "heads/overhead_bus@overhead",
    "heads/overhead_footfall@overhead",
)
TORCH, OPENVINO = "torch", "openvino"
RUNTIMES = (TORCH, OPENVINO)

_NONE = np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Model:
    """A detector that gives scores down to `SCORE`, and the score that it works with."""

    detect: Detect
    score: float


def open_model(path: Path, precision: str = "f32", runtime: str = "") -> Model:
    """A checkpoint file, or a bundle's folder.

    Args:
        path: of either.
        precision: which form of a bundle, "f32" or "int8".
        runtime: one of `RUNTIMES`; by default a checkpoint runs in torch, a bundle as at a door.

    Raises:
        DataError: the checkpoint is wrong, or the bundle of a network that torch does not know.
        BundleError: the bundle is wrong.
        CallError: there is neither.
    """
    if path.is_dir():
        return _open_bundle(path, precision, runtime or OPENVINO)
    if not path.is_file():
        raise CallError(f"{path}: neither a checkpoint nor a bundle's folder")
    net = restore(path).net
    if runtime != OPENVINO:
        return Model(_in_torch(torch_detector(net)), WORKING)
    exported = export(net)
    weights = ov.Tensor(np.frombuffer(exported.bin, np.uint8))
    return Model(ir_detector(core().read_model(exported.xml, weights), net.spec), WORKING)


def _open_bundle(path: Path, precision: str, runtime: str) -> Model:
    bundle = read_bundle(path)
    manifest = bundle.manifest
    if runtime == OPENVINO:
        return Model(bundle_detector(bundle, precision), manifest.score)
    if precision != "f32":
        raise CallError(f"--precision {precision} is a form for OpenVINO; leave out --runtime")
    net = restore(path).net
    detect = torch_detector(net, nms_iou=manifest.nms, limit=MAX_DETECTIONS)
    return Model(_in_torch(detect), manifest.score)


def _in_torch(detect: Detect) -> Detect:
    torch.set_num_threads(1)  # as the OpenVINO detectors here
    return detect


def bundle_detector(bundle: Bundle, precision: str = "f32") -> Detect:
    """Run a bundle's file as a door does, but with scores down to those an AP needs."""
    detector = open_detector(
        bundle, DetectorConfig(device="CPU", precision=precision, threads=1), score=SCORE
    )

    def detect(image: Image) -> Detections:
        (sighting,) = detector.detect([Frame(image, 0, 0.0)])
        return sighting.detections

    return detect


def ir_detector(model: Path | ov.Model, spec: PriorSpec) -> Detect:
    """Run an OpenVINO model of ours, float or int8, on single pictures on the CPU."""
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core().compile_model(model, "CPU", exact)

    def detect(image: Image) -> Detections:
        view = whole(Picture("", image, _NONE, np.zeros(0, bool)), (spec.width, spec.height))
        result = compiled(view.image.transpose(2, 0, 1)[None].astype(np.float32))
        loc, conf = (result[compiled.output(name)] for name in ("loc", "conf"))
        return postprocess(loc, conf, spec, score=SCORE, nms_iou=NMS_IOU, max_detections=LIMIT)

    return detect


@dataclass(frozen=True, slots=True)
class DataSet:
    """`PATH[:SPLIT][@VIEW]`: a folder below the data folder, and from where its camera looks."""

    path: str
    split: str
    view: str

    @classmethod
    def parse(cls, text: str) -> DataSet:
        """Read one; an @ in a folder's name is no view's."""
        rest, _, view = text.rpartition("@")
        if not rest or "/" in view:
            rest, view = text, ""
        path, _, split = rest.partition(":")
        return cls(path, split, view)

    @property
    def name(self) -> str:
        """Without the view."""
        return f"{self.path}:{self.split}" if self.split else self.path

    def pictures(self, data: Path, cache: Path | None = None) -> list[Picture]:
        """Its pictures; `cache` keeps shrunken ones.

        Raises:
            DataError: they are missing or wrong.
        """
        shrunk = cache and cache / SHRUNK
        return load_pictures(read_heads(data / self.path, self.split), cache=shrunk)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of each data set, and of all pictures of each view."""

    sets: list[Score]
    views: list[Score]

    def to_json(self) -> dict[str, Any]:
        """Data sets by their names, and `views`."""
        views = {score.view: score.to_json() for score in self.views}
        return {s.name: s.to_json() for s in self.sets} | ({"views": views} if views else {})


def evaluate_sets(
    model: Model,
    data: Path,
    sets: Sequence[str] | None,
    threshold: float | None = None,
    cache: Path | None = None,
) -> Evaluation:
    """Score a detector.

    Args:
        model: from `open_model`.
        data: the data folder.
        sets: each `PATH[:SPLIT][@VIEW]`; `SETS` by default.
        threshold: the working score; the model's own by default.
        cache: keeps shrunken photos.

    Raises:
        DataError: a data set is missing or wrong.
    """
    working = model.score if threshold is None else threshold
    scores, by_view = [], dict[str, list[Seen]]()
    for each in map(DataSet.parse, sets or SETS):
        seen = Seen.by(model.detect, each.pictures(data, cache))
        scores.append(score_seen(each.name, seen, working, each.view))
        if each.view:
            by_view.setdefault(each.view, []).append(seen)
    views = [
        score_seen(f"all {view}", Seen.joined(parts), working, view)
        for view, parts in by_view.items()
    ]
    return Evaluation(scores, views)
