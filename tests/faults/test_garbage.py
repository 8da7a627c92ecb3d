"""Whatever is written to a device's topics: it answers or says why not, and changes nothing."""

from __future__ import annotations

import contextlib
import datetime
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from edge.config import MqttConfig
from edge.contract.commands import COMMANDS, Command, CommandError, CommandResult
from edge.ledger import Ledger
from edge.publisher import Publisher
from tests.brokers import Listener, Mosquitto, wait_until
from tests.collector.collecting import QUICK, count
from tests.test_publisher import HEALTH

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
SEED = 1

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda each: (
        st.lists(each, max_size=4)
        | st.dictionaries(st.sampled_from(["schema", "id", "value"]) | st.text(max_size=5), each)
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "schema": st.just(1) | VALUES,
        "id": st.sampled_from(["a b", "", "x" * 65, "é", "\ud800"]) | VALUES,
        "value": VALUES,
        "epoch": st.just("0" * 32) | VALUES,
        "seq": st.integers() | VALUES,
    },
)
LARGE = st.sampled_from(
    [
        b" " * 1_000_000,
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b"9" * 1_000_000,
        b'{"schema":1,"id":"' + b"x" * 1_000_000 + b'"}',
        b'{"schema":"' + b"x" * 50_000 + b'"}',
        b'{"schema":1,"id":"n","value":' + b"9" * 4000 + b"}",
        b"[" * 4000,
        b"\x00",
        b"\xff\xfe{}",
        b'{"schema":1,"id":"\xc3\x28","value":1}',
        b'{"schema":1,"schema":1,"id":"t","value":1}',
        b'{"schema":1,"id":"n","value":1e999}',
        b'{"schema":1,"id":"n","value":-0.0}',
        b'{"schema":true,"id":"n","value":true}',
    ]
)
PAYLOADS = (
    st.binary(min_size=1, max_size=80)
    | (VALUES | NEARLY).map(lambda value: json.dumps(value).encode())
    | LARGE
)
# Below headcount/: commands, one that is none, a store's word, and what only the device says.
TOPICS = st.sampled_from(
    [f"door/cmd/{name}" for name in (*COMMANDS, "pause", "snapshot", "reset today")]
    + ["ack/db/door", "door/state", "door/availability"]
)
GARBAGE = st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans()), min_size=1, max_size=8)


def _is_harmless(topic: str, payload: bytes) -> bool:
    """Whether it is no command that can be done, by accident."""
    try:
        Command.from_json(topic.rpartition("/")[2], payload)
    except CommandError:
        return True
    return False


@dataclass
class Target:
    """A door that counts nobody, three events of which wait for a store."""

    ledger: Ledger
    device: Publisher
    world: Listener
    asked: int = 0
    kept: Any = field(default=None)

    def answers(self) -> list[CommandResult]:
        return [
            CommandResult.from_json(payload)
            for topic, payload, _ in list(self.world.heard)
            if topic.startswith("headcount/door/cmd/") and topic.endswith("/result")
        ]

    def receives(self, garbage: list[tuple[str, bytes, bool]]) -> None:
        garbage = [each for each in garbage if _is_harmless(each[0], each[1])]
        before = len(self.answers())
        for topic, payload, retain in garbage:
            self.world.say(f"headcount/{topic}", payload, retain=retain)
        self.asked += 1
        good = Command("set_occupancy", f"good-{self.asked}", self.asked).to_json()
        self.world.say("headcount/door/cmd/set_occupancy", good)
        wait_until(lambda: any(each.ok for each in self.answers()[before:]), "an answer", 30)
        told = self.answers()[before:]
        state = self.ledger.state(NOON)
        commands = [
            topic for topic, _, _ in garbage if "/cmd/" in topic and topic.rpartition("/")[2] != ""
        ]

        assert [f"good-{self.asked}"] == [each.id for each in told if each.ok]
        assert sum("reset today" not in topic for topic in commands) == len(told) - 1
        assert all(each.error and len(each.error) < 5000 for each in told if not each.ok)
        assert (2, 1, 3, self.asked, 3) == (
            state.in_total,
            state.out_total,
            state.seq,
            state.occupancy,
            self.ledger.backlog(),
        )
        assert self.device.alive


@contextlib.contextmanager
def target(folder: Path) -> Iterator[Target]:
    """In the end it was connected once, and has told no more than a line for each thing."""
    with (
        Mosquitto(folder) as broker,
        Listener(broker.url) as world,
        Ledger.open(folder / "ledger.db") as ledger,
    ):
        count(ledger, 3)
        config = MqttConfig(url=broker.url, stores=("db",))
        with Publisher("door", config, ledger, status=lambda: HEALTH, rhythm=QUICK) as device:
            wait_until(world.health, "it is connected")
            yield Target(ledger, device, world)


def _fuzz(folder: Path, number: int, examples: int) -> None:
    print(f"seed {number}")
    given_ = 0
    with target(folder) as door:

        @seed(number)
        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(GARBAGE)
        def fuzz(garbage: list[tuple[str, bytes, bool]]) -> None:
            nonlocal given_
            given_ += len(garbage)
            door.receives(garbage)

        fuzz()
        answers = door.answers()
    print(f"{given_} messages, {len(answers)} answers, {door.asked} of them of commands done")


def test_garbage_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On all topics that a device hears: answered with the reason, and the next command is done."""
    _fuzz(tmp_path, SEED, 12)

    assert "Traceback" not in caplog.text
    assert "connection to the broker is lost" not in caplog.text
    assert max(len(line) for line in caplog.text.splitlines()) < 6000


@pytest.mark.proof
def test_much_garbage_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same three hundred times."""
    _fuzz(tmp_path, random.randrange(1 << 32), 300)

    assert "Traceback" not in caplog.text
    assert "connection to the broker is lost" not in caplog.text
