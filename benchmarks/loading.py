"""Seconds to load a set's pictures: decoded, while the cache is filled, and from the cache.

    python benchmarks/loading.py [--set heads/scut_head_partB] [--long-side 640] [--rounds 3]

Prints a table. The set lies below $HEADCOUNT_DATA. Every round begins with an empty cache in a
folder of its own; the figures are medians of the rounds. Files are read once before, so that all
three find them in the system's memory: the disk is not what is measured. `--enlarge 4` writes each
picture at four times its sides first, as JPEG: what photos of today's cameras cost. With it,
`--pictures N` keeps the number small.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.data.cache import LONG_SIDE, load_pictures
from training.data.heads import Sample, read_heads
from training.data.photo import decode


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def enlarged(samples: Sequence[Sample], times: float, folder: Path) -> list[Sample]:
    """The same pictures with longer sides, in files of a folder."""
    out = []
    for sample in samples:
        image = cv2.resize(decode(sample.path.read_bytes()), None, fx=times, fy=times)
        path = folder / f"{sample.path.stem}.jpg"
        path.write_bytes(bytes(cv2.imencode(".jpg", image)[1]))
        boxes = (sample.boxes * np.float32(times)).astype(np.float32)
        out.append(replace(sample, path=path, boxes=boxes))
    return out


def measure(samples: Sequence[Sample], long_side: int, rounds: int) -> dict[str, float]:
    """Median seconds by way of loading; `kept` is megabytes of the cache."""
    times: dict[str, list[float]] = {"decoded": [], "filling": [], "cached": []}
    for sample in samples:
        sample.path.read_bytes()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            times["decoded"].append(seconds(lambda: load_pictures(samples, long_side)))
            for way in ("filling", "cached"):
                times[way].append(seconds(lambda: load_pictures(samples, long_side, cache)))  # noqa: B023 - called at once
            kept = sum(path.stat().st_size for path in cache.rglob("*.raw")) / 1e6
    return {**{way: statistics.median(found) for way, found in times.items()}, "kept": kept}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time the loading of pictures.")
    parser.add_argument("--set", default="heads/scut_head_partB", metavar="PATH[:SPLIT]")
    parser.add_argument("--long-side", type=int, default=LONG_SIDE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--enlarge", type=float, default=1.0)
    parser.add_argument("--pictures", type=int, help="of the set; all by default")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    path, _, split = args.set.partition(":")
    samples = read_heads(Path(os.environ["HEADCOUNT_DATA"]) / path, split)[: args.pictures]
    with tempfile.TemporaryDirectory() as folder:
        if args.enlarge != 1:
            samples = enlarged(samples, args.enlarge, Path(folder))
        took = measure(samples, args.long_side, args.rounds)
    print(f"{len(samples)} pictures of {args.set}, sides times {args.enlarge:g}, one thread")
    print(f"{'':>9} {'seconds':>8} {'ms each':>8} {'ratio':>6}")
    for way in ("decoded", "filling", "cached"):
        each, ratio = 1e3 * took[way] / len(samples), took["decoded"] / took[way]
        print(f"{way:>9} {took[way]:8.2f} {each:8.2f} {ratio:6.1f}")
    print(f"the cache holds {took['kept']:.0f} MB")


if __name__ == "__main__":
    main()
