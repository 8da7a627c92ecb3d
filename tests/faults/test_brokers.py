"""Brokers that are not what they should be, and a second device of the same name.

A broker that says nothing, or not enough, is noticed and counting goes on; two devices of one id
are both heard out, and both told of.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.contract.messages import StateMessage
from edge.ledger import Ledger
from edge.publisher import Publisher, Rhythm
from edge.types import Crossing, Direction
from tests.brokers import Listener, Mosquitto, free_port, wait_until
from tests.collector.collecting import Collector, count, counted, delivered, stored
from tests.test_publisher import HEALTH

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
HASTY = Rhythm(keepalive=2, reconnect=(0.05, 0.2), health=0.2, resend=(0.3, 1.0), silence=1.5)
CONNECT, PUBLISH, SUBSCRIBE, PING = 1, 3, 8, 12


class Silent:
    """A broker that answers no more than it is told to, by the kinds of packets; MQTT 5 alone."""

    def __init__(self, *kinds: int) -> None:
        self.url = f"mqtt://127.0.0.1:{free_port()}"
        self._kinds = kinds
        self._server = socket.create_server(("127.0.0.1", int(self.url.rpartition(":")[2])))
        self._peers: list[socket.socket] = []
        self._over = False

    @property
    def tries(self) -> int:
        """How often somebody came."""
        return len(self._peers)

    def __enter__(self) -> Silent:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for each in (self._server, *self._peers):
            each.close()

    def _accept(self) -> None:
        while not self._over:
            with contextlib.suppress(OSError):
                peer, _ = self._server.accept()
                self._peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, body = _packet(peer)
                if kind in self._kinds:
                    peer.sendall(_answer(kind, body))


def _packet(peer: socket.socket) -> tuple[int, bytes]:
    first, length, shift = _bytes(peer, 1)[0], 0, 0
    while True:
        more = _bytes(peer, 1)[0]
        length, shift = length | (more & 127) << shift, shift + 7
        if more < 128:
            return first >> 4, _bytes(peer, length)


def _bytes(peer: socket.socket, number: int) -> bytes:
    found = b""
    while len(found) < number:
        more = peer.recv(number - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _answer(kind: int, body: bytes) -> bytes:
    if kind == CONNECT:
        return b"\x20\x03\x00\x00\x00"
    if kind == PING:
        return b"\xd0\x00"
    if kind == SUBSCRIBE:
        return b"\x90\x04" + body[:2] + b"\x00\x01"
    topic = int.from_bytes(body[:2])
    return b"\x40\x02" + body[2 + topic : 4 + topic]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def publisher(ledger: Ledger, url: str, rhythm: Rhythm = HASTY, **settings: object) -> Publisher:
    config = MqttConfig(url=url, protocol="5", **settings)  # type: ignore[arg-type]
    return Publisher("door", config, ledger, status=lambda: HEALTH, rhythm=rhythm)


SILENCES = {
    "not even hello": ((), "does not answer"),
    "hello and no more": ((CONNECT,), "has fallen silent"),
    "pings": ((CONNECT, PING), "answers no subscription"),
    "all but messages": ((CONNECT, PING, SUBSCRIBE), "acknowledges no message"),
    "all but subscriptions": ((CONNECT, PING, PUBLISH), "answers no subscription"),
}


@pytest.mark.parametrize("answers", SILENCES)
def test_a_broker_that_keeps_silent(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, answers: str
) -> None:
    """It is left, with a line that says why, and tried again; counting goes on, nothing is lost."""
    kinds, says = SILENCES[answers]
    # Each has to be what ends it: the answer to hello takes 4 s, two pings without one 4, too.
    rhythm = replace(HASTY, keepalive=10 if not kinds else 2, silence=1.5 if PING in kinds else 60)
    with Silent(*kinds) as broker, publisher(ledger, broker.url, rhythm, stores=("db",)) as device:
        slowest = 0.0
        until = time.monotonic() + 15
        while time.monotonic() < until and not (says in caplog.text and broker.tries > 1):
            begun = time.monotonic()
            count(ledger, 1)
            slowest = max(slowest, time.monotonic() - begun)
            device.wake()
            time.sleep(0.02)
        tries, begun = broker.tries, time.monotonic()
        device.drain(0.1)
        ended = time.monotonic() - begun
    committed = ledger.state(NOON).seq

    assert "counting goes on" in caplog.text
    assert says in caplog.text
    assert 1 < tries < 30
    assert slowest < 1.0
    assert committed == ledger.backlog() > 0
    assert ended < 6


def test_a_broker_that_comes_to_itself_is_told_all(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """One that took messages for a while and acknowledged none; the next has them all, once."""
    count(ledger, 5)
    with Silent(CONNECT, PING, SUBSCRIBE) as silent, publisher(ledger, silent.url):
        wait_until(lambda: "acknowledges no message" in caplog.text, "it is noticed")
        kept = ledger.backlog()
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.url) as world,
        publisher(ledger, broker.url),
    ):
        wait_until(lambda: ledger.backlog() == 0, "all is delivered")
        wait_until(lambda: len(world.seqs()) == 5, "and heard")

    assert 5 == kept
    assert [1, 2, 3, 4, 5] == world.seqs()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_two_devices_of_one_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    """Both say so, in the log and in the state; neither is thrown off; all is stored, by epoch."""
    address = f"sqlite:{tmp_path / 'store.db'}"
    rhythm = Rhythm(reconnect=(0.05, 0.2), health=0.2, resend=(1.0, 10.0))
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path))
        collector = stack.enter_context(Collector(broker.url, address, tmp_path))
        collector.ready()
        world = stack.enter_context(Listener(broker.url))
        ledgers = [stack.enter_context(Ledger.open(tmp_path / f"{n}.db")) for n in (1, 2)]
        devices = []
        for each in ledgers:
            config = MqttConfig(url=broker.url, stores=("db",), protocol=protocol)
            device = Publisher("door", config, each, status=lambda: HEALTH, rhythm=rhythm)
            devices.append(stack.enter_context(device))
            count(each, 10)
            device.wake()
            wait_until(lambda: _state(world, each) == 10, "its state")  # noqa: B023
        for _ in range(10):
            for each, device in zip(ledgers, devices, strict=True):
                each.record(Crossing("L1", Direction.IN, 0, 0.0, 0, 1.0, 0.9), NOON)
                device.wake()
        delivered(*ledgers)
        wait_until(lambda: 2 == len(_taken(world)), "both say it")
        greetings = len(world.payloads("availability"))
        time.sleep(1.5)
        storm = len(world.payloads("availability")) - greetings
        devices[1].drain(5)
        wait_until(lambda: world.availability() == "online", "one is still there")
        epochs = [each.state(NOON).epoch for each in ledgers]
        rows = stored(address)
        log = collector.started[-1].log

    assert set(epochs) == _taken(world)
    assert 2 == caplog.text.count("another device publishes as door")
    assert 0 == storm
    assert sorted(counted(epochs[0], 10) + counted(epochs[1], 10)) == [
        row for row in rows if row[2] <= 10
    ]
    assert [20, 20] == [sum(row[1] == epoch for row in rows) for epoch in epochs]
    assert "two devices have this id" in log


def _state(world: Listener, ledger: Ledger) -> int:
    state = world.state()
    return state.seq if state and state.epoch == ledger.state(NOON).epoch else 0


def _taken(world: Listener) -> set[str]:
    """Epochs of those who say that their id is another's, too."""
    states = [StateMessage.from_json(payload) for payload in world.payloads("state")]
    return {each.epoch for each in states if each.quality.get("id") == "taken"}


def test_one_that_died_does_not_seem_off_when_it_is_back(tmp_path: Path, ledger: Ledger) -> None:
    """A will that comes late, of a connection that is long lost, is put right at once."""
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.url) as world,
        publisher(ledger, broker.url),
    ):
        wait_until(lambda: world.availability() == "online", "it is there")
        world.say("headcount/door/availability", "offline", retain=True)
        wait_until(lambda: len(world.payloads("availability")) == 3, "it says so")

    assert ["online", "offline", "online"] == [
        each.decode() for each in world.payloads("availability")[:3]
    ]
