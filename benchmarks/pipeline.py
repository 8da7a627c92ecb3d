"""How near `headcount replay` comes to what the machine's cores can do.

    python benchmarks/pipeline.py [--data DIR] [--rounds 3] [--frames 300]

The limit is the number of cores over the CPU seconds that a picture takes when its parts are done
alone, one after the other, on one thread: decoding, scaling, inference with the boxes made of it
(OpenVINO in f32, the shipped bundle), tracking and counting. No program that does this work in
pictures a second can be faster than all cores doing nothing else. `replay` is the command itself,
as a process of its own, by its own frames a second: its start, half a second, is not in them but
is told as well.

Parts and command are measured in turns. On a machine that is shared, part of the cores' time goes
to others: the share that is printed second counts only what they left, which is what the command
used and what lay idle; "cores it had" says how much that was. A picture may take more CPU time with
all cores at work than alone, where cores share caches, memory or a physical core; that lowers both
shares. Each round is told on stderr.

Without data, a simulated door is rendered and counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import cv2

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge.assembly import build_corridor, choose_bundle, keep_score
from edge.config import CountingConfig, DetectorConfig, SourceConfig
from edge.detector import open_detector
from edge.detector.openvino import scale_picture
from edge.scene import Scene
from edge.source import open_source
from edge.types import Frame, Line, Sighting

VIDEOS = ("intel_one_by_one", "opencv_vtest_480x360")
LINE = Line("L1", (0, 0.5), (1, 0.5), (0.5, 0.9))
CALL = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9", "--precision", "f32", "--json")
PARTS = ("decode", "scale", "inference", "counting")
ROOT = Path(__file__).parent.parent
T = TypeVar("T")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")  # of the kernel's counters


# ---- the parts, each alone ----


def parts(video: Path, count: int) -> dict[str, float]:
    """CPU milliseconds of a picture in each part, on one thread. Run it in a process of its own."""
    cv2.setNumThreads(1)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    config = DetectorConfig(device="CPU", precision="f32", threads=1)
    bundle = choose_bundle(config, must_be_trusted=False)
    manifest, spent = bundle.manifest, dict.fromkeys(PARTS, 0.0)
    with (
        open_source(SourceConfig(uri=str(video))) as source,
        open_detector(bundle, config, score=keep_score(manifest.score)) as detector,
    ):
        frames = timed(spent, "decode", lambda: list(itertools.islice(source, count)))
        scaled = timed(
            spent,
            "scale",
            lambda: [Frame(scale_picture(f.image, manifest.input), f.index, f.t) for f in frames],
        )
        list(detector.detect(scaled[:5]))  # the first ones allocate
        seen = timed(spent, "inference", lambda: list(detector.detect(scaled)))
        corridor = build_corridor((LINE,), CountingConfig(), manifest.score, source.size)
        timed(spent, "counting", lambda: walk(corridor.step, seen))
    return {name: 1000 * seconds / len(frames) for name, seconds in spent.items()}


def timed(spent: dict[str, float], part: str, work: Callable[[], T]) -> T:
    """Do it; note the CPU seconds of all threads of this process."""
    begun = time.process_time()
    done = work()
    spent[part] = time.process_time() - begun
    return done


def walk(step: Callable[[Sighting], object], seen: Iterable[Sighting]) -> None:
    """Take in all that was seen."""
    for sighting in seen:
        step(sighting)


# ---- the command ----


@dataclass(frozen=True)
class Moment:
    """Seconds so far: of the wall, of all cores idle, of the command's CPU."""

    wall: float
    idle: float
    own: float

    @classmethod
    def now(cls, pid: int) -> Moment:
        """Of this machine and a process that is not reaped."""
        cores = Path("/proc/stat").read_text().splitlines()[0].split()
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(
            time.perf_counter(),
            (int(cores[4]) + int(cores[5])) * TICK_S,
            (int(own[11]) + int(own[12])) * TICK_S,
        )


@dataclass(frozen=True)
class Run:
    """One run of the command: frames a second, CPU ms of a frame, and what it had of the cores."""

    fps: float
    start_s: float  # before its first frame was asked for
    own_ms: float  # CPU a frame, all threads
    there_ms: float  # the same and what lay idle: CPU a frame that was there to be used
    cores: float  # that many were there, over the run
    counted: tuple[int, int]


def run(video: Path) -> Run:
    """Replay a video with the command, and watch it."""
    command = [sys.executable, "-m", "edge.cli", "replay", str(video), *CALL]
    moments: list[Moment] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        over = threading.Event()
        watcher = threading.Thread(target=watch, args=(process.pid, moments, over))
        watcher.start()
        assert process.stdout is not None
        told: dict[str, Any] = json.loads(process.stdout.readline())
        moments.append(Moment.now(process.pid))  # it has only its own end before it
        over.set()
        watcher.join()
    end, seconds = moments[-1], told["frames"] / told["fps"]
    begun = min(moments, key=lambda moment: abs(end.wall - seconds - moment.wall))
    own, idle = end.own - begun.own, end.idle - begun.idle
    frame = 1000 / told["frames"]
    return Run(
        told["fps"],
        begun.wall - moments[0].wall,
        own * frame,
        (own + idle) * frame,
        (own + idle) / seconds,
        (told["in"], told["out"]),
    )


def watch(pid: int, moments: list[Moment], over: threading.Event) -> None:
    """Note the time every 20 ms."""
    while not over.is_set():
        moments.append(Moment.now(pid))
        over.wait(0.02)


# ---- the comparison ----


def compare(name: str, video: Path, rounds: int, count: int) -> str:
    """A row of the table: medians over the rounds, with the least and the most of the shares."""
    cores = len(os.sched_getaffinity(0))
    alone: list[dict[str, float]] = []
    runs: list[Run] = []
    for _ in range(rounds):
        alone.append(alone_in_a_process(video, count))
        runs.append(run(video))
        print(f"  {name}: {alone[-1]} {runs[-1]}", file=sys.stderr, flush=True)
    assert len({each.counted for each in runs}) == 1, "each run must count the same"
    sums = [sum(each.values()) for each in alone]
    limits = [1000 * cores / each for each in sums]
    shares = [each.fps / limit for each, limit in zip(runs, limits, strict=True)]
    left = [spent / each.there_ms for each, spent in zip(runs, sums, strict=True)]
    costs = " | ".join(f"{statistics.median(a[part] for a in alone):.2f}" for part in PARTS)
    return (
        f"| {name} | {costs} | {statistics.median(limits):.1f} | "
        f"{statistics.median(each.fps for each in runs):.1f} | {spread(shares)} | {spread(left)} | "
        f"{spread([each.cores for each in runs])} | "
        f"{statistics.median(each.own_ms for each in runs):.1f} | "
        f"{statistics.median(each.start_s for each in runs):.1f} |"
    )


def alone_in_a_process(video: Path, count: int) -> dict[str, float]:
    """`parts`, where nothing was done before."""
    command = [sys.executable, __file__, "--alone", str(video), "--frames", str(count)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    costs: dict[str, float] = json.loads(done.stdout)
    return costs


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def render(folder: Path) -> Path:
    """A recording of a simulated door: a minute at 10 frames/s."""
    path, size = folder / "scene_106.mp4", (480, 360)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
    for frame in Scene(106, duration=60, fps=10, size=size):
        writer.write(frame.image)
    writer.release()
    return path


def machine() -> str:
    """What it is measured on."""
    versions = {name: metadata.version(name) for name in ("openvino", "numpy")}
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, {told}, opencv {cv2.__version__}; "
        f"load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=300, help="of the parts alone")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(parts(options.alone, options.frames)))
        return
    with tempfile.TemporaryDirectory() as folder:
        videos = [options.data / "videos" / f"{name}.mp4" for name in VIDEOS]
        videos = [video for video in videos if video.exists()] or [render(Path(folder))]
        print(machine())
        print()
        heads = [*(f"{part}, ms" for part in PARTS), "limit, frames/s", "replay, frames/s"]
        heads += [
            "share of the limit",
            "of what others left",
            "cores it had",
            "CPU ms a frame",
            "start, s",
        ]
        print("| video | " + " | ".join(heads) + " |")
        print("|---" * (1 + len(heads)) + "|")
        for video in videos:
            print(compare(video.stem, video, options.rounds, options.frames), flush=True)


if __name__ == "__main__":
    main()
