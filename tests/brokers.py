"""Brokers to test against, and an independent subscriber that remembers what it heard."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from edge.broker import EmbeddedBroker
from edge.contract.messages import (
    CrossingMessage,
    EventMessage,
    HealthSnapshot,
    StateMessage,
    read_event,
)

DEADLINE_S = 10.0
# Below those that the system gives to who asks for any: nobody gets one of them between a test's
# asking and its use.
_FIRST_PORT, _PORTS_EACH, _RUNS = 20_000, 250, 40


@functools.cache
def _own_ports() -> tuple[Iterator[int], socket.socket]:
    """Ports that no other test process picks, and what keeps them ours until this one ends.

    A test that kills a broker and starts it again must find its port free in between.
    """
    for turn in range(_RUNS):
        run = (os.getpid() + turn) % _RUNS
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0headcount-tests-{run}")
        except OSError:
            mark.close()
            continue
        first = _FIRST_PORT + run * _PORTS_EACH
        return itertools.cycle(range(first, first + _PORTS_EACH)), mark
    raise RuntimeError(f"{_RUNS} test processes run on this machine; wait for one to end")


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Poll until the condition holds; fail with `what` when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    ports, _ = _own_ports()
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports have no end")


class Mosquitto:
    """A real mosquitto on a free port, configured by a file in `folder`."""

    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def __init__(
        self, folder: Path, settings: Iterable[str] = ("allow_anonymous true",), scheme: str = ""
    ) -> None:
        if self.program is None:
            pytest.skip("no mosquitto on PATH or in /usr/sbin")
        self.port = free_port()
        self.url = f"{scheme or 'mqtt'}://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", *settings, ""]
        self._config.write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "the broker listens", 60)

    def _command(self) -> list[str]:
        return [str(self.program), "-c", str(self._config)]

    @property
    def pid(self) -> int:
        """Of the broker that runs."""
        assert self._process is not None
        return self._process.pid

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it has ended; has another process port {self.port}?"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it the hard way, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Amqtt(Mosquitto):
    """The embedded broker in a process of its own; it speaks MQTT 3.1.1 and keeps nothing."""

    def _command(self) -> list[str]:
        serve = (
            "import signal, edge.broker; "
            f"edge.broker.EmbeddedBroker({self.port}).start(); signal.pause()"
        )
        return [sys.executable, "-c", serve]


Broker = Mosquitto | EmbeddedBroker


def make_broker(kind: str, folder: Path) -> Broker:
    """A broker that has a port and is not started."""
    return Mosquitto(folder) if kind == "mosquitto" else EmbeddedBroker(free_port())


class Listener:
    """Hears all below `headcount/`, and comes back after a broker does."""

    def __init__(self, url: str, topics: str = "headcount/#") -> None:
        self.heard: list[tuple[str, bytes, bool]] = []  # topic, payload, retained
        self._subscribed = 0
        self._topics = topics
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect_async(host, int(port))

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topics, qos=1)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed += 1

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload, message.retain))

    def __enter__(self) -> Listener:
        self._client.loop_start()
        self.await_subscription()
        return self

    def await_subscription(self, times: int = 1) -> None:
        """Wait until it has subscribed so many times, once a connection."""
        wait_until(lambda: self._subscribed >= times, "the listener has subscribed")

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()

    def say(self, topic: str, payload: str | bytes, retain: bool = False) -> None:
        """Publish, as a store would."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def payloads(self, kind: str, device: str = "door") -> list[bytes]:
        """What was heard on a topic of the device, in order."""
        topic = f"headcount/{device}/{kind}"
        return [payload for heard, payload, _ in list(self.heard) if heard == topic]

    def events(self) -> list[EventMessage]:
        return [read_event(payload) for payload in self.payloads("event")]

    def crossings(self) -> list[CrossingMessage]:
        return [event for event in self.events() if isinstance(event, CrossingMessage)]

    def seqs(self) -> list[int]:
        return [event.seq for event in self.events()]

    def state(self) -> StateMessage | None:
        """The last one."""
        payloads = self.payloads("state")
        return StateMessage.from_json(payloads[-1]) if payloads else None

    def health(self) -> HealthSnapshot | None:
        """The last one."""
        payloads = self.payloads("health")
        return HealthSnapshot.from_json(payloads[-1]) if payloads else None

    def availability(self) -> str | None:
        """The last word."""
        payloads = self.payloads("availability")
        return payloads[-1].decode() if payloads else None


def retained(url: str, device: str = "door") -> dict[str, Any]:
    """What a newcomer is told: kind -> payload."""
    told: dict[str, Any] = {}
    with Listener(url) as newcomer:
        wait_until(lambda: newcomer.state() and newcomer.availability(), "something is retained")
        for kind in ("availability", "state", "event"):
            found = [p for t, p, r in newcomer.heard if t == f"headcount/{device}/{kind}" and r]
            if found:
                told[kind] = found[-1].decode() if kind == "availability" else json.loads(found[-1])
    return told
