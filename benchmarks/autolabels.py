"""What automatic labels are worth: train on one overhead recording, test on the other by hand.

    python benchmarks/autolabels.py [--steps 300] [--seeds 1] [--out DIR]

First the labels alone: every picture of a recording that has hand labels is labelled by motion, and
held against them at IoU 0.5. Then the training: ImageNet weights, rendered pictures, and for each
direction nothing more, the recording's hand labels, or its automatic ones; equal steps and seeds,
the average of the last steps is judged. An arm that has its figures in DIR is not trained again.
Both recordings are development videos, and each shows few people: one head is 5 or 8 points.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.contract.detections import Detections
from edge.contract.ssd import iou_matrix
from edge.types import Image
from training.autolabel.labelling import autolabel
from training.autolabel.looks import Told, open_eye
from training.autolabel.video import open_video
from training.autolabel.ways import Verdict, by_picture, follow
from training.checkpoint import restore
from training.config import Recipe, Source, load_recipe
from training.data.cache import load_pictures
from training.data.heads import read_heads
from training.evaluate import score, torch_detector
from training.fitting import run_fit

VIDEOS = {"footfall": "footfall_overhead", "bus": "bus_overhead"}
ARMS = ("none", "hand", "automatic")
SITE = 0.4  # share of the recording's pictures in a batch
COUNT = 40  # pictures labelled of a recording


def blind(image: Image) -> Told:  # noqa: ARG001
    """No teacher: motion alone."""
    return Told(Detections.empty())


def label_quality(data: Path, name: str) -> dict[str, int]:
    """Heads by hand, those among them that were labelled alike, and labels that are no head."""
    video = open_video(data / "videos" / f"{VIDEOS[name]}.mp4")
    eye = open_eye(video, blind, "motion")
    assert eye, "people pass in these recordings"
    pictures = [eye.look(frame) for frame in video.frames(1)]
    told = by_picture(follow(pictures, video.size[0] / video.size[1]))
    found = {"heads": 0, "found": 0, "doubted": 0, "false": 0}
    for sample in read_heads(data / "heads" / f"overhead_{name}"):
        number = int(re.findall(r"_(\d+)\.png", sample.path.name)[0])
        truth = (sample.boxes / np.tile(np.array(video.size, np.float32), 2)).astype(np.float32)
        both = [_boxes(told.get(number, ()), v) for v in (Verdict.HEAD, Verdict.DOUBT)]
        sure, doubt = (iou_matrix(truth, boxes).max(axis=1, initial=0) >= 0.5 for boxes in both)
        wrong = iou_matrix(both[0], truth).max(axis=1, initial=0) < 0.5
        mine = ~sample.ignore
        found["heads"] += int(mine.sum())
        found["found"] += int((sure & mine).sum())
        found["doubted"] += int((doubt & ~sure & mine).sum())
        found["false"] += int(wrong.sum())
    return found


def _boxes(told: Any, verdict: Verdict) -> np.ndarray:  # noqa: ANN401
    rows = [box for box, each in told if each is verdict]
    return np.array(rows, np.float32).reshape(-1, 4)


def recipe(name: str, arm: str, steps: int, seed: int, labels: Path) -> Recipe:
    """The comparison's recipe with rendered pictures and those of an arm."""
    base = load_recipe(Path("bench"))
    rest = 1.0 if arm == "none" else 1 - SITE
    sources = [Source("simulated", "scene", rest, count=600, seed=9, overhead=True)]
    if arm != "none":
        path = f"heads/overhead_{name}" if arm == "hand" else str(labels.resolve())
        sources.append(Source("site", "csv", SITE, path=path, overhead=True))
    fit = dataclasses.replace(base.fit, steps=steps, seed=seed, check_every=steps, log_every=50)
    return dataclasses.replace(base, source=tuple(sources), fit=fit)


def run_arm(plan: Recipe, data: Path, out: Path, cache: Path) -> dict[str, Any]:
    """Train and judge one arm; its figures by overhead set."""
    begun = (out / "last.pt").is_file()
    run_fit(plan, data=data, out=out, cache=cache, resuming=begun)

    detect = torch_detector(restore(out / "last.pt").net)
    return {
        name: score(
            name, detect, load_pictures(read_heads(data / "heads" / f"overhead_{name}"))
        ).to_json()
        for name in VIDEOS
    }


def cell(found: dict[str, Any]) -> str:
    """AP50 with its interval."""
    return f"{found['ap50']:.3f} [{found['ap50_low']:.2f}, {found['ap50_high']:.2f}]"


def main() -> None:
    """Print the labels' quality, then what training on them gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path("runs/autolabels"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| recording | heads by hand | labelled alike | doubted | labelled, but no head |")
    print("|---|---|---|---|---|")
    for name in VIDEOS:
        found = label_quality(options.data, name)
        print(
            f"| {name} | " + " | ".join(str(value) for value in found.values()) + " |", flush=True
        )
    rows = []
    for name, video in VIDEOS.items():
        labels = options.out / f"labels-{name}"
        if not labels.is_dir():
            path = options.data / "videos" / f"{video}.mp4"
            autolabel([path], labels, blind, told_by="nobody", by="motion", count=COUNT)
        for arm in ARMS:
            for seed in range(1, options.seeds + 1):
                key = f"none-{seed}" if arm == "none" else f"{name}-{arm}-{seed}"
                out = options.out / key
                if not (out / "scores.json").is_file():
                    plan = recipe(name, arm, options.steps, seed, labels)
                    scores = run_arm(plan, options.data, out, options.cache)
                    (out / "scores.json").write_text(json.dumps(scores) + "\n")
                scores = json.loads((out / "scores.json").read_text())
                (other,) = (each for each in VIDEOS if each != name)
                rows.append(f"| {name} | {arm} | {seed} | {other} | {cell(scores[other])} |")
    print("\n| trained on | labels | seed | tested on (by hand) | AP50 [95 %] |")
    print("|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
