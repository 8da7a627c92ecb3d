"""The publisher, against a real mosquitto and the embedded broker: everything, once, in order."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.access import Access
from edge.config import MqttConfig
from edge.contract.commands import Command, CommandError, CommandResult
from edge.contract.messages import (
    Ack,
    BucketMessage,
    CrossingMessage,
    GapMessage,
    HealthSnapshot,
    Topics,
)
from edge.contract.quality import Quality
from edge.errors import BrokerError, CallError
from edge.ledger import Ledger
from edge.periods import quarter_of
from edge.publisher import Publisher, Rhythm
from edge.types import Crossing, Direction
from tests.brokers import Broker, Listener, Mosquitto, make_broker, retained, wait_until
from tests.paced_door import HEALTH

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
QUICK = Rhythm(reconnect=(0.05, 0.2), health=0.2, resend=(0.3, 1.0))
WELL = {"counting": True, "detector": "ok", "disk": "ok", "clock": "ok"}


@pytest.fixture(params=["mosquitto", "embedded"])
def idle_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker that is not started."""
    broker = make_broker(request.param, tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def broker(idle_broker: Broker) -> Broker:
    """A broker that runs."""
    idle_broker.start()
    return idle_broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", lines=["L1"]) as ledger:
        yield ledger


def config(broker: Broker, **settings) -> MqttConfig:
    """The embedded broker would only be slow to say that it has no MQTT 5."""
    protocol = "auto" if isinstance(broker, Mosquitto) else "3.1.1"
    return MqttConfig(**{"url": broker.url, "protocol": protocol, **settings})


def publishing(
    broker: Broker,
    ledger: Ledger,
    health: HealthSnapshot = HEALTH,
    quality: Callable[[], dict[str, object]] = dict,
    **settings,
) -> Publisher:
    return Publisher(
        "door",
        config(broker, **settings),
        ledger,
        status=lambda: health,
        quality=quality,
        clock=lambda: NOON,
        rhythm=QUICK,
    )


def ask(world: Listener, name: str, payload: str, retain: bool = False) -> CommandResult:
    """Give a command and wait for its answer."""
    before = len(world.payloads(f"cmd/{name}/result"))
    world.say(Topics("door").command(name), payload, retain=retain)
    wait_until(lambda: len(world.payloads(f"cmd/{name}/result")) > before, f"an answer to {name}")
    return CommandResult.from_json(world.payloads(f"cmd/{name}/result")[-1])


def count(ledger: Ledger, crossings: int) -> None:
    for number in range(crossings):
        direction = Direction.OUT if number % 3 == 2 else Direction.IN
        ledger.record(Crossing("L1", direction, number, number / 10, number, 1.0, 0.9), NOON)


def test_one_event_a_crossing_and_the_state_after_each(broker: Broker, ledger: Ledger) -> None:
    """Availability, state and health are there at once; each crossing makes one event."""
    with Listener(broker.url) as world, publishing(broker, ledger) as publisher:
        wait_until(lambda: world.state() and world.health(), "first state and health")
        count(ledger, 6)
        publisher.wake()
        wait_until(lambda: len(world.seqs()) == 6, "six events")
        wait_until(lambda: world.state().seq == 6, "the state after them")
        wait_until(lambda: ledger.backlog() == 0, "the outbox is empty")
        wait_until(lambda: world.health().outbox == 0, "health knows it")
        last = world.crossings()[-1]
        publisher.drain(5)
        wait_until(lambda: world.availability() == "offline", "the goodbye")

    assert ["online", "offline"] == [p.decode() for p in world.payloads("availability")]
    assert [1, 2, 3, 4, 5, 6] == world.seqs()
    assert (4, 2, "out", False) == (last.in_total, last.out_total, last.direction, last.replayed)
    assert (4, 2, 2, WELL) == (
        world.state().in_total,
        world.state().out_total,
        world.state().occupancy,
        world.state().quality,
    )
    assert (4, 2) == (world.state().in_today, world.state().lines["L1"].out_total)
    assert replace(HEALTH, outbox=0) == world.health()


def test_buckets_and_gaps_are_sent_as_crossings_are(broker: Broker, ledger: Ledger) -> None:
    """In the order of their seq, with what the ledger has of them; an acknowledgement frees all."""
    later = NOON + datetime.timedelta(minutes=50)
    ledger.turn(quarter_of(NOON), NOON, "off")
    ledger.keep(quarter_of(NOON), Quality(counted_s=450, people=3, fast=1))
    with Listener(broker.url) as world, publishing(broker, ledger) as publisher:
        wait_until(lambda: world.state() and world.health(), "it is connected")
        count(ledger, 2)
        ledger.turn(quarter_of(later), later, "off")
        count(ledger, 1)
        publisher.wake()
        wait_until(lambda: ledger.backlog() == 0, "the outbox is empty")
        publisher.drain(5)
    events = world.events()
    bucket, gap = events[2], events[3]

    assert [CrossingMessage, CrossingMessage, BucketMessage, GapMessage, CrossingMessage] == [
        type(event) for event in events
    ]
    assert [1, 2, 3, 4, 5] == world.seqs()
    assert (900, NOON, 2, 0, 0.5) == (
        bucket.period,
        bucket.start,
        bucket.in_count,
        bucket.out_count,
        bucket.quality.coverage,
    )
    assert (bucket.end, quarter_of(later).start, "off") == (gap.start, gap.end, gap.reason)
    assert [False] * 5 == [event.replayed for event in events]


def test_a_newcomer_is_told_the_counts_but_no_old_event(broker: Broker, ledger: Ledger) -> None:
    """State and availability are retained, also after a clean end; events are not."""
    count(ledger, 2)
    with publishing(broker, ledger) as publisher:
        publisher.drain(5)
    told = retained(broker.url)

    assert "offline" == told["availability"]
    assert (2, 0, 1) == (
        told["state"]["in_total"],
        told["state"]["out_total"],
        told["state"]["schema"],
    )
    assert "event" not in told
    assert 0 == ledger.backlog()


def test_commands_are_done_once_and_answered(broker: Broker, ledger: Ledger) -> None:
    """Occupancy is set, today begins anew; the state shows it; a second asking changes nothing."""
    count(ledger, 4)
    with Listener(broker.url) as world, publishing(broker, ledger):
        wait_until(lambda: world.state() and world.state().seq == 4, "it is connected")
        done = ask(world, "set_occupancy", Command("set_occupancy", "a1", 40).to_json())
        wait_until(lambda: world.state().occupancy == 40, "the state shows it")
        count(ledger, 1)
        again = ask(world, "set_occupancy", Command("set_occupancy", "a1", 40).to_json())
        today = ask(world, "reset_today", Command("reset_today", "a2").to_json())
        wait_until(lambda: world.state().in_today == 0, "today begins anew")
        told = world.state()

    assert ("set_occupancy", "a1", True, None, False) == (
        done.command,
        done.id,
        done.ok,
        done.error,
        done.repeated,
    )
    assert (True, True) == (again.ok, again.repeated)
    assert (True, 41, 4, 1) == (today.ok, told.occupancy, told.in_total, told.out_total)


GARBAGE = {
    "no JSON": ("set_occupancy", b"{", "JSON"),
    "a list": ("set_occupancy", b"[]", "object"),
    "no UTF-8": ("set_occupancy", b'{"schema":1,"id":"\xff"}', "JSON"),
    "another schema": ("set_occupancy", b'{"schema":2,"id":"g1","value":1}', "schema 1"),
    "no id": ("set_occupancy", b'{"schema":1,"value":1}', "an id"),
    "an id that is none": ("set_occupancy", b'{"schema":1,"id":"a b","value":1}', "an id"),
    "no value": ("set_occupancy", b'{"schema":1,"id":"g2"}', "a value"),
    "text": ("set_occupancy", b'{"schema":1,"id":"g3","value":"7"}', "a value"),
    "a fraction": ("set_occupancy", b'{"schema":1,"id":"g4","value":1.5}', "a value"),
    "less than none": ("set_occupancy", b'{"schema":1,"id":"g5","value":-1}', "a value"),
    "beyond all": ("set_occupancy", b'{"schema":1,"id":"g6","value":%d}' % 10**30, "a value"),
    "not a number": ("set_occupancy", b'{"schema":1,"id":"g7","value":NaN}', "finite"),
    "one id twice": ("set_occupancy", b'{"schema":1,"id":"a","id":"b","value":1}', "twice"),
    "depth": ("set_occupancy", b"[" * 4000, "JSON"),
    "a megabyte": ("set_occupancy", b" " * 1_000_000, "larger"),
    "a verb of later": ("pause", b'{"schema":1,"id":"g8"}', "unknown; known: set_occ"),
}


def test_garbage_is_answered_with_the_reason_and_changes_nothing(
    broker: Broker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """One line each in the log; the connection stays, and the right command is done after it."""
    answers = {}
    with Listener(broker.url) as world, publishing(broker, ledger) as publisher:
        wait_until(world.state, "it is connected")
        for what, (name, payload, _) in GARBAGE.items():
            answers[what] = ask(world, name, payload)
        world.say(Topics("door").command("Set Occupancy!"), b"{}")
        world.say(Topics("door").command("reset_today"), b"")
        last = ask(world, "set_occupancy", Command("set_occupancy", "z", 3).to_json())
        alive, online = publisher.alive, world.payloads("availability")

    for what, answer in answers.items():
        assert not answer.ok, what
        assert GARBAGE[what][2] in str(answer.error), what
    assert len(answers) == caplog.text.count("command ")
    assert "Set Occupancy!: is no command" in caplog.text
    assert (True, 3, 0) == (last.ok, ledger.state(NOON).occupancy, ledger.state(NOON).seq)
    assert (True, [b"online"]) == (alive, online)


@given(
    st.sampled_from(["set_occupancy", "reset_today", "x", "reset_occupancy"]),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=5),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each),
    ).map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"schema": st.just(1), "id": st.text(max_size=5), "value": st.integers() | st.text()}
    ).map(lambda value: json.dumps(value).encode()),
)
@settings(max_examples=100, deadline=None)
def test_whatever_a_command_holds_it_is_one_or_an_error(name: str, payload: bytes) -> None:
    """Read as what it says, or refused in one line; never another exception."""
    try:
        command = Command.from_json(name, payload)
    except CommandError as error:
        assert "\n" not in str(error)
        return

    assert command == Command.from_json(name, command.to_json().encode())


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_retained_command_is_never_obeyed(
    mosquitto: Mosquitto, ledger: Ledger, protocol: str
) -> None:
    """Whether it was there before or comes now; at the next connection, too."""
    count(ledger, 4)
    old, new = (Command("set_occupancy", each, 50).to_json() for each in ("old", "new"))
    topic = Topics("door").command("set_occupancy")
    with Listener(mosquitto.url) as world:
        world.say(topic, old, retain=True)
        for _ in range(2):
            with publishing(mosquitto, ledger, protocol=protocol) as publisher:
                answers = len(world.payloads("cmd/set_occupancy/result"))
                wait_until(
                    lambda: len(world.payloads("cmd/set_occupancy/result")) > answers,  # noqa: B023
                    "the refusal",
                )
                if protocol == "5":
                    ask(world, "set_occupancy", new, retain=True)
                publisher.drain(5)
        refused = [
            CommandResult.from_json(each) for each in world.payloads("cmd/set_occupancy/result")
        ]

    assert all(not each.ok and "retain flag" in str(each.error) for each in refused)
    assert 2 == ledger.state(NOON).occupancy


def test_a_flood_of_commands_does_not_hold_up_the_counts(
    mosquitto: Mosquitto, ledger: Ledger
) -> None:
    """Thousands of them, none of them one: crossings are delivered meanwhile."""
    with Listener(mosquitto.url) as world, publishing(mosquitto, ledger) as publisher:
        wait_until(world.state, "it is connected")
        for _ in range(5000):
            world.say(Topics("door").command("set_occupancy"), "{}")
        count(ledger, 3)
        publisher.wake()
        wait_until(lambda: ledger.backlog() == 0, "the crossings are delivered")
        wait_until(lambda: len(world.seqs()) == 3, "and heard")
        alive, online = publisher.alive, world.payloads("availability")

    assert (True, [b"online"]) == (alive, online)


def test_home_assistant_is_told_at_once_and_when_it_starts(broker: Broker, ledger: Ledger) -> None:
    """Retained, and again on its birth message; not where discovery is off."""
    with Listener(broker.url, "#") as world, publishing(broker, ledger) as publisher:
        wait_until(lambda: announcements(world), "the announcement")
        world.say("homeassistant/status", "offline")
        world.say("homeassistant/status", "online")
        wait_until(lambda: len(announcements(world)) == 2, "it is told again")
        publisher.drain(5)
    with Listener(broker.url, "homeassistant/#") as newcomer:
        wait_until(lambda: newcomer.heard, "it is retained")
    with (
        Listener(broker.url, "headcount/#") as world,
        publishing(broker, ledger, discovery=False),
        Listener(broker.url, "homeassistant/device/+/config") as other,
    ):
        wait_until(world.health, "it is connected")
        world.say("homeassistant/status", "online")
        count(ledger, 1)
        wait_until(lambda: ledger.backlog() == 0, "it goes on")

    assert 1 == len(set(announcements(newcomer)))
    assert {True} == {retained for _, _, retained in other.heard}


def announcements(world: Listener) -> list[bytes]:
    return [p for t, p, _ in list(world.heard) if t == "homeassistant/device/door/config"]


def test_a_broker_that_lets_nobody_announce_gets_the_counts_all_the_same(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """An access list with the device's own topics alone: one line says what is missing."""
    (tmp_path / "acl").write_text("topic readwrite headcount/door/#\n")
    (tmp_path / "acl").chmod(0o600)
    count(ledger, 1)
    rules = ["allow_anonymous true", "user root", f"acl_file {tmp_path / 'acl'}"]
    with Mosquitto(tmp_path, rules) as broker, publishing(broker, ledger):
        wait_until(lambda: "mqtt.discovery = false" in caplog.text, "the refusal is told")
        wait_until(lambda: ledger.backlog() == 0, "the crossing is delivered")


def test_a_camera_that_is_silent_shows(broker: Broker, ledger: Ledger) -> None:
    """Without pictures the counts say that nobody counts."""
    stalled = replace(HEALTH, camera_age_s=60.0)
    with Listener(broker.url) as world, publishing(broker, ledger, stalled):
        wait_until(world.state, "a state")

    assert {**WELL, "counting": False} == world.state().quality


def test_the_state_is_told_again_when_doubts_come_and_not_with_every_figure(
    broker: Broker, ledger: Ledger
) -> None:
    """What the meter says is in the state; a figure that moves waits for a word that does."""
    told: dict[str, object] = {"camera": "ok", "doubts": [], "coverage": 1.0}
    with (
        Listener(broker.url) as world,
        publishing(broker, ledger, quality=lambda: dict(told)) as publisher,
    ):
        wait_until(world.state, "the first state")
        for n in range(4):
            before = len(world.payloads("health"))
            told["coverage"] = 1.0 - n / 100
            wait_until(lambda: len(world.payloads("health")) > before, "another look")  # noqa: B023
        told.update(camera="covered", doubts=["camera"])
        publisher.wake(health=True)
        wait_until(lambda: world.state().quality["doubts"], "the doubt")

    assert 2 == len(world.payloads("state"))
    assert {**WELL, **told} == world.state().quality


def test_a_broker_that_comes_late_is_told_everything(
    idle_broker: Broker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Counting goes on without a broker; one line says so; then all arrives, marked as late."""
    with publishing(idle_broker, ledger) as publisher:
        count(ledger, 150)
        wait_until(lambda: "cannot be reached" in caplog.text, "the fault is told")
        idle_broker.start()
        with Listener(idle_broker.url) as world:
            wait_until(lambda: world.state() and world.state().seq == 150, "the last state")
            wait_until(lambda: ledger.backlog() == 0, "all is delivered")
            publisher.drain(5)

    assert 1 == caplog.text.count("cannot be reached")
    assert "counting goes on" in caplog.text
    assert world.seqs() == sorted(world.seqs())  # the listener may have come after the first
    assert all(crossing.replayed for crossing in world.crossings())


def test_a_broker_that_dies_and_comes_back_loses_nothing(broker: Broker, ledger: Ledger) -> None:
    """A store that acknowledges what it has gets every crossing, over two deaths of the broker."""
    stored: set[int] = set()
    topics = Topics("door")
    with Listener(broker.url) as world, publishing(broker, ledger, stores=("db",)):

        def store() -> bool:
            stored.update(world.seqs())
            if stored:
                upto = next(n for n in range(1, 99) if n + 1 not in stored)
                epoch = world.crossings()[0].epoch
                world.say(topics.ack("db"), Ack(epoch, upto).to_json(), retain=True)
            return ledger.backlog() == 0

        for death in (1, 2):
            count(ledger, 10)
            wait_until(store, "the first half is stored")
            broker.stop()
            count(ledger, 10)
            broker.start()
            world.await_subscription(1 + death)
            wait_until(store, "the second half is stored")
        wait_until(lambda: world.state().seq == 40, "the state after all")
        wait_until(lambda: world.availability() == "online", "it is back")

    assert set(range(1, 41)) == stored


def test_rows_wait_for_all_stores(mosquitto: Mosquitto, ledger: Ledger) -> None:
    """PUBACK is not enough; silence makes it send again; the slowest store decides."""
    topics = Topics("door")
    with Listener(mosquitto.url) as world, publishing(mosquitto, ledger, stores=("a", "b")):
        wait_until(world.health, "it is connected")
        count(ledger, 3)
        wait_until(lambda: world.seqs()[:6] == [1, 2, 3] * 2, "sent, and sent again")
        epoch = world.crossings()[0].epoch
        world.say(topics.ack("a"), Ack(epoch, 3).to_json(), retain=True)
        world.say(topics.ack("b"), Ack(epoch, 2).to_json(), retain=True)
        wait_until(lambda: ledger.backlog() == 1, "two rows are free")
        left = ledger.pending(9)
        world.say(topics.ack("b"), Ack(epoch, 3).to_json(), retain=True)
        wait_until(lambda: ledger.backlog() == 0, "all rows are free")

    assert [3] == [row.seq for row in left]
    assert [False] * 3 + [True] * 3 == [crossing.replayed for crossing in world.crossings()[:6]]


def test_a_word_that_no_store_can_give_is_ignored(
    mosquitto: Mosquitto, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Another epoch, more than was sent, or no acknowledgement at all: logged, and nothing lost."""
    count(ledger, 1)
    epoch = ledger.state(NOON).epoch
    topic = Topics("door").ack("db")
    with Listener(mosquitto.url) as world, publishing(mosquitto, ledger, stores=("db",)):
        wait_until(world.seqs, "it was sent")
        for payload in (Ack("0" * 32, 1).to_json(), Ack(epoch, 2).to_json(), "{", "[]"):
            world.say(topic, payload)
        wait_until(lambda: caplog.text.count("ignored") >= 4, "all four are refused")
        kept = ledger.backlog()
        world.say(topic, Ack(epoch, 1).to_json())
        wait_until(lambda: ledger.backlog() == 0, "the right word counts")

    assert 1 == kept


def test_a_word_given_before_the_start_counts(mosquitto: Mosquitto, ledger: Ledger) -> None:
    """What a store acknowledged while the device was off is not sent again for ever."""
    count(ledger, 3)
    epoch = ledger.state(NOON).epoch
    with Listener(mosquitto.url) as world:
        world.say(Topics("door").ack("db"), Ack(epoch, 2).to_json(), retain=True)
        wait_until(lambda: world.heard, "the word is retained")
        with publishing(mosquitto, ledger, stores=("db",)):
            wait_until(lambda: ledger.backlog() == 1, "the word is heard")


def test_the_window_is_kept(mosquitto: Mosquitto, ledger: Ledger) -> None:
    """At most 100 crossings are on their way beyond what the stores have."""
    count(ledger, 130)
    with Listener(mosquitto.url) as world, publishing(mosquitto, ledger, stores=("db",)):
        wait_until(lambda: 100 in world.seqs(), "the window is full")
        full = len(world.seqs())
        wait_until(lambda: len(world.seqs()) >= full + 50, "it begins again")

    assert 100 == max(world.seqs())


def test_the_right_password_opens_and_a_wrong_one_is_told(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """The user comes from the configuration, the password from the first line of a file."""
    secret, users = tmp_path / "secret", tmp_path / "users"
    secret.write_text("open sesame\nsecond line\n")
    tool = ["mosquitto_passwd", "-c", "-b", str(users), "door", "open sesame"]
    if Mosquitto.program is None:
        pytest.skip("no mosquitto on PATH or in /usr/sbin")
    subprocess.run(tool, check=True)
    users.chmod(0o644)
    tmp_path.chmod(0o755)
    settings = ["allow_anonymous false", f"password_file {users}", "user root"]
    with Mosquitto(tmp_path, settings) as broker:
        with publishing(broker, ledger, user="door"):
            wait_until(lambda: "check mqtt.user" in caplog.text, "the refusal is told")
        count(ledger, 1)
        with publishing(broker, ledger, user="door", password_file=secret) as publisher:
            publisher.drain(5)

    assert 0 == ledger.backlog()


def test_a_password_file_that_comes_late_is_enough(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Without it counting goes on and the log says why; when it is there no restart is needed."""
    secret = tmp_path / "secret"
    count(ledger, 1)
    with (
        Mosquitto(tmp_path) as broker,
        publishing(broker, ledger, user="door", password_file=secret) as publisher,
    ):
        wait_until(lambda: "mend the file or mqtt.password_file" in caplog.text, "it is told")
        secret.write_text("open sesame\n")
        publisher.drain(5)

    assert 0 == ledger.backlog()


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_password_that_all_can_read_is_told(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture, mode: int, told: bool
) -> None:
    """One line says so and how to mend it; the password itself is in none."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(mode)
    away = MqttConfig(url="mqtt://127.0.0.1:1", user="door", password_file=secret)
    with Publisher("door", away, ledger, status=lambda: HEALTH, rhythm=QUICK) as publisher:
        publisher.drain(0.0)

    assert told == ("chmod 600" in caplog.text)
    assert "sesame" not in caplog.text


def _write_certificates(folder: Path, days: int = -1) -> None:
    """An authority (ca.pem) and what it signed for 127.0.0.1 (server.pem, server.key).

    They are valid from so many days from now on.
    """
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("ca", "it")]
    begin = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    for which, file in enumerate(("ca.pem", "server.pem")):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(names[which])
            .issuer_name(names[0])
            .public_key(keys[which].public_key())
            .serial_number(which + 1)
            .not_valid_before(begin)
            .not_valid_after(begin + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=which == 0, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(keys[0], hashes.SHA256())
        )
        (folder / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_needs_the_right_authority(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """`mqtts` with `mqtt.ca` delivers; without it the broker is not trusted, and that is told."""
    _write_certificates(tmp_path)
    settings = [
        "allow_anonymous true",
        "user root",
        f"certfile {tmp_path / 'server.pem'}",
        f"keyfile {tmp_path / 'server.key'}",
    ]
    count(ledger, 1)
    with Mosquitto(tmp_path, settings, "mqtts") as broker:
        with publishing(broker, ledger):
            wait_until(lambda: "set mqtt.ca" in caplog.text, "the distrust is told")
        kept = ledger.backlog()
        with publishing(broker, ledger, ca=tmp_path / "ca.pem") as publisher:
            publisher.drain(5)
        left = ledger.backlog()
        with publishing(broker, ledger, ca=tmp_path / "server.key"):
            wait_until(lambda: "see mqtt.ca" in caplog.text, "a file without certificates is told")

    assert (1, 0) == (kept, left)


@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_device_enters_with_its_own_certificate(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the broker asks for one; without it nobody enters, and a wrong file is told."""
    _write_certificates(tmp_path)
    rules = [
        "allow_anonymous true",
        "user root",
        "require_certificate true",
        f"cafile {tmp_path / 'ca.pem'}",
        f"certfile {tmp_path / 'server.pem'}",
        f"keyfile {tmp_path / 'server.key'}",
    ]
    ca, own, key = (tmp_path / name for name in ("ca.pem", "server.pem", "server.key"))
    count(ledger, 1)
    with Mosquitto(tmp_path, rules, "mqtts") as broker:
        with publishing(broker, ledger, ca=ca):
            wait_until(lambda: "counting goes on" in caplog.text, "the refusal is told")
        kept = ledger.backlog()
        with publishing(broker, ledger, ca=ca, certificate=key):
            wait_until(lambda: "see mqtt.certificate" in caplog.text, "no certificate is told")
        with publishing(broker, ledger, ca=ca, certificate=own, key=key) as publisher:
            publisher.drain(5)

    assert (1, 0) == (kept, ledger.backlog())


@pytest.mark.parametrize(
    ("url", "plain_text", "allowed"),
    [
        ("mqtt://localhost", False, True),
        ("mqtt://127.0.0.1:1884", False, True),
        ("mqtt://[::1]", False, True),
        ("mqtt://hub.local", False, False),
        ("mqtt://192.0.2.7", False, False),
        ("mqtt://localhost.example", False, False),
        ("mqtt://192.0.2.7", True, True),
        ("mqtts://hub.local", False, True),
    ],
)
def test_plain_text_goes_to_another_machine_only_where_that_is_asked_for(
    url: str, plain_text: bool, allowed: bool
) -> None:
    """By `plain_text = true`; nobody's name server decides which machine this is."""
    settings = MqttConfig(url=url, plain_text=plain_text)
    if allowed:
        assert url in f"{Access.of_config(settings, {})} {url}"
        return
    with pytest.raises(BrokerError, match=r"^[^\n]*plain_text = true[^\n]*$"):
        Access.of_config(settings, {})


def test_the_password_is_systemds_where_no_file_is_named(tmp_path: Path) -> None:
    """With a user, and only then; a file that is named comes first."""
    (tmp_path / "mqtt-password").write_text("of systemd\n")
    (tmp_path / "file").write_text("of the file\n")
    systemd = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    near = MqttConfig(url="mqtt://localhost", user="door")
    named = replace(near, password_file=tmp_path / "file")

    assert "of systemd" == Access.of_config(near, systemd).password
    assert "of the file" == Access.of_config(named, systemd).password
    assert "" == Access.of_config(replace(near, user=""), systemd).password
    assert "" == Access.of_config(near, {}).password
    assert "systemd" not in repr(Access.of_config(near, systemd))


@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_of_tomorrow_is_a_clock_of_yesterday(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock that is not set distrusts every broker with `mqtts`: it is said what to set."""
    _write_certificates(tmp_path, days=1)
    keys = [f"certfile {tmp_path / 'server.pem'}", f"keyfile {tmp_path / 'server.key'}"]
    settings = ["allow_anonymous true", "user root", *keys]
    with (
        Mosquitto(tmp_path, settings, "mqtts") as broker,
        publishing(broker, ledger, ca=tmp_path / "ca.pem"),
    ):
        wait_until(lambda: "set the clock of this machine" in caplog.text, "the clock is told")


def test_a_broker_that_refuses_the_topic_is_told_and_nothing_is_freed(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """An access list without this device: MQTT 5 says so, and the crossing waits."""
    (tmp_path / "acl").write_text("topic readwrite headcount/other/#\n")
    (tmp_path / "acl").chmod(0o600)
    count(ledger, 1)
    settings = ["allow_anonymous true", "user root", f"acl_file {tmp_path / 'acl'}"]
    with Mosquitto(tmp_path, settings) as broker, publishing(broker, ledger):
        wait_until(lambda: "let it write headcount/door/#" in caplog.text, "the refusal is told")

    assert 1 == ledger.backlog()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"url": "broker.local"}, CallError, "mqtt://host"),
        ({"url": "http://broker"}, CallError, "mqtt://host"),
        ({"url": "mqtt://broker:port"}, CallError, "mqtt://host"),
    ],
    ids=["no scheme", "http", "port"],
)
def test_a_wrong_configuration_is_told_at_once(ledger, settings, error, says) -> None:
    """One line, before anything is sent."""
    with pytest.raises(error, match=rf"^[^\n]*{says}[^\n]*$"):
        Publisher(
            "door",
            MqttConfig(**{"url": "mqtt://localhost", **settings}),
            ledger,
            status=lambda: HEALTH,
        )


def test_it_ends_in_time_when_the_broker_is_away(ledger: Ledger) -> None:
    """What cannot be delivered stays; the end waits for the drain and no longer."""
    count(ledger, 1)
    away = MqttConfig(url="mqtt://127.0.0.1:1")
    with Publisher("door", away, ledger, status=lambda: HEALTH, rhythm=QUICK) as publisher:
        publisher.drain(0.3)
        ended = not publisher.alive

    assert ended
    assert 1 == ledger.backlog()


def test_what_is_no_broker_is_told(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """A port that answers with garbage is named, and tried again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        with Publisher("door", MqttConfig(url=url), ledger, status=lambda: HEALTH, rhythm=QUICK):
            for _ in range(4):
                peer, _ = server.accept()
                with contextlib.closing(peer):
                    peer.recv(100)
                    peer.sendall(b"\x20\x04\xff\xff\xff\xffHTTP/1.1 400 Bad Request")
            wait_until(lambda: "speaks MQTT" in caplog.text, "the fault is told")


def test_a_silent_broker_is_not_waited_for_twice(ledger: Ledger) -> None:
    """The 4 s of an attempt that nobody answers are the pause before the next."""
    patient = Rhythm(reconnect=(4.0, 4.0))
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as peers:
        server.settimeout(30)
        away = MqttConfig(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}", protocol="5")
        with Publisher("door", away, ledger, status=lambda: HEALTH, rhythm=patient):
            peers.enter_context(contextlib.closing(server.accept()[0]))
            begun = time.monotonic()
            peers.enter_context(contextlib.closing(server.accept()[0]))
            passed = time.monotonic() - begun

    assert 3.9 < passed < 6.5


def test_a_killed_device_is_offline_and_its_totals_go_on(broker: Broker, tmp_path: Path) -> None:
    """After kill -9 the will says offline; the next start says online, with all that it counted."""
    path = tmp_path / "door.db"
    protocol = config(broker).protocol
    with Listener(broker.url) as world:
        command = [sys.executable, __file__, str(path), broker.url, protocol]
        root = str(Path(__file__).parent.parent)
        child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
        try:
            wait_until(lambda: len(world.seqs()) >= 5, "crossings of the device")
            online = world.availability()
            child.send_signal(signal.SIGKILL)
            wait_until(lambda: world.availability() == "offline", "the last will")
        finally:
            child.kill()
            child.wait()
        told = max(world.seqs())
        with Ledger.open(path) as ledger, publishing(broker, ledger) as publisher:
            found = ledger.state(NOON)
            count(ledger, 1)
            publisher.drain(5)
        wait_until(lambda: world.state().seq == found.seq + 1, "the state of the next start")

    assert "online" == online
    assert found.in_total == found.seq >= told
    assert set(range(1, found.seq + 2)) == set(world.seqs())


def _device(path: str, url: str, protocol: str) -> None:
    """Count and publish until killed."""
    mqtt = MqttConfig(url=url, protocol=protocol)
    with (
        Ledger.open(Path(path)) as ledger,
        Publisher("door", mqtt, ledger, status=lambda: HEALTH, rhythm=QUICK) as publisher,
    ):
        while True:
            ledger.record(Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9), NOON)
            publisher.wake()
            signal.sigtimedwait([], 0.02)


if __name__ == "__main__":
    _device(*sys.argv[1:])
