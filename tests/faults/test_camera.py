"""A camera that stalls, breaks, hangs or goes: pictures come again, each once, and nothing is left.

The faults are those that are known of the Pi's camera: a front end that times out, so that a
capture blocks for ever; a stop that never ends; a cable that loosens; another program that was
quicker; a library that crashes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.restarts import RestartRule
from edge.source import Clock, Source
from edge.source.picamera import Patience, open_picamera
from tests.picameras import PiCamera, taken
from tests.processes import children, open_files

# As patient as a test can be; the defaults are tested where the time is the promise.
HASTY = Patience(
    again=2.0, picture=0.3, give_up=20.0, pauses=RestartRule(1000, 60.0, first_s=0.01, most_s=0.05)
)
RETURN_S = 5.0


@dataclass
class Viewer:
    """Takes a source's pictures in a thread: (arrived, index, t, what the picture shows)."""

    source: Source
    seen: list[tuple[float, int, float, float]] = field(default_factory=list)
    error: SourceError | None = None

    def look(self) -> None:
        try:
            for frame in self.source:
                self.seen.append((time.monotonic(), frame.index, frame.t, taken(frame.image)))
        except SourceError as error:
            self.error = error

    def sees(self, since: float, within: float) -> float | None:
        """Seconds from `since` to the first picture taken after it; None where none comes."""
        while time.monotonic() < since + within:
            fresh = [arrived for arrived, _, t, _ in self.seen[-20:] if t > since]
            if fresh:
                return min(fresh) - since
            time.sleep(0.01)
        return None

    def is_sound(self) -> bool:
        """Whether each picture came once, in order, with its own time."""
        pairs = list(itertools.pairwise(self.seen))
        return all(
            index < index2 and t < t2 and shown < shown2
            for (_, index, t, shown), (_, index2, t2, shown2) in pairs
        ) and all(abs(t - shown) < 1e-5 for _, _, t, shown in self.seen)


@contextlib.contextmanager
def viewed(camera: PiCamera, patience: Patience | None = None) -> Iterator[Viewer]:
    """Look at the camera; in the end no process, thread or pipe is left, and all was sound."""
    files = open_files()
    with open_picamera(camera.settings(), Clock(), patience) as source:
        viewer = Viewer(source)
        thread = threading.Thread(target=viewer.look)
        thread.start()
        assert viewer.sees(time.monotonic(), RETURN_S) is not None
        yield viewer
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    thread.join(5)
    assert not thread.is_alive()
    assert viewer.is_sound()
    assert files == open_files()
    assert not children()


def hit(number: int) -> None:
    """Send the camera's child a signal, once it is itself and no longer a copy of us."""
    for pid in children():
        with contextlib.suppress(OSError):
            if b"camera_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)


BLOCK, CRASH, BREAK = {"capture": "block"}, {"capture": "crash"}, {"capture": "EIO"}
FAULTS: dict[str, dict[str, Any]] = {
    "the front end times out": {"fail": BLOCK},
    "the library crashes": {"fail": CRASH},
    "the library breaks": {"fail": BREAK},
    "it breaks, and its stop blocks": {"fail": {**BREAK, "stop": "block"}},
    "it breaks, and opening it again blocks": {"fail": {**BREAK, "open": "block"}},
    "it breaks, and starting it again blocks": {"fail": {**CRASH, "start": "block"}},
    "it breaks and cannot be configured": {"fail": {**CRASH, "configure": "Invalid"}},
    "the cable loosens": {"fail": BREAK, "cameras": []},
    "another program is quicker": {"fail": BREAK, "busy": True},
    "one picture again and again": {"repeating": True},
    "the library is being replaced": {"fail": {**CRASH, "import": "No module named 'picamera2'"}},
}


@pytest.mark.parametrize("orders", FAULTS.values(), ids=FAULTS.keys())
def test_pictures_come_again(tmp_path: Path, orders: dict[str, Any]) -> None:
    """After each fault, as soon as the camera is in order again."""
    camera = PiCamera.build(tmp_path)
    with viewed(camera, HASTY) as viewer:
        camera.order(**orders)
        time.sleep(0.7)
        assert viewer.sees(time.monotonic(), 0.2) is None
        camera.order()

        assert viewer.sees(time.monotonic(), RETURN_S) is not None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_pictures_come_again_after_a_signal(tmp_path: Path, number: int) -> None:
    """Somebody kills the child, or holds it."""
    with viewed(PiCamera.build(tmp_path), HASTY) as viewer:
        hit(number)
        struck = time.monotonic()

        assert viewer.sees(struck + 0.1, RETURN_S) is not None


@pytest.mark.parametrize(
    "orders", [FAULTS["the front end times out"], FAULTS["it breaks, and starting it again blocks"]]
)
def test_pictures_come_again_within_five_seconds(tmp_path: Path, orders: dict[str, Any]) -> None:
    """With the patience of the service, also where the child was stuck when all was well again."""
    camera = PiCamera.build(tmp_path)
    with viewed(camera) as viewer:
        camera.order(**orders)
        time.sleep(0.3)
        camera.order()

        assert viewer.sees(time.monotonic(), RETURN_S) is not None


def test_a_camera_that_does_not_come_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The source breaks with one line; what it tried is told once for each fault."""
    camera = PiCamera.build(tmp_path)
    patience = Patience(picture=0.2, give_up=2.0, pauses=HASTY.pauses)
    with viewed(camera, patience) as viewer:
        camera.order(cameras=[], fail=CRASH)
        until = time.monotonic() + 20
        while viewer.error is None and time.monotonic() < until:
            time.sleep(0.05)

    assert str(viewer.error).startswith("picamera2:0: no picture for ")
    assert "no such camera (none is detected); check the camera's cable" in str(viewer.error)
    assert "\n" not in str(viewer.error)
    told = [record.getMessage() for record in caplog.records if "again" in record.getMessage()]
    assert 1 == sum("exit status 7" in line for line in told)
    assert 1 == sum("none is detected" in line for line in told)


def test_the_service_patience_ends_after_half_a_minute() -> None:
    """The default: half a minute without a picture is too long."""
    assert 30 == Patience().give_up


def test_a_stop_of_the_service_does_not_wait_for_the_camera(tmp_path: Path) -> None:
    """SIGTERM ends `headcount run` at once, while the camera is stuck, with exit status 0."""
    camera = PiCamera.build(tmp_path)
    line = "a = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 1]"
    config = tmp_path / "door.toml"
    config.write_text(
        f'[source]\nuri = "picamera2:"\nwidth = 64\nheight = 48\n'
        f'camera_python = "{camera.python}"\n[ledger]\npath = "{tmp_path}/ledger.db"\n'
        f"[[line]]\n{line}\n"
    )
    command = [sys.executable, "-m", "edge.cli", "run", "-c", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        for told in service.stderr:
            if "pictures/s" in told:
                break
        time.sleep(2.0)  # until it counts
        camera.order(fail=BLOCK)
        time.sleep(0.5)
        begun = time.monotonic()
        service.terminate()
        rest = service.stderr.read()
        service.wait(20)

    assert time.monotonic() - begun < 5
    assert (0, False) == (service.returncode, "Traceback" in rest)


VIEW = """
import logging, pathlib, sys
from edge.config import SourceConfig
from edge.source import open_source
logging.basicConfig(level=logging.INFO)
size = {"width": 1280, "height": 720}
settings = SourceConfig("picamera2:", **size, camera_python=pathlib.Path(sys.argv[1]))
with open_source(settings) as source:
    for frame in source:
        print(frame.index, flush=True)
"""


def test_a_pause_of_ours_is_no_fault_of_the_camera(tmp_path: Path) -> None:
    """Who was held goes on with the same child, also with pictures that no pipe holds."""
    command = [sys.executable, "-c", VIEW, str(PiCamera.build(tmp_path).python)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as view:
        assert view.stdout is not None
        indices = [int(view.stdout.readline()) for _ in range(3)]
        view.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        view.send_signal(signal.SIGCONT)
        indices += [int(view.stdout.readline()) for _ in range(20)]
        view.terminate()
        _, told = view.communicate(timeout=10)

    assert sorted(set(indices)) == indices
    assert "again" not in told


def survives(faults: list[tuple[str, float]], folder: Path) -> None:
    """Fault after fault, the next one perhaps before the last is over."""
    camera = PiCamera.build(folder)
    patience = Patience(again=1.5, picture=0.15, give_up=60.0, pauses=HASTY.pauses)
    with viewed(camera, patience) as viewer:
        for name, lasts in faults:
            if name in SIGNALS:
                hit(SIGNALS[name])
            else:
                camera.order(**FAULTS[name])
            time.sleep(lasts)
        camera.order()

        assert viewer.sees(time.monotonic(), 20) is not None
        assert viewer.error is None


SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
SEQUENCES = st.lists(
    st.tuples(st.sampled_from([*FAULTS, *SIGNALS]), st.floats(0.0, 0.4)), min_size=1, max_size=3
)


@given(SEQUENCES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_faults(tmp_path_factory: pytest.TempPathFactory, faults: Any) -> None:
    """Whatever follows whatever, pictures come again."""
    survives(faults, tmp_path_factory.mktemp("camera"))


@pytest.mark.proof
@given(SEQUENCES)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_random_faults(tmp_path_factory: pytest.TempPathFactory, faults: Any) -> None:
    """The same a thousand times."""
    survives(faults, tmp_path_factory.mktemp("camera"))
