"""The recordings with crossing truth, and what two detectors see in them, kept between runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from counters import View

from edge.assembly import DEFAULT_BUNDLE
from edge.audit import Truth, load_truth
from edge.contract.bundle import read_bundle, write_bundle
from edge.contract.detections import Detections
from edge.contract.manifest import Manifest, ModelInput, Variant
from edge.detections_file import read_detections
from edge.recording import Options, Outputs, replay_recording

VIDEOS = ("intel_one_by_one", "opencv_vtest_480x360", "footfall_overhead", "bus_overhead")
DETECTORS = ("shipped", "retail")
RETAIL = Manifest(
    name="person-detection-retail-0013",
    version="1",
    counter=1,
    created="2026-01-31T12:00:00Z",
    input=ModelInput(544, 320),
    output="detection-output",
    labels=("person",),
    score=0.3,  # it sees next to nothing from straight above at any
    nms=0.5,
    variants=(Variant(("CPU",), "f32", "model.xml", "model.bin"),),
    target="body",
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One detector's boxes of one video, and what is true of the video."""

    detector: str
    video: str
    view: View
    truth: Truth
    frames: tuple[Detections, ...]


def recordings(data: Path, folder: Path) -> Iterator[Recording]:
    """Every detector on every video.

    Args:
        data: the folder with videos/, gt/ and weights/.
        folder: where boxes are kept; each detector runs once over a video.
    """
    for detector in DETECTORS:
        bundle = DEFAULT_BUNDLE if detector == "shipped" else _retail(data, folder)
        for video in VIDEOS:
            truth = load_truth(data / "gt" / f"{video}.json")
            boxes = _boxes(data, video, truth, bundle, folder)
            recorded = read_detections(boxes)
            view = View(truth.lines, recorded.size, recorded.fps, recorded.score or 0.0)
            frames = tuple(sighting.detections for sighting in recorded.sightings())
            yield Recording(detector, video, view, truth, frames)


def _retail(data: Path, folder: Path) -> Path:
    """The Open Model Zoo's detector of whole bodies as a bundle."""
    bundle = folder / "retail"
    folder.mkdir(parents=True, exist_ok=True)
    weights = data / "weights" / "person-detection-retail-0013.xml"
    files = {"model.xml": weights, "model.bin": weights.with_suffix(".bin")}
    write_bundle(bundle, RETAIL, files)
    return bundle


def _boxes(data: Path, video: str, truth: Truth, bundle: Path, folder: Path) -> Path:
    """A file of boxes, as `headcount replay --save-detections` writes it."""
    told = json.loads((data / "gt" / f"{video}.json").read_text())["sha256"]
    path = folder / f"{video}-{told[:8]}-{read_bundle(bundle).sha256[:8]}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        replay_recording(
            str(data / "videos" / f"{video}.mp4"),
            Options(model=bundle),
            lines=truth.lines,
            outputs=Outputs(detections=beside),
        )
        beside.replace(path)
    return path
