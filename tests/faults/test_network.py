"""A network that breaks between a door and its broker: nothing is lost, nothing is doubled.

The door, and the broker with a collector, are processes in two network namespaces with a cable
between them, which is unplugged, or on which packets are dropped, one way or both, or answered with
a reset.
"""

from __future__ import annotations

import datetime
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.ledger import Ledger
from edge.publisher import Publisher
from edge.types import Crossing, Direction
from tests.brokers import Mosquitto, wait_until
from tests.collector.collecting import counted, stored
from tests.doors import Running
from tests.networks import FAR, FAULTS, Networks, two_networks
from tests.processes import ROOT
from tests.test_publisher import HEALTH

PORT = 1883
BACK_S = 10.0  # after the network is back, until something new is stored; docs/reliability.md
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    """The door's network and the far end's."""
    with two_networks() as made:
        yield made


@dataclass
class Far:
    """A broker and a collector at the far end, a door at the near one."""

    networks: Networks
    folder: Path
    processes: list[subprocess.Popen[bytes]]

    @property
    def store(self) -> str:
        return f"sqlite:{self.folder / 'store.db'}"

    def start(self) -> None:
        if Mosquitto.program is None:
            pytest.skip("no mosquitto on PATH or in /usr/sbin")
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {PORT} {FAR}\nallow_anonymous true\n")
        broker = self._run(self.networks.far, "broker", Mosquitto.program, "-c", config)
        broker.says("running")
        headcount = (sys.executable, "-m", "edge.cli", "collect", "--broker")
        options = (f"mqtt://{FAR}:{PORT}", "--store", self.store, "--name", "db")
        self._run(self.networks.far, "collector", *headcount, *options).says("storing as")

    def door(self) -> Running:
        ledger = self.folder / "ledger.db"
        return self._run(self.networks.door, "door", sys.executable, "-m", __name__, ledger)

    def _run(self, where: str, name: str, *command: object) -> Running:
        log = self.folder / name
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*self.networks.inside(where), *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        self.processes.append(process)
        return Running(process, log)

    def stored(self) -> int:
        return len(stored(self.store))


@pytest.fixture
def far(networks: Networks, tmp_path: Path) -> Iterator[Far]:
    made = Far(networks, tmp_path, [])
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _survives(far: Far, faults: list[tuple[str, float]]) -> None:
    far.start()
    door = far.door()
    wait_until(lambda: far.stored() > 0, "the first is stored", 60)
    slowest = 0.0
    for fault, lasts in faults:
        with far.networks.broken(fault, PORT):
            time.sleep(lasts)
        healed, before = time.monotonic(), far.stored()
        wait_until(lambda: far.stored() > before, f"one more after {fault}", 60)  # noqa: B023
        back = time.monotonic() - healed
        slowest = max(slowest, back)
        print(f"{fault} for {lasts:.1f} s: the next was stored {back:.2f} s after it")
    assert door.process.stdin is not None
    door.process.stdin.close()
    assert 0 == door.ends(90)
    *_, told = door.log.splitlines()
    epoch, seq = told.split()
    rows = stored(far.store)
    lost = set(counted(epoch, int(seq))) - set(rows)
    print(f"{seq} counted, {len(lost)} lost, {len(rows) - len(set(rows))} doubled")

    assert counted(epoch, int(seq)) == rows
    assert slowest < BACK_S
    assert "Traceback" not in door.log


def test_a_network_that_breaks(far: Far) -> None:
    """Resets, silence, and a cable that is out for a moment."""
    _survives(far, [("reset", 1.0), ("silence", 2.0), ("unplugged", 1.0)])


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_that_breaks_again_and_again(far: Far, seed: int) -> None:
    """Each kind of fault four times, for up to 40 s, longer than anybody waits."""
    randomness = random.Random(seed)
    print(f"seed {seed}")
    faults = [(fault, randomness.uniform(0.5, 40)) for fault in FAULTS for _ in range(4)]
    randomness.shuffle(faults)
    _survives(far, faults)


def _door(path: Path) -> None:
    """Count until stdin ends; then deliver, and tell the epoch and what was counted."""
    config = MqttConfig(url=f"mqtt://{FAR}:{PORT}", stores=("db",), plain_text=True)
    number = 0
    with (
        Ledger.open(path) as ledger,
        Publisher("door", config, ledger, status=lambda: HEALTH) as publisher,
    ):
        while not select.select([sys.stdin], [], [], 0.05)[0]:
            way = Direction.OUT if number % 3 == 2 else Direction.IN
            ledger.record(Crossing("L1", way, number, 0.0, number, 1.0, 0.9), NOON)
            publisher.wake()
            number += 1
        until = time.monotonic() + 60
        while ledger.backlog() and time.monotonic() < until:
            time.sleep(0.1)
        state = ledger.state(NOON)
    sys.stdout.write(f"\n{state.epoch} {state.seq}\n")


if __name__ == "__main__":
    _door(Path(sys.argv[1]))
