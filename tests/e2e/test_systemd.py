"""`headcount run` as systemd starts it: a socket that listens, and what is heard on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.brokers import wait_until
from tests.picameras import SIZE, PiCamera

WATCHDOG_S = 0.8  # so that WATCHDOG=1 comes every 0.2 s
SILENCE_S = 1.2


@dataclass
class Service:
    """A running service, and all that it has told."""

    process: subprocess.Popen[str]
    socket: socket.socket
    told: list[str] = field(default_factory=list)

    def listen(self) -> list[str]:
        """All assignments so far, in order."""
        while True:
            try:
                self.told += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.told

    def hears(self, assignment: str, times: int = 1) -> None:
        """Wait until it was told so often from now on."""
        before = self.listen().count(assignment)
        wait_until(
            lambda: self.listen().count(assignment) >= before + times, f"{times} {assignment}", 40
        )

    def is_silent(self) -> bool:
        """Whether nothing is told for longer than the watchdog would bear."""
        before = len(self.listen())
        time.sleep(SILENCE_S)
        return before == len(self.listen())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """Starts a service with a source as systemd would; it ends with the test."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        processes: list[subprocess.Popen[str]] = []

        def make(source: str) -> Service:
            config = tmp_path / "door.toml"
            config.write_text(
                f'[source]\n{source}\n[detector]\ndevice = "CPU"\n'
                f'[[line]]\nname = "L1"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
                f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n'
            )
            told = {
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}",
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "run", "-c", str(config)],
                env={**os.environ, **told},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            processes.append(process)
            return Service(process, listener)

        yield make
        for process in processes:
            process.kill()
            process.communicate()


def test_a_service_says_how_it_goes(start: Callable[[str], Service]) -> None:
    """READY=1 once, WATCHDOG=1 while pictures flow, STOPPING=1 at SIGTERM, and exit 0."""
    service = start('uri = "scene:106"')
    service.hears("WATCHDOG=1", times=3)
    service.process.send_signal(signal.SIGTERM)
    said, _ = service.process.communicate(timeout=20)
    told = service.listen()

    assert 0 == service.process.returncode, said
    assert 1 == told.count("READY=1")
    assert told.index("READY=1") < told.index("WATCHDOG=1")
    assert told.index("STOPPING=1") > max(i for i, word in enumerate(told) if word == "WATCHDOG=1")


def test_a_source_that_ends_stops_the_service(start: Callable[[str], Service]) -> None:
    """At the end of a recording or a scene STOPPING=1 comes without a signal."""
    service = start('uri = "scene:106:2"')
    service.hears("STOPPING=1")
    said, _ = service.process.communicate(timeout=20)

    assert 0 == service.process.returncode, said
    assert ["STOPPING=1"] == [word for word in service.listen() if word.startswith("STOPPING")]


def test_a_camera_that_stalls_silences_the_watchdog(
    start: Callable[[str], Service], tmp_path: Path
) -> None:
    """Without pictures nothing is told, though the service lives; with them it is again."""
    camera = PiCamera.build(tmp_path / "camera")
    source = f'uri = "picamera2:"\ncamera_python = "{camera.python}"\n'
    service = start(f"{source}width = {SIZE[0]}\nheight = {SIZE[1]}")
    service.hears("WATCHDOG=1", times=2)
    camera.order(fail={"capture": "block", "open": "block"})
    time.sleep(0.3)  # pictures that are on their way

    assert service.is_silent()
    assert service.process.poll() is None

    camera.order()
    service.hears("WATCHDOG=1", times=2)


def test_a_camera_that_never_starts_is_not_ready(
    start: Callable[[str], Service], tmp_path: Path
) -> None:
    """READY=1 waits for the first picture; until then systemd sees what is waited for."""
    camera = PiCamera.build(tmp_path / "camera", fail={"capture": "block"})
    service = start(f'uri = "picamera2:"\ncamera_python = "{camera.python}"')
    service.hears("STATUS=opening the source")

    assert service.is_silent()
    assert ["STATUS=opening the source"] == service.listen()
