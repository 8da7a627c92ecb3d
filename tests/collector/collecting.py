"""`headcount collect` as a process, and a door that counts in front of it."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.collector.opening import open_database
from edge.config import MqttConfig
from edge.ledger import Ledger
from edge.publisher import Publisher
from edge.types import Crossing, Direction
from tests.brokers import free_port, wait_until
from tests.collector.events import NOON
from tests.doors import Running
from tests.history import Count, Passage
from tests.nursery import Forked, fork
from tests.paced_door import HEALTH, QUICK


@dataclass
class Collector:
    """A collector that can be started, killed and started again."""

    broker: str
    address: str
    folder: Path
    options: tuple[str, ...] = ()
    forked: bool = False  # from one that has loaded all: for those that are started often
    port: int = field(default_factory=free_port)
    started: list[Running] = field(default_factory=list)

    def start(self) -> Running:
        log = self.folder / f"collector-{self.port}-{len(self.started)}"
        arguments = ["collect", "--broker", self.broker, "--store", self.address, "--name", "db"]
        arguments += ["--metrics", str(self.port), *self.options]
        self.started.append(Running(self._process(log, arguments), log))
        return self.started[-1]

    def _process(self, log: Path, arguments: list[str]) -> subprocess.Popen[bytes] | Forked:
        if self.forked:
            return fork(log, "edge.cli", *arguments)
        command = [sys.executable, "-m", "edge.cli", *arguments]
        with log.open("wb") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    def ready(self) -> Running:
        """Start, and wait until it listens to the devices."""
        running = self.start()
        running.says("storing as", seconds=90)  # a busy machine starts slowly
        return running

    def kill(self) -> None:
        self.started[-1].process.kill()
        self.started[-1].process.wait()

    def metric(self, name: str) -> float | None:
        """A figure of its page; None where it tells none."""
        return metrics(self.port).get(name)

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self.started:
            running.process.kill()
            running.process.wait()


def metrics(port: int) -> dict[str, float]:
    """The samples of a page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def publisher(ledger: Ledger, url: str, device: str = "door", **settings: Any) -> Publisher:
    """The real one, in a hurry."""
    config = MqttConfig(**{"url": url, "stores": ("db",), **settings})
    return Publisher(
        device, config, ledger, status=lambda: HEALTH, clock=lambda: NOON, rhythm=QUICK
    )


def count(ledger: Ledger, crossings: int, pause_s: float = 0.0) -> None:
    """People go in and out, so many."""
    for number in range(crossings):
        direction = Direction.OUT if number % 3 == 2 else Direction.IN
        ledger.record(Crossing("L1", direction, number, 0.0, number, 1.0, 0.9), NOON)
        time.sleep(pause_s)


def delivered(*ledgers: Ledger, seconds: float = 60) -> None:
    """Wait until nothing waits."""
    wait_until(lambda: all(each.backlog() == 0 for each in ledgers), "all is acknowledged", seconds)


Row = tuple[str, str, int, str | None, int | None, int | None]


def stored(address: str) -> list[Row]:
    """Device, epoch, seq, direction and totals of every row, as another program finds them."""
    with closing(open_database(address, only_read=True)) as database:
        found = database.query(
            "SELECT device, epoch, seq, direction, in_total, out_total FROM headcount_events "
            "JOIN headcount_ledgers ON id = ledger ORDER BY device, epoch, seq"
        )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


def deliveries(address: str) -> tuple[Count, ...]:
    """What `tests.paced_door` has counted, as another program finds it in the store."""
    with closing(open_database(address, only_read=True)) as database:
        found = database.query(
            "SELECT device, track_s, direction, epoch, seq, in_total, out_total "
            "FROM headcount_events JOIN headcount_ledgers ON id = ledger"
        )
    return tuple(Count(Passage(row[0], int(row[1]), row[2]), *row[3:]) for row in found)


def counted(epoch: str, crossings: int, device: str = "door") -> list[Row]:
    """What `count` counts in a ledger of that epoch."""
    rows: list[Row] = []
    into = out = 0
    for number in range(crossings):
        direction = "out" if number % 3 == 2 else "in"
        into, out = into + (direction == "in"), out + (direction == "out")
        rows.append((device, epoch, number + 1, direction, into, out))
    return rows
