"""How the lowest score of a new person changes the counts of the recordings with truth.

    python benchmarks/scores.py [--data DIR] [--model BUNDLE] [--precision P] [--scenes 106 …]

The detector runs once over each recording, down to a low score; the counts are then made from
the recorded boxes at each threshold. Simulated doors of other seeds than the demo's are added.
The recordings are development videos: a threshold chosen here is a default to start from, and a
site's own audit is better.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from edge.assembly import build_corridor, choose_bundle
from edge.audit import Event, load_truth, match
from edge.config import CountingConfig, DetectorConfig, SourceConfig
from edge.detections_file import DetectionsWriter, read_detections
from edge.detector import open_detector
from edge.quality import QualityMeter
from edge.replay import replay
from edge.scene import SCENE_LINE, Scene
from edge.source import SceneSource, Source, open_source
from edge.types import Line

VIDEOS = ("intel_one_by_one", "opencv_vtest_480x360", "footfall_overhead", "bus_overhead")
SCORES = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
FLOOR = 0.1

Truth = tuple[tuple[Line, ...], tuple[Event, ...]]


def record(source: Source, config: DetectorConfig, boxes: Path) -> None:
    """Save what the detector sees in a source."""
    chosen = choose_bundle(config, must_be_trusted=False)
    with (
        source,
        open_detector(chosen, config, score=FLOOR) as detector,
        DetectionsWriter(boxes, size=source.size, fps=source.fps, score=FLOOR) as writer,
    ):
        for sighting in detector.detect(source):
            writer.write(sighting)


def audit(boxes: Path, truth: Truth, score: float) -> str:
    """`found/missed/false` of recorded boxes at a threshold."""
    lines, events = truth
    recorded = read_detections(boxes)
    corridor = build_corridor(lines, CountingConfig(), score, recorded.size)
    meter = QualityMeter(recorded.size[0] / recorded.size[1], None, 0.0)
    counted = replay(recorded.sightings(), corridor, lines, recorded.fps, meter=meter)
    result = match(events, counted.crossings, recorded.fps)
    return f"{len(result.found)}/{len(result.missed)}/{len(result.false)}"


def scene_truth(scene: Scene) -> Truth:
    """The crossings of a scene that was played, as events."""
    events = tuple(
        Event(SCENE_LINE.name, c.direction, c.frame, c.frame, c.frame, optional=False)
        for c in scene.crossings
    )
    return (SCENE_LINE,), events


def main() -> None:
    """Print one row a recording, one column a threshold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--scenes", type=int, nargs="*", default=list(range(106, 112)))
    parser.add_argument("--precision", default="f32")
    options = parser.parse_args()
    config = DetectorConfig(model=options.model, precision=options.precision)
    print("| found/missed/false | " + " | ".join(f"{score:g}" for score in SCORES) + " |")
    print("|---|" + "---|" * len(SCORES))
    with tempfile.TemporaryDirectory() as folder:
        for name in VIDEOS:
            video = options.data / "videos" / f"{name}.mp4"
            truth = load_truth(options.data / "gt" / f"{name}.json")
            boxes = Path(folder) / f"{name}.jsonl"
            record(open_source(SourceConfig(uri=str(video))), config, boxes)
            row = [audit(boxes, (truth.lines, truth.events), score) for score in SCORES]
            print(f"| {name} | " + " | ".join(row) + " |", flush=True)
        for seed in options.scenes:
            scene = Scene(seed)
            boxes = Path(folder) / f"{seed}.jsonl"
            record(SceneSource(scene), config, boxes)
            row = [audit(boxes, scene_truth(scene), score) for score in SCORES]
            print(f"| scene:{seed} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
