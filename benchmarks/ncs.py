"""Print what the stick's worker gains and costs, without a stick.

    python benchmarks/ncs.py [--frames 60] [--rounds 15]

Overlap: a simulated stick that takes 85 ms a picture, and 73 ms of other work, as published for a
Raspberry Pi 3: 6.4 pictures a second one after the other. Cost: the shipped network, which takes as
many pixels as one of 300x300 (352x256), on one thread of this CPU, in this process and in a worker
by turns, so that both see the same load; medians over the rounds, and of the differences.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge.assembly import DEFAULT_BUNDLE
from edge.config import DetectorConfig
from edge.contract.bundle import read_bundle
from edge.detector import Detector, open_detector
from edge.detector.ncs import StickDetector
from edge.detector.stick_link import StickLink
from edge.types import Frame
from tests.sticks import FakeStick, frame, tiny

DEVICE_MS = 85.0
OTHER_MS = 73.0
ONE_THREAD = DetectorConfig(device="CPU", threads=1)
START_S = 60.0


def worked(count: int) -> Iterator[Frame]:
    """Frames, each of which costs `OTHER_MS` of work beside the detector's."""
    for index in range(count):
        time.sleep(OTHER_MS / 1000)
        yield frame(index)


def rate(count: int, *, overlapped: bool) -> float:
    """Pictures a second of a simulated stick.

    Args:
        count: of pictures.
        overlapped: as the detector does it; else one after the other.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stick, bundle = FakeStick(folder), tiny(folder)
        stick.behave(ms=DEVICE_MS)
        with stick.open(bundle) as detector:
            list(detector.detect([frame(0)]))  # it boots
            begun = time.perf_counter()
            for frames in [worked(count)] if overlapped else ([each] for each in worked(count)):
                list(detector.detect(frames))
            took = time.perf_counter() - begun
            assert not detector.fallback, detector.device
    return count / took


def milliseconds(detector: Detector, frames: Iterable[Frame], count: int) -> float:
    """Of a frame, wall clock, two pictures on their way."""
    begun = time.perf_counter()
    assert count == sum(1 for _ in detector.detect(frames))
    return 1000 * (time.perf_counter() - begun) / count


def cost(count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of a frame in this process and in a worker, by round."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    size = bundle.manifest.input
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, size.height, size.width, 3), np.uint8)
    frames = [Frame(pictures[index % 8], index, index / 10) for index in range(count)]
    inside, outside = [], []
    link = StickLink(Path(sys.executable), bundle, "CPU", config={"INFERENCE_NUM_THREADS": "1"})
    with (
        open_detector(bundle, ONE_THREAD) as here,
        StickDetector(link, bundle, ONE_THREAD, bundle.manifest.score, START_S) as there,
    ):
        for detector in (here, there):
            milliseconds(detector, frames, count)  # warms up
        for _ in range(rounds):
            inside.append(milliseconds(here, frames, count))
            outside.append(milliseconds(there, frames, count))
        assert not there.fallback, there.device
    return inside, outside


def main() -> int:
    """Print both tables; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    alone, both = (rate(options.frames, overlapped=each) for each in (False, True))
    print(f"| device {DEVICE_MS:g} ms, other work {OTHER_MS:g} ms | pictures/s |")
    print("|---|---|")
    print(f"| one after the other | {alone:.1f} |")
    print(f"| overlapped | {both:.1f} |\n")
    inside, outside = cost(options.frames, options.rounds)
    extra = [there - here for here, there in zip(inside, outside, strict=True)]
    print("| shipped network, one thread | ms a picture, median | lowest |")
    print("|---|---|---|")
    for name, row in (("in process", inside), ("in a worker", outside), ("difference", extra)):
        print(f"| {name} | {statistics.median(row):.2f} | {min(row):.2f} |")
    return int(both < 11 or statistics.median(extra) > 1)


if __name__ == "__main__":
    sys.exit(main())
