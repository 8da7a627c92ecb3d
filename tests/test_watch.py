"""`watch`: one line a change, for people or machines, of what any device says."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.access import Access
from edge.contract.messages import (
    BucketMessage,
    CrossingMessage,
    GapMessage,
    HealthSnapshot,
    LineCount,
    StateMessage,
    Topics,
)
from edge.contract.quality import Quality
from edge.errors import BrokerError, CallError
from edge.mqtt import Connection, Delivered
from edge.watch import watch
from tests.brokers import Broker, free_port, make_broker, wait_until

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
EPOCH = "0123456789abcdef" * 2
DOOR, YARD = Topics("door"), Topics("yard")
HEALTH = HealthSnapshot(
    14.93, 20.0, "CPU", 0.1, 0, None, None, 50.0, 1000.0, 0, {"headcount": "0"}, "heads 1.0.0"
)


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    broker = make_broker(request.param, tmp_path)
    broker.start()
    yield broker
    broker.stop()


def state(seq: int, *, counting: bool = True, **quality: object) -> str:
    lines = {"L1": LineCount(seq, 1)}
    return StateMessage(
        seq, 1, 5, 0, seq - 1, lines, EPOCH, seq, NOON, {"counting": counting, **quality}
    ).to_json()


def crossing(seq: int) -> str:
    return CrossingMessage(
        EPOCH, seq, NOON, "frame", "entrance", "in", seq, 1, 1.0, 0.9, replayed=False
    ).to_json()


def say(url: str, *messages: tuple[str, str, bool]) -> None:
    """Publish, and wait until the broker has it."""
    connection = Connection.open(Access.of_url(url), "headcount-test-speaker")
    for topic, payload, retain in messages:
        connection.publish(topic, payload, retain=retain)
        while not isinstance(connection.next(5), Delivered):
            pass
    connection.close()


def test_once_tells_what_is_retained_and_ends(broker: Broker) -> None:
    """All devices, state and availability; a payload of strangers cannot steer the terminal."""
    say(
        broker.url,
        (DOOR.availability, "online", True),
        (DOOR.state, state(7), True),
        (YARD.state, state(3, counting=False), True),
        (YARD.availability, "\x1b[2Jgone\n", True),
    )
    out = io.StringIO()
    watch(broker.url, True, False, out)

    assert [
        "door         in 7  out 1  inside 6   (today 5 in, 0 out)",
        "door         online",
        "yard         ?[2Jgone?",
        "yard         in 3  out 1  inside 2   (today 5 in, 0 out)   (no pictures: not counting)",
    ] == sorted(out.getvalue().splitlines())


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ({"camera": "ok", "detector": "ok", "disk": "ok", "clock": "ok", "doubts": []}, ""),
        ({"doubts": ["rate", "dwelling"]}, "   (in doubt: rate, dwelling)"),
        ({"camera": "dark", "doubts": ["camera"]}, "   (camera: dark)   (in doubt: camera)"),
        (
            {"detector": "fallback", "disk": "full", "clock": "unset"},
            "   (detector: fallback)   (disk: full)   (clock: unset)",
        ),
        ({"doubts": "\x1b[2J", "camera": {}}, "   (camera: {})"),
    ],
    ids=["well", "doubts", "camera", "the rest", "of strangers"],
)
def test_what_speaks_against_the_counts_is_said(
    broker: Broker, quality: dict[str, object], said: str
) -> None:
    """Doubts and all that is not `ok`, behind the counts; nothing where all is well."""
    say(broker.url, (DOOR.state, state(7, **quality), True))
    out = io.StringIO()
    watch(broker.url, True, False, out)

    assert f"door         in 7  out 1  inside 6   (today 5 in, 0 out){said}\n" == out.getvalue()


def test_once_of_a_silent_broker_is_empty(broker: Broker) -> None:
    """Nothing retained, nothing told, no error."""
    out = io.StringIO()
    watch(broker.url, True, False, out)
    empty = out.getvalue()
    watch(broker.url, True, True, out)

    assert "" == empty
    assert {"schema": 1, "devices": {}} == json.loads(out.getvalue())


def test_once_as_json_is_one_object_of_all_devices(broker: Broker) -> None:
    """What each said last: counts, health, availability; what cannot be read is said."""
    say(
        broker.url,
        (DOOR.availability, "online", True),
        (DOOR.state, state(6), True),
        (DOOR.state, state(7), True),
        (DOOR.health, HEALTH.to_json(), True),
        (YARD.state, "{", True),
    )
    out = io.StringIO()
    watch(broker.url, True, True, out)
    (line,) = out.getvalue().splitlines()
    devices = json.loads(line)["devices"]

    assert ["door", "yard"] == [*devices]
    assert "online" == devices["door"]["availability"]
    assert json.loads(state(7)) == devices["door"]["state"]
    assert json.loads(HEALTH.to_json()) == devices["door"]["health"]
    assert (None, None) == (devices["door"]["error"], devices["yard"]["state"])
    assert "cannot be read" in devices["yard"]["error"]


def test_a_terminal_shows_a_table_that_follows(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a device, with what is wrong there; escapes of strangers do not reach the terminal."""
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    say(
        broker.url,
        (DOOR.availability, "online", True),
        (DOOR.state, state(7), True),
        (DOOR.health, HEALTH.to_json(), True),
        (YARD.state, state(3, counting=False), True),
        (YARD.availability, "\x1b[2Jgone", True),
    )
    screen, keyboard = os.openpty()
    shown, stop = bytearray(), threading.Event()

    def look() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(screen, 65536):
                shown.extend(part)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    with open(keyboard, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        watching = threading.Thread(
            target=watch, args=(broker.url, False, False, terminal), kwargs={"stop": stop}
        )
        watching.start()
        wait_until(lambda: b"not counting" in shown, "the table")
        say(broker.url, (DOOR.state, state(1234), True), (DOOR.event, crossing(1234), False))
        wait_until(lambda: b"1234" in shown and b"in entrance" in shown, "it follows")
        stop.set()
        watching.join(5)
    looking.join(5)
    os.close(screen)
    text = shown.decode()

    assert "inside" in text
    assert "14.9/s" in text
    assert "?[2Jgone" in text
    assert "\x1b[2Jgone" not in text


def test_live_lines_follow_and_survive_the_broker(broker: Broker) -> None:
    """Each message makes a line, as JSON too; after a broker's death it listens again."""
    out, stop = io.StringIO(), threading.Event()
    watching = threading.Thread(
        target=watch, args=(broker.url, False, True, out), kwargs={"stop": stop}
    )
    say(broker.url, (DOOR.state, state(1), True))
    watching.start()
    wait_until(out.getvalue, "what is retained")
    say(broker.url, (DOOR.event, crossing(2), False), (DOOR.state, "no json", False))
    wait_until(lambda: len(out.getvalue().splitlines()) == 3, "the live lines")
    broker.stop()
    broker.start()
    say(broker.url, (DOOR.availability, "online", True))
    wait_until(lambda: len(out.getvalue().splitlines()) == 4, "a line after the return")
    stop.set()
    watching.join(5)
    told = [json.loads(line) for line in out.getvalue().splitlines()]

    assert not watching.is_alive()
    assert [("door", "state"), ("door", "event"), ("door", "state"), ("door", "availability")] == [
        (each["device"], each["kind"]) for each in told
    ]
    assert (2, "entrance") == (told[1]["payload"]["seq"], told[1]["payload"]["line"])
    assert ("no json", "online") == (told[2]["payload"], told[3]["payload"])


def test_buckets_and_gaps_read_as_sentences(broker: Broker) -> None:
    """What was counted when, how much of it was covered, what is in doubt; or that nobody was."""
    out, stop = io.StringIO(), threading.Event()
    watching = threading.Thread(
        target=watch, args=(broker.url, False, False, out), kwargs={"stop": stop}
    )
    say(broker.url, (DOOR.availability, "online", True))
    watching.start()
    wait_until(out.getvalue, "what is retained")
    end = NOON + datetime.timedelta(minutes=15)
    figures = Quality(900, 450, 5000)
    bucket = BucketMessage(EPOCH, 7, NOON, "ledger", 900, NOON, end, "UTC", 3, 2, figures)
    gap = GapMessage(EPOCH, 8, NOON, "ledger", NOON, end, "off", replayed=True)
    say(broker.url, (DOOR.event, bucket.to_json(), False), (DOOR.event, gap.to_json(), False))
    wait_until(lambda: len(out.getvalue().splitlines()) == 3, "both are told")
    stop.set()
    watching.join(5)
    span = "door         2026-11-20T12:00:00.000Z to 2026-11-20T12:15:00.000Z"

    assert [
        f"{span}  in 3  out 2   coverage 0.50   (in doubt: coverage)",
        f"{span}  nobody was counted: off   (late)",
    ] == out.getvalue().splitlines()[1:]


def test_a_crossing_reads_as_a_sentence(broker: Broker) -> None:
    """Time, direction, line and totals; what cannot be read is said."""
    out, stop = io.StringIO(), threading.Event()
    watching = threading.Thread(
        target=watch, args=(broker.url, False, False, out), kwargs={"stop": stop}
    )
    say(broker.url, (DOOR.availability, "online", True))
    watching.start()
    wait_until(out.getvalue, "what is retained")
    say(broker.url, (DOOR.event, crossing(2), False), (DOOR.event, "{}", False))
    wait_until(lambda: len(out.getvalue().splitlines()) == 3, "the live lines")
    stop.set()
    watching.join(5)
    lines = out.getvalue().splitlines()

    assert "door         2026-11-20T12:00:00.000Z  in   over entrance   in 2  out 1" == lines[1]
    assert "door         event message cannot be read: no 'schema'" == lines[2]


def test_a_broker_that_is_not_there_is_told_with_the_mend() -> None:
    """One line: which broker, what is wrong, what to check."""
    with pytest.raises(BrokerError, match=r"^broker mqtt://127[^\n]*check[^\n]*$"):
        watch(f"mqtt://127.0.0.1:{free_port()}", True, False, io.StringIO())
    with pytest.raises(CallError, match=r"mqtt://host"):
        watch("localhost", True, False, io.StringIO())
