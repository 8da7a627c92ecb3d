"""What a model does on this device: `python -m edge.selftest_child BUNDLE [--config F] [--clip F]`.

Prints one JSON object: `ms` a picture, median; `frames`; with a clip `errors`, people who were
missed or counted for nothing, without one `seen`, heads or bodies in simulated pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from edge import journal
from edge.assembly import choose_bundle
from edge.audit import load_truth, match
from edge.config import Config, read_config
from edge.detector import open_detector
from edge.errors import HeadcountError, WorldError
from edge.recording import count_clip
from edge.scene import Scene
from edge.types import Frame
from edge.worker_child import die_with

SEED = 1
SIZE = (480, 360)
EVERY = 4  # pictures of the scene from one that is looked at to the next
LOOKS = 24


def main() -> int:
    """Measure one model; exit 1 where it cannot be run."""
    die_with(os.getppid())
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--clip", type=Path)
    options = parser.parse_args()
    journal.set_up(verbose=False)
    try:
        config = read_config(options.config) if options.config else Config()
        found = measure(options.bundle, config, options.clip)
    except HeadcountError as error:
        journal.complain(str(error))
        return 1
    print(json.dumps(found))
    return 0


def measure(folder: Path, config: Config, clip: Path | None) -> dict[str, Any]:
    """Run a model on simulated pictures, and count a clip with it.

    Raises:
        WorldError: it cannot be loaded or run here.
    """
    config = replace(config, detector=replace(config.detector, model=folder))
    if clip is None:
        return _look(config)
    truth = load_truth(clip.with_suffix(".json"))
    counted = count_clip(clip, config, truth.lines)
    if counted.detector_ms is None:
        raise WorldError(f"{clip}: holds no picture")
    result = match(truth.events, counted.crossings, truth.fps)
    errors = len(result.missed) + len(result.false)
    return {"ms": counted.detector_ms, "frames": counted.frames, "errors": errors}


def _look(config: Config) -> dict[str, Any]:
    bundle = choose_bundle(config.detector, must_be_trusted=False)
    with open_detector(bundle, config.detector) as detector:
        sightings = list(detector.detect(_pictures()))
    # The first ones warm up.
    ms = statistics.median(sighting.ms for sighting in sightings[LOOKS // 3 :])
    seen = sum(len(sighting.detections) for sighting in sightings)
    return {"ms": ms, "seen": seen, "frames": len(sightings)}


def _pictures() -> Iterator[Frame]:
    """Simulated ones, some time apart."""
    drawn = islice(iter(Scene(SEED, size=SIZE)), 0, EVERY * LOOKS, EVERY)
    for index, picture in enumerate(drawn):
        yield Frame(picture.image, index, picture.t)


if __name__ == "__main__":
    sys.exit(main())
