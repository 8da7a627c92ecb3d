"""Doors, broker, collectors and database are killed at any moment, in mixes: 0 lost, 0 doubled.

    people --> door: ledger, publisher --> broker --> headcount collect --> SQLite or PostgreSQL

All are processes of their own, and all ends are kill -9. Faults come in bursts, so that some strike
who has not come back from the last. After a burst all that was counted until then must get into the
store, which leaves a moment to work in and shows that the whole goes on. What happened is judged by
`tests.history`.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from edge.collector.database import Database
from edge.collector.opening import open_database
from edge.contract.messages import Ack
from edge.errors import StoreError
from tests.brokers import Amqtt, Listener, Mosquitto, wait_until
from tests.collector.collecting import Collector, deliveries
from tests.doors import PacedDoor
from tests.history import Heard, History, Verdict, check
from tests.postgres import Postgres

_BURST = 8  # times in a row, at most, before all must have recovered
_DOWN_S = 0.4  # of who was killed, at most
_RECOVERY_S = 300.0  # on a machine that has no time for the tests; usual is a second
_LOOK_S = 0.2  # between looks into the store, each of which opens it
_PROOF = 500  # faults
_LAST_WORDS = 2000  # characters of each log, when something was waited for in vain


class Witness(Listener):
    """Hears the acknowledgements, and looks at once whether their events are in the store."""

    def __init__(self, url: str, address: str) -> None:
        super().__init__(url, "headcount/ack/#")
        self._address = address
        self._database: Database | None = None
        self.acks: list[Heard] = []

    def _on_message(self, _client: object, _data: object, message: object) -> None:
        topic, payload = str(message.topic), bytes(message.payload)  # type: ignore[attr-defined]
        if not topic.startswith("headcount/ack/"):  # amqtt tells of what was not asked for, too
            return
        ack = Ack.from_json(payload)
        device = topic.rpartition("/")[2]
        early = ack.seq > 0 and self._has(device, ack) is False
        self.acks.append(Heard(device, ack.epoch, ack.seq, early))

    def _has(self, device: str, ack: Ack) -> bool | None:
        """None while the database is away."""
        try:
            self._database = self._database or open_database(self._address, only_read=True)
            return bool(
                self._database.query(
                    "SELECT 1 FROM headcount_events JOIN headcount_ledgers ON id = ledger "
                    "WHERE device = ? AND epoch = ? AND seq = ?",
                    (device, ack.epoch, ack.seq),
                )
            )
        except StoreError:
            self._close()
            return None

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._close()


Ends = tuple[Callable[[], object], Callable[[], object]]  # kill, start again


@dataclass
class World:
    """All who can be killed, and the store where everything ends up."""

    broker: Mosquitto
    server: Postgres | None
    address: str
    doors: list[PacedDoor]
    collectors: list[Collector]
    struck: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)  # seconds

    def begin(self) -> None:
        for collector in self.collectors:
            collector.ready()
        for door in self.doors:
            door.start()
        self.recover()

    def victims(self) -> dict[str, Ends]:
        each: dict[str, Ends] = {"broker": (self.broker.stop, self.broker.start)}
        for number, door in enumerate(self.doors, 1):
            each[f"door {number}"] = door.kill, door.start
        for number, collector in enumerate(self.collectors, 1):
            each[f"collector {number}"] = collector.kill, collector.start
        if self.server is not None:
            each["database"] = self.server.kill, self.server.start
            each["postmaster"] = partial(self.server.kill, outright=True), self.server.start
        return each

    def strike(self, randomness: random.Random, most: int) -> None:
        """Kill one or two at once, and start them again, in whichever order."""
        victims = self.victims()
        number = min(most, randomness.choice((1, 1, 1, 2)))
        names = randomness.sample(sorted(victims), number)
        for name in names:
            victims[name][0]()
            self.struck[name] += 1
        time.sleep(randomness.uniform(0.0, _DOWN_S))
        for name in randomness.sample(names, number):
            victims[name][1]()

    def recover(self) -> None:
        """Wait until all doors count again, and all that they have counted is stored."""
        begun = time.monotonic()
        wait_until(lambda: all(door.works() for door in self.doors), "doors count", _RECOVERY_S)
        due = {door.device: door.counted() for door in self.doors}

        def is_stored() -> bool:
            time.sleep(_LOOK_S)
            for each in (collector.started[-1] for collector in self.collectors):
                assert each.process.poll() is None, each.log
            stored = _stored_to(self.address)
            return all(stored.get(device, 0) >= seq for device, seq in due.items())

        try:
            wait_until(is_stored, f"{due} are stored, after {dict(self.struck)}", _RECOVERY_S)
        except pytest.fail.Exception as failure:
            raise AssertionError(f"{failure}; they say last:\n{self._last_words()}") from failure
        self.recoveries.append(time.monotonic() - begun)

    def _last_words(self) -> str:
        logs = [one.started[-1].log for one in (*self.doors, *self.collectors)]
        return "\n".join(log[-_LAST_WORDS:] for log in logs)

    def end(self) -> None:
        """Let nobody pass any more, and the doors deliver what they have."""
        for door in self.doors:
            door.started[-1].process.terminate()
        for door in self.doors:
            assert door.started[-1].ends(_RECOVERY_S) == 0, door.started[-1].log
        logs = [each.log for one in (*self.doors, *self.collectors) for each in one.started]
        assert not [log for log in logs if "Traceback" in log]

    def history(self, acks: list[Heard]) -> History:
        return History(
            passages=tuple(each for door in self.doors for each in door.passages()),
            commits=tuple(each for door in self.doors for each in door.commits()),
            acks=tuple(acks),
            deliveries=deliveries(self.address),
            kills=sum(len(door.started) - 1 for door in self.doors),
        )


def _stored_to(address: str) -> dict[str, int]:
    """How far the store says that it is, by device; nothing while it is away."""
    try:
        database = open_database(address, only_read=True)
    except StoreError:
        return {}
    with contextlib.closing(database), contextlib.suppress(StoreError):
        return dict(database.query("SELECT device, stored_to FROM headcount_ledgers"))
    return {}


def _survives(world: World, seed: int, faults: int) -> str:
    """Strike so often, and judge; what there is to tell."""
    randomness = random.Random(seed)
    with contextlib.ExitStack() as stack:
        for each in (*world.doors, *world.collectors):
            stack.enter_context(each)
        world.begin()
        witness = stack.enter_context(Witness(world.broker.url, world.address))
        begun = time.monotonic()
        while world.struck.total() < faults:
            for _ in range(randomness.randint(1, _BURST)):
                world.strike(randomness, faults - world.struck.total())
                time.sleep(randomness.uniform(0.0, _DOWN_S))
                if world.struck.total() == faults:
                    break
            world.recover()
            time.sleep(randomness.uniform(0.0, 2 * _DOWN_S))
        world.end()
        lasted = time.monotonic() - begun
    history = world.history(witness.acks)
    rate = len(history.commits) / lasted
    verdict = check(history)
    usual, longest = statistics.median(world.recoveries), max(world.recoveries)
    told = (
        f"seed {seed}: {faults} faults ({_listed(world.struck)}); "
        f"{len(history.commits)} counted ({rate:.0f} a second), {len(history.deliveries)} stored, "
        f"{len(history.acks)} acknowledgements heard; after a burst all doors counted and all was "
        f"stored within {usual:.1f} s (median), {longest:.1f} s (most); {verdict}"
    )
    print(told)
    # There was something to lose at each; on a machine that has no time, little more than that.
    assert min(len(history.commits), len(history.acks)) > faults
    assert Verdict() == verdict, str(verdict)
    return told


def _listed(struck: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(struck.items()))


Tell = Callable[[str, object], None]


@pytest.fixture
def with_sqlite(tmp_path: Path) -> Iterator[World]:
    """One door, 100 people a second, one collector."""
    with Mosquitto(tmp_path) as broker:
        address = f"sqlite:{tmp_path / 'store.db'}"
        door = PacedDoor(broker.url, tmp_path, options=("--quick",))
        collector = Collector(broker.url, address, tmp_path, forked=True)
        yield World(broker, None, address, [door], [collector])


@pytest.fixture
def with_postgresql(tmp_path: Path) -> Iterator[World]:
    """Two doors, 50 people a second at each, and two collectors that share one database."""
    options = ("--quick", "--rate", "50")
    with Mosquitto(tmp_path) as broker, Postgres() as server:
        address = server.new_database()
        doors = [PacedDoor(broker.url, tmp_path, name, options) for name in ("door", "yard")]
        collectors = [Collector(broker.url, address, tmp_path, forked=True) for _ in range(2)]
        yield World(broker, server, address, doors, collectors)


@pytest.fixture
def with_mqtt_3_1_1(tmp_path: Path) -> Iterator[World]:
    """A broker that knows no MQTT 5 and forgets all; all else as `with_sqlite`."""
    with Amqtt(tmp_path) as broker:
        address = f"sqlite:{tmp_path / 'store.db'}"
        door = PacedDoor(broker.url, tmp_path, options=("--quick",))
        collector = Collector(broker.url, address, tmp_path, forked=True)
        yield World(broker, None, address, [door], [collector])


def test_a_mix_with_sqlite(with_sqlite: World, seed: int, record_property: Tell) -> None:
    """Door, broker and collector; a few faults."""
    record_property("told", _survives(with_sqlite, seed, faults=6))


def test_a_mix_with_postgresql(with_postgresql: World, seed: int, record_property: Tell) -> None:
    """The same with the database among those that are killed."""
    record_property("told", _survives(with_postgresql, seed, faults=6))


def test_a_mix_with_mqtt_3_1_1(with_mqtt_3_1_1: World, seed: int, record_property: Tell) -> None:
    """The same where device and collector have to fall back to the older version."""
    record_property("told", _survives(with_mqtt_3_1_1, seed, faults=3))


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_long_mix_with_sqlite(with_sqlite: World, seed: int, record_property: Tell) -> None:
    """Five hundred faults."""
    record_property("told", _survives(with_sqlite, seed, _PROOF))


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_long_mix_with_postgresql(
    with_postgresql: World, seed: int, record_property: Tell
) -> None:
    """Five hundred faults, those of the database included."""
    record_property("told", _survives(with_postgresql, seed, _PROOF))
