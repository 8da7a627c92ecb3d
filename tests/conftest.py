"""What all tests share: the data folder, the command line as a process, small videos.

The tests run in one process, or in several beside each other (`-n`): what they take of the machine,
ports, names, folders, is their process's own.
"""
# ruff: noqa: E402 - the share of the cores first: it is read where a library is loaded

from __future__ import annotations

import gc
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of pytest-xdist, when there are several processes.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_MOST_WORKERS = 8  # more would wait for the longest file, and each has PyTorch in memory
_CORES = len(os.sched_getaffinity(0))
if _WORKERS > 1:
    # PyTorch's and NumPy's threads wait for each other by turning in circles, which costs the other
    # processes more than it saves; the commands that tests start take it over.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(_CORES // _WORKERS, 1)))

import cv2
import pytest

from edge.scene import Scene
from tests.processes import children, open_files

ROOT = Path(__file__).parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` is: one for each core that we may use, within reason."""
    return min(_CORES, _MOST_WORKERS)


@pytest.fixture
def seed(record_property: Callable[[str, object], None]) -> int:
    """Of a test that draws lots: another each time, or $HEADCOUNT_SEED; the summary tells it."""
    seed = int(os.environ.get("HEADCOUNT_SEED") or secrets.randbelow(1_000_000))
    record_property("seed", seed)
    return seed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests that draw lots have to tell, those that passed as well."""
    reports = [report for each in terminalreporter.stats.values() for report in each]
    for report in reports:
        told = dict(getattr(report, "user_properties", ()))
        if "seed" in told and report.when == "call":
            words = told.get("told", f"HEADCOUNT_SEED={told['seed']}")
            terminalreporter.write_line(f"{report.nodeid}: {words}")


@pytest.fixture(scope="session")
def data() -> Path:
    """The data folder, or a skip that says what is missing."""
    folder = Path(os.environ.get("HEADCOUNT_DATA", ROOT / "data"))
    if not (folder / "videos").is_dir():
        pytest.skip("no data folder: set HEADCOUNT_DATA to one with videos/, gt/ and heads/")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What a finished command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of its output."""
        return json.loads(self.out.strip().splitlines()[-1])

    def is_one_clear_line(self) -> bool:
        """Whether it said what is wrong in one line, without a traceback."""
        said = [line for line in self.err.splitlines() if line.startswith("headcount: ")]
        return len(said) == 1 and "Traceback" not in self.err + self.out


def headcount(*arguments: object, timeout: float = 120.0) -> Outcome:
    """Run `headcount …` to its end."""
    command = [sys.executable, "-m", "edge.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """The test leaves no process, pipe or file behind."""
    gc.collect()  # what tests before it have left must not go just now
    processes, files = children(), open_files()
    yield
    assert (processes, files) == (children(), open_files())


@pytest.fixture(scope="session")
def scene_video(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recording of a simulated door: seed 106, 14 s at 10 frames/s, with its truth beside it."""
    folder = tmp_path_factory.mktemp("scene")
    path = folder / "door.mp4"
    scene = Scene(106, duration=14, fps=10, size=(480, 360))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (480, 360))
    for frame in scene:
        writer.write(frame.image)
    writer.release()
    _write_truth(folder / "door.json", scene)
    yield path


def _write_truth(path: Path, scene: Scene) -> None:
    line = {"id": "L1", "a": [0, 0.5], "b": [1, 0.5], "in_side": [0.5, 0.9]}
    truth = {"video": "door.mp4", "width": 480, "height": 360, "fps": 10.0, "frames": 140}
    path.write_text(json.dumps({**truth, "lines": [line]}))
    rows = ["event,line,frame,time_s,direction,frame_lo,frame_hi,optional,note"]
    for number, crossing in enumerate(scene.crossings, 1):
        frame = crossing.frame
        rows.append(f"{number},L1,{frame},{crossing.t},{crossing.direction},{frame},{frame},0,")
    path.with_name("door_events.csv").write_text("\n".join(rows) + "\n")
