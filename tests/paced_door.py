"""A program: a door with a ledger and a publisher, passed by people who are known one by one.

    python -m tests.paced_door FOLDER DEVICE URL [--rate 100] [--together 1] [--store db] …

It is made to be killed: a line goes to FOLDER/DEVICE.people before each person is counted and one
after, and started again it goes on with the next person. SIGTERM ends the counting; what waits is
delivered, and the program ends.

    pass PERSON DIRECTION
    kept PERSON EPOCH SEQ IN OUT

In the store `track_s` tells who it was.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from edge.config import MqttConfig
from edge.contract.messages import HealthSnapshot
from edge.ledger import Ledger
from edge.publisher import Publisher, Rhythm
from edge.types import Crossing, Direction

# In a hurry to connect. Not to send again: on a busy machine that would only make it busier.
QUICK = Rhythm(reconnect=(0.05, 0.2), health=0.2, resend=(1.0, 10.0))
HEALTH = HealthSnapshot(
    fps=10.0,
    inference_ms=20.0,
    device="CPU",
    camera_age_s=0.1,
    dropped=0,
    temperature_c=None,
    throttled=None,
    rss_mb=50.0,
    disk_free_mb=1000.0,
    outbox=0,
    versions={"headcount": "0"},
    model="heads 1.0.0",
)
_LATE_S = 0.5  # people who would have passed in a longer pause of the machine are left out


def direction_of(device: str, person: int) -> Direction:
    """Which way a person goes: six of ten go in, in an order without a pattern."""
    return Direction.IN if random.Random(f"{device} {person}").random() < 0.6 else Direction.OUT


def main() -> None:
    """Count until told to stop, or killed."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(message)s")
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    stores = (options.store,) if options.store else ()
    config = MqttConfig(url=options.url, stores=stores, protocol=options.protocol, plain_text=True)
    rhythm = QUICK if options.quick else Rhythm()
    with (
        Ledger.open(options.folder / f"{options.device}.db") as ledger,
        Publisher(options.device, config, ledger, status=lambda: HEALTH, rhythm=rhythm) as sender,
    ):
        _count(options, ledger, sender, enough)
        while ledger.backlog() and sender.alive:
            time.sleep(0.02)
        if not sender.alive:
            sys.exit("the publisher has ended by itself")
        sender.drain(5.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("device")
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=100, help="pictures a second, at most")
    parser.add_argument("--together", type=int, default=1, help="people in each of them")
    parser.add_argument("--store", default="db", help="whose word frees; empty: the broker's does")
    parser.add_argument("--protocol", default="auto")
    parser.add_argument("--quick", action="store_true", help="reconnect sooner than a device does")
    return parser


def _count(
    options: argparse.Namespace, ledger: Ledger, sender: Publisher, enough: threading.Event
) -> None:
    path = options.folder / f"{options.device}.people"
    book = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    first, due = _next_person(path), time.monotonic()
    for picture in itertools.count():
        group = range(first + picture * options.together, first + (picture + 1) * options.together)
        begun = time.monotonic()
        _pass(options.device, group, ledger, book)
        sender.wake()
        now = time.monotonic()
        due = max(due + 1 / options.rate, now - _LATE_S)
        # Half of the time is the publisher's, also on a machine that is too busy for the rate.
        if enough.wait(max(now - begun, due - now)) or not sender.alive:
            break
    os.close(book)


def _pass(device: str, people: range, ledger: Ledger, book: int) -> None:
    """People pass in one picture; what is written here outlives this process, not the machine."""
    ways = [direction_of(device, person) for person in people]
    lines = [f"pass {person} {way}\n" for person, way in zip(people, ways, strict=True)]
    os.write(book, "".join(lines).encode())
    crossings = [
        Crossing("L1", way, person, 0.0, person, float(person), 0.9)
        for person, way in zip(people, ways, strict=True)
    ]
    states = ledger.record_all(crossings, datetime.now(UTC))
    lines = [
        f"kept {person} {state.epoch} {state.seq} {state.in_total} {state.out_total}\n"
        for person, state in zip(people, states, strict=True)
    ]
    os.write(book, "".join(lines).encode())


def _next_person(path: Path) -> int:
    lines = path.read_text().splitlines()
    return max((int(line.split()[1]) + 1 for line in lines[-1000:]), default=0)


if __name__ == "__main__":
    main()
