"""Count the same boxes with this project and with others, and renew docs/benchmarks.md.

    python benchmarks/counting.py [--seeds 4] [--data DIR] [--quick]
                                  [--only doors|crowds|videos|speed]

Needs the [bench] extra; `make bench-counting` brings it in an environment of its own. Prints the
tables, keeps them in benchmarks/results/counting.json and puts them between the marks of the page;
with --only it keeps and renews nothing but that part. What detectors saw and what others counted is
remembered in runs/counting: the first run takes an hour on two cores, the next ones minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from counters import OWN, View, count
from counting_page import renew, section
from crowded import RATES, Crowded
from doors import CASES
from memory import Counts, remembered
from peers import PEERS, versions
from recordings import recordings
from stopwatch import medians, walkers

from edge.audit import Event, match
from edge.contract.detections import Detections
from edge.types import Direction

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "counting.json"
PAGE = ROOT / "docs" / "benchmarks.md"
KEPT = ROOT / "runs" / "counting"
ARMS = (*OWN, *PEERS)
PEOPLE, ROUNDS = (5, 40), 7  # in view; of the stopwatch
CROWD_SEEDS = (1, 2)


def counted(view: View, frames: Iterable[Detections]) -> Counts:
    """What every arm counts: ours now, the others now or in an earlier run."""
    frames = list(frames)
    theirs = remembered(KEPT / "others", PEERS, versions(), view, frames)
    return {**count(OWN, view, frames), **theirs}


def scored(counts: Counts, events: Sequence[Event], fps: float) -> dict[str, list[int]]:
    """Found and false by arm."""
    results = {key: match(events, crossings, fps) for key, crossings in counts.items()}
    return {key: [len(each.found), len(each.false)] for key, each in results.items()}


def door(job: tuple[int, int]) -> dict[str, Any]:
    """One case on one seed."""
    case, seed = CASES[job[0]], job[1]
    found = counted(case.view, case.frames(seed))
    both = {
        key: [sum(c.direction is way for c in crossings) for way in Direction]
        for key, crossings in found.items()
    }
    told = {"name": case.name, "fps": case.fps, "seed": seed, "truth": list(case.truth)}
    return {**told, "usual": case.usual, "counted": both}


def crowded(job: Crowded) -> dict[str, Any]:
    """One crowd."""
    played = job.play()
    found = scored(counted(job.view, played.frames), played.events, job.view.fps)
    return {"rate": job.rate, "seed": job.seed, "true": len(played.events), "counted": found}


def in_parallel(work: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
    """All results in order, on all cores."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(work, jobs))


def doors(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every case on the first seed, on more seeds every scenario at one rate."""
    usual = [i for i, case in enumerate(CASES) if case.usual]
    every = [(i, 1) for i in (usual if options.quick else range(len(CASES)))]
    more = [(i, seed) for seed in range(2, options.seeds + 1) for i in usual]
    return in_parallel(door, every + more)


def crowds(options: argparse.Namespace) -> list[dict[str, Any]]:  # noqa: ARG001
    """Every rate on every seed."""
    return in_parallel(crowded, [Crowded(rate, seed) for rate in RATES for seed in CROWD_SEEDS])


def videos(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every detector on every recording."""
    rows = []
    for each in recordings(options.data, KEPT):
        found = scored(counted(each.view, each.frames), each.truth.events, each.view.fps)
        true = sum(not event.optional for event in each.truth.events)
        told = {"detector": each.detector, "video": each.video, "true": true}
        rows.append({**told, "counted": found})
    return rows


def speed(options: argparse.Namespace) -> dict[str, Mapping[str, float]]:  # noqa: ARG001
    """Microseconds a frame by number of people."""
    return {str(people): medians(ARMS, walkers(people), ROUNDS) for people in PEOPLE}


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "doors": doors,
    "crowds": crowds,
    "videos": videos,
    "speed": speed,
}


def setting() -> dict[str, str]:
    """What ran, and where."""
    packages = [f"{name} {version}" for name, version in versions().items()]
    return {
        "others": ", ".join(packages),
        "device": f"{_cpu()}, Python {platform.python_version()}",
    }


def _cpu() -> str:
    """The CPU's name."""
    told = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (told.read_text().splitlines() if told.exists() else ())
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that are asked for, the others as they are kept."""
    told = {"setting": setting(), "arms": [[arm.key, arm.title, arm.what] for arm in ARMS]}
    results: dict[str, Any] = dict(told)
    if options.only:
        results = json.loads(RESULTS.read_text())
        if any(results[key] != value for key, value in told.items()):
            raise SystemExit("the kept results are of other packages or arms: run all parts")
    for name, part in PARTS.items():
        if options.only in (None, name):
            begun = time.perf_counter()
            results[name] = part(options)
            print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return results


def main() -> None:
    """Measure, keep, renew the page, print its part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="each door at one frame rate")
    options = parser.parse_args()
    if options.only in (None, "videos") and not (options.data / "videos").is_dir():
        parser.error("no recordings: set HEADCOUNT_DATA, or ask for another part with --only")
    results = measure(options)
    RESULTS.write_text(json.dumps(results, separators=(",", ":")) + "\n")
    PAGE.write_text(renew(PAGE.read_text(), results))
    print(section(results))


if __name__ == "__main__":
    main()
