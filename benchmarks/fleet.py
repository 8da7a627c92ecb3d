"""Many simulated doors through one mosquitto into one store: whether it keeps up, and its cost.

    python benchmarks/fleet.py --devices 200 --seconds 60 --collectors 2

The doors are simulated: each sends one crossing a second, and takes note when its store's word
covers it. Broker, collectors and database are real processes on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from edge.access import Access
from edge.contract.messages import Ack, CrossingMessage, Topics
from edge.mqtt import Connection, Delivered, Message

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.brokers import Mosquitto
from tests.collector.collecting import Collector, stored
from tests.collector.events import NOON
from tests.postgres import Postgres

_TICK = os.sysconf("SC_CLK_TCK")


class Doors:
    """Simulated doors that share a connection."""

    def __init__(self, url: str, names: list[str]) -> None:
        self.epochs = {name: secrets.token_hex(16) for name in names}
        self.delays: list[float] = []  # seconds from sending to the store's word
        self._waiting: dict[str, deque[tuple[int, float]]] = {name: deque() for name in names}
        self._connection = Connection.open(Access.of_url(url), f"doors-{names[0]}")
        self._connection.subscribe(*(Topics(name).ack("db") for name in names))
        self._in_flight = 0

    def run(self, seconds: int) -> None:
        """Send for so long, a crossing a second from each, spread over the second."""
        names = list(self.epochs)
        begun = time.monotonic()
        for number in range(seconds * len(names)):
            due = begun + number / len(names)
            while (left := due - time.monotonic()) > 0:
                self._listen(left)
            self._send(names[number % len(names)], 1 + number // len(names))
        until = time.monotonic() + 30
        while any(self._waiting.values()) and time.monotonic() < until:
            self._listen(0.2)
        self._connection.close()

    def _send(self, name: str, seq: int) -> None:
        message = CrossingMessage(
            self.epochs[name], seq, NOON, "frame", "L1", "in", seq, 0, 1.0, 0.9
        )
        self._waiting[name].append((seq, time.monotonic()))
        while self._in_flight >= self._connection.window:
            self._listen(1.0)
        self._in_flight += 1
        self._connection.publish(Topics(name).event, message.to_json())

    def _listen(self, seconds: float) -> None:
        event = self._connection.next(seconds)
        if isinstance(event, Delivered):
            self._in_flight -= 1
        if isinstance(event, Message):
            waiting, ack = self._waiting[event.topic.split("/")[-1]], Ack.from_json(event.payload)
            while waiting and waiting[0][0] <= ack.seq:
                self.delays.append(time.monotonic() - waiting.popleft()[1])


def cpu_seconds(pid: int) -> float:
    """Of a process and its children, those that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(each) for each in fields[11:15]) / _TICK
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--collectors", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(Mosquitto(folder))
        server = None if options.sqlite else stack.enter_context(Postgres())
        address = server.new_database() if server else f"sqlite:{folder}/store.db"
        collectors = [
            stack.enter_context(Collector(broker.url, address, folder))
            for _ in range(options.collectors)
        ]
        for collector in collectors:
            collector.ready()
        measured = {
            "mosquitto": broker.pid,
            **{f"collector {n}": c.started[-1].process.pid for n, c in enumerate(collectors, 1)},
            **({"postgres": server.pid} if server else {}),
        }
        before = {name: cpu_seconds(pid) for name, pid in measured.items()}
        names = [f"door-{number}" for number in range(options.devices)]
        groups = [Doors(broker.url, names[first::8]) for first in range(8)]
        threads = [threading.Thread(target=each.run, args=(options.seconds,)) for each in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = {name: cpu_seconds(pid) - before[name] for name, pid in measured.items()}
        found = {row[:3] for row in stored(address)}
    sent = {
        (name, epoch, seq)
        for group in groups
        for name, epoch in group.epochs.items()
        for seq in range(1, options.seconds + 1)
    }
    delays = sorted(delay for group in groups for delay in group.delays)
    percentiles = [delays[int(share * (len(delays) - 1))] for share in (0.5, 0.99)]
    print(f"devices {options.devices}, {options.seconds} s, collectors {options.collectors}")
    print(f"sent {len(sent)}, lost {len(sent - found)}, phantom {len(found - sent)}, ", end="")
    print(f"acknowledged {len(delays)}")
    print("from sending to the store's word: p50 {:.3f} s, p99 {:.3f} s".format(*percentiles))
    for name, seconds in spent.items():
        print(f"{name}: {seconds:.1f} s CPU, {100 * seconds / options.seconds:.0f} % of a core")


if __name__ == "__main__":
    main()
