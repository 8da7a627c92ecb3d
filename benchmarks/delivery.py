"""What arrives of what a door counts, how soon after an outage, and what a commit costs.

    python benchmarks/delivery.py [--runs 3] [--seconds 30] [--kills 15] [--outages 5]
                                  [--only kills|outages|commits]

Three ways to deliver, side by side behind one mosquitto with Debian's settings that is killed again
and again: paho's client as its documentation has it, an outbox that trusts the broker's PUBACK, and
one that waits for the store's word. The outage is a cable between two network namespaces on which
packets are dropped (root; left out without). Prints the tables, keeps them in
benchmarks/results/delivery.json and renews the part of docs/benchmarks.md that is between the
marks; with --only it keeps and renews nothing but that part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from delivery_page import renew, section

sys.path.insert(0, str(Path(__file__).parent.parent))

from plain import DEVICE, Plain

from edge.collector.opening import open_database
from edge.ledger import Ledger
from edge.publisher.session import WINDOW
from edge.types import Crossing, Direction
from tests.brokers import Mosquitto, free_port, wait_until
from tests.collector.collecting import Collector, deliveries
from tests.doors import PacedDoor
from tests.history import History, Verdict, check
from tests.networks import FAR, Networks, two_networks

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "delivery.json"
PAGE = ROOT / "docs" / "benchmarks.md"
TRUSTING, OURS = "trusting", "headcount"
RATE = 100.0  # people a second
DOWN_S = 0.2  # of a broker that was killed
OUTAGE_S = 30.0
TOGETHER = (
    34  # people in a picture before an outage, ten pictures a second, so that there wait, ...
)
WAITING = 10_000  # ... however long that takes, so many at least
SETTLED_S = 300.0  # at most, on a machine that has no time
COMMITS = 2000


def debian(folder: Path) -> list[str]:
    """Mosquitto's settings in Debian, with its database in a folder of ours."""
    return [
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "user root",
    ]


def kills(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A run for each seed."""
    return [killed(seed, options.seconds, options.kills) for seed in range(1, options.runs + 1)]


def killed(seed: int, seconds: float, times: int) -> dict[str, Any]:
    """All ways at once, while the broker is killed so often."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(Mosquitto(folder, debian(folder)))
        address = f"sqlite:{folder / 'store.db'}"
        collector = stack.enter_context(Collector(broker.url, address, folder))
        ours = stack.enter_context(PacedDoor(broker.url, folder, OURS))
        trusting = stack.enter_context(PacedDoor(broker.url, folder, TRUSTING, ("--store", "")))
        collector.ready()
        for door in (ours, trusting):
            door.start()
        for door in (ours, trusting):
            wait_until(door.works, "it counts", SETTLED_S)
        until = time.monotonic() + seconds
        plain = Plain(broker.url)
        thread = threading.Thread(target=plain.run, args=(until, RATE))
        thread.start()
        _strike(random.Random(seed), broker, seconds, times)
        time.sleep(max(0.0, until - time.monotonic()))
        for door in (ours, trusting):
            door.started[-1].process.terminate()
        thread.join()
        for door in (ours, trusting):
            assert door.started[-1].ends(SETTLED_S) == 0, door.started[-1].log
        time.sleep(2.0)  # for what the broker still has
        counted = {
            DEVICE: plain.history(),
            TRUSTING: _history(trusting, address),
            OURS: _history(ours, address),
        }
    ways = {way: _told(history) for way, history in counted.items()}
    return {"seed": seed, "seconds": seconds, "kills": times, "ways": ways}


def _strike(randomness: random.Random, broker: Mosquitto, seconds: float, times: int) -> None:
    moments = sorted(randomness.uniform(1.0, seconds) for _ in range(times))
    begun = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        broker.stop()
        time.sleep(DOWN_S)
        broker.start()


def _history(door: PacedDoor, address: str) -> History:
    rows = tuple(row for row in deliveries(address) if row.passage.device == door.device)
    return History(tuple(door.passages()), tuple(door.commits()), (), rows)


def _told(history: History) -> dict[str, int]:
    verdict: Verdict = check(history)
    return {
        "counted": len(history.commits),
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
    }


def outages(options: argparse.Namespace) -> list[dict[str, float]] | None:
    """The same outage so often; None where there can be none."""
    if os.getuid() or not options.outages:
        return None
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        networks = stack.enter_context(two_networks())
        port = free_port()
        address = f"sqlite:{folder / 'store.db'}"
        settings = [*debian(folder), f"listener {port} {FAR}"]
        with networks.entered(networks.far):
            broker = stack.enter_context(Mosquitto(folder, settings))
            collector = stack.enter_context(Collector(broker.url, address, folder))
            collector.ready()
        door = PacedDoor(
            f"mqtt://{FAR}:{port}",
            folder,
            options=("--rate", "10", "--together", str(TOGETHER)),
            within=tuple(networks.inside(networks.door)),
        )
        stack.enter_context(door)
        return [_outage(networks, port, door, address) for _ in range(options.outages)]


def _outage(networks: Networks, port: int, door: PacedDoor, address: str) -> dict[str, float]:
    """Seconds from the network's return until the first and until all that waited are stored."""
    earlier = door.counted()
    door.start()
    wait_until(lambda: _stored(address) > earlier + 2 * WINDOW, "it delivers", SETTLED_S)
    with _silence(networks, port):
        time.sleep(OUTAGE_S)
        before = _stored(address)
        wait_until(lambda: door.counted() > before + WAITING, "so many wait", SETTLED_S)
        due = door.counted()
    begun = time.monotonic()
    door.started[-1].process.terminate()  # nobody passes any more; what waits is delivered
    wait_until(lambda: _stored(address) > before, "the first is stored", SETTLED_S)
    first = time.monotonic() - begun
    wait_until(lambda: _stored(address) >= due, "all are stored", SETTLED_S)
    last = time.monotonic() - begun
    assert door.started[-1].ends(SETTLED_S) == 0, door.started[-1].log
    return {"waiting": due - before, "first_s": round(first, 3), "all_s": round(last, 3)}


@contextlib.contextmanager
def _silence(networks: Networks, port: int) -> Iterator[None]:
    """Packets to and from the broker are dropped, without a word to anybody."""
    rules = "".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; tcp {side} {port} drop; }}\n"
        for hook, side in (("input", "dport"), ("output", "sport"))
    )
    nft = [*networks.inside(networks.far), "nft"]
    subprocess.run([*nft, "-f", "-"], input=f"table inet cut {{\n{rules}}}", text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*nft, "delete", "table", "inet", "cut"], check=True)


def _stored(address: str) -> int:
    with contextlib.closing(open_database(address, only_read=True)) as database:
        ((to,),) = database.query("SELECT max(stored_to) FROM headcount_ledgers")
    return int(to or 0)


def commits(options: argparse.Namespace) -> dict[str, Any]:  # noqa: ARG001
    """Milliseconds of a crossing's commit, a hundred a second."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        due, times = time.monotonic(), []
        for number in range(COMMITS):
            crossing = Crossing("L1", Direction.IN, number, 0.0, number, 1.0, 0.9)
            begun = time.perf_counter()
            ledger.record(crossing, datetime.now(UTC))
            times.append(1000 * (time.perf_counter() - begun))
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
    cut = statistics.quantiles(times, n=100)
    return {"commits": COMMITS, "p50_ms": round(cut[49], 2), "p99_ms": round(cut[98], 2)}


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "kills": kills,
    "outages": outages,
    "commits": commits,
}


def setting() -> dict[str, str]:
    """What ran, and where."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "device": f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores",
        "load": f"{os.getloadavg()[0]:.1f} processes wanted to run when it began",
        "broker": "mosquitto with Debian's settings (persistence true), on the same machine",
        "client": f"paho-mqtt {version('paho-mqtt')}, Python {platform.python_version()}",
    }


def main() -> None:
    """Measure, keep, renew the page, print its part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3, help="of the kills, with seeds from 1 on")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--outages", type=int, default=5)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if options.only else {}
    settings = results.setdefault("settings", {})
    results |= {"rate": RATE, "down_s": DOWN_S, "outage_s": OUTAGE_S}
    for name, part in PARTS.items():
        if options.only in (None, name):
            settings[name] = setting()
            results[name] = part(options)
            print(f"{name}: {json.dumps(results[name])}", file=sys.stderr, flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(renew(PAGE.read_text(), results))
    print(section(results))


if __name__ == "__main__":
    main()
