"""Several collectors, a database and a broker, each ended or held at any moment: nothing is lost.

The checker compares what the doors have committed with what another program finds in the database:
the same set of keys, totals that follow seq, and no acknowledgement of what is not there.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.contract.messages import Ack
from edge.ledger import Ledger
from edge.types import Crossing, Direction
from tests.brokers import Listener, Mosquitto, wait_until
from tests.collector.collecting import Collector, count, counted, delivered, publisher, stored
from tests.collector.events import NOON
from tests.postgres import Postgres

DOORS = ("door", "yard", "gate")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.mark.proof
def test_a_collector_that_hangs(broker: Mosquitto, tmp_path: Path) -> None:
    """Held by SIGSTOP it is silent: the broker gives it up after its keepalive, PostgreSQL after
    15 s in a transaction, and the other takes over. When it goes on, it disturbs nothing.
    """
    with (
        Postgres() as server,
        Ledger.open(tmp_path / "ledger.db") as ledger,
        publisher(ledger, broker.url),
    ):
        address = server.new_database()
        first = Collector(broker.url, address, tmp_path)
        second = Collector(broker.url, address, tmp_path)
        with first, second:
            first.ready()
            second.ready()
            count(ledger, 50)
            delivered(ledger)
            first.started[-1].process.send_signal(signal.SIGSTOP)
            count(ledger, 300)
            delivered(ledger, seconds=60)
            first.started[-1].process.send_signal(signal.SIGCONT)
            count(ledger, 50)
            delivered(ledger)

            assert list(range(1, 401)) == [row[2] for row in stored(address)]
            assert "Traceback" not in first.started[-1].log


def _strike(
    randomness: random.Random,
    broker: Mosquitto,
    server: Postgres,
    collectors: list[Collector],
) -> str:
    """One fault; what it was."""

    def end(collector: Collector) -> None:
        collector.kill()
        collector.start()

    def cut_broker() -> None:
        broker.stop()
        broker.start()

    def cut_server() -> None:
        server.kill()
        server.start()

    faults: dict[str, Callable[[], None]] = {
        "first": lambda: end(collectors[0]),
        "second": lambda: end(collectors[1]),
        "both": lambda: [end(each) for each in collectors] and None,
        "broker": cut_broker,
        "database": cut_server,
    }
    name = randomness.choice(list(faults))
    faults[name]()
    return name


def _works(collector: Collector) -> bool:
    return "storing as" in collector.started[-1].log


def _count_until(ledger: Ledger, enough: threading.Event) -> None:
    """People pass, about a hundred a second, as `count` has them."""
    number = 0
    while not enough.is_set():
        direction = Direction.OUT if number % 3 == 2 else Direction.IN
        ledger.record(Crossing("L1", direction, number, 0.0, number, 1.0, 0.9), NOON)
        number += 1
        time.sleep(0.01)


def _survives(folder: Path, seed: int, faults: int) -> None:
    randomness = random.Random(seed)
    print(f"seed {seed}")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder))
        server = stack.enter_context(Postgres())
        address = server.new_database()
        collectors = [stack.enter_context(Collector(broker.url, address, folder)) for _ in range(2)]
        ledgers = {door: stack.enter_context(Ledger.open(folder / f"{door}.db")) for door in DOORS}
        world = stack.enter_context(Listener(broker.url, "headcount/ack/#"))
        for door, ledger in ledgers.items():
            stack.enter_context(publisher(ledger, broker.url, door))
        for collector in collectors:
            collector.ready()
        enough = threading.Event()
        threads = [
            threading.Thread(target=_count_until, args=(each, enough)) for each in ledgers.values()
        ]
        stack.callback(lambda: [thread.join() for thread in threads])
        stack.callback(enough.set)  # first of all, when this ends in whichever way
        for thread in threads:
            thread.start()
        struck = []
        for _ in range(faults):
            # Mostly in mid-work; sometimes before anybody has come back from the last one.
            if randomness.random() < 0.8:
                wait_until(lambda: any(map(_works, collectors)), "a collector works", 120)
            time.sleep(randomness.uniform(0.0, 0.8))
            struck.append(_strike(randomness, broker, server, collectors))
        enough.set()
        for thread in threads:
            thread.join()
        delivered(*ledgers.values(), seconds=120)
        states = {door: ledger.state(NOON) for door, ledger in ledgers.items()}
        found = stored(address)
        logs = "".join(running.log for each in collectors for running in each.started)
        acks = [(topic, Ack.from_json(payload)) for topic, payload, _ in world.heard]

    committed = {door: state.seq for door, state in states.items()}
    print(f"{faults} faults: {', '.join(struck)}; committed {committed}, stored {len(found)}")
    expected = [
        row for door in sorted(DOORS) for row in counted(states[door].epoch, committed[door], door)
    ]
    assert expected == found
    assert "Traceback" not in logs
    assert all(ack.seq <= max(committed.values()) for _, ack in acks)


def test_a_mix_of_faults(tmp_path: Path) -> None:
    """Three doors, two collectors, one database: 0 lost, 0 doubled."""
    _survives(tmp_path, seed=1, faults=3)


@pytest.mark.proof
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_long_mix_of_faults(tmp_path: Path, seed: int) -> None:
    """The same with a hundred faults each."""
    _survives(tmp_path, seed, faults=100)
