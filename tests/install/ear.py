"""Hears what a machine's broker says, from within its network, with when it was said.

The listener is a process of its own that enters the machine's network and nothing else of it, so
that it is none of the machine's programs that tells how the machine does.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as paho

from edge.contract.messages import (
    CrossingMessage,
    EventMessage,
    HealthSnapshot,
    StateMessage,
    parse_utc,
    read_event,
)
from tests.brokers import wait_until
from tests.conftest import ROOT
from tests.install.container import Machine

_PORT = 1883


@dataclass(frozen=True)
class Heard:
    """A message. `at`: monotonic seconds of this machine, `retained`: told to a newcomer."""

    at: float
    topic: str
    payload: str
    retained: bool


class Ear:
    """Listens to all below `headcount/`, and comes back after a broker does."""

    def __init__(self, machine: Machine) -> None:
        self.heard: list[Heard] = []
        self._command = [*machine.inside("-n"), sys.executable, "-m", "tests.install.ear"]

    def __enter__(self) -> Ear:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.heard.append(Heard(time.monotonic(), *json.loads(line)))

    def said(self, kind: str, since: float = 0.0) -> list[Heard]:
        """The messages of a kind (state, event, availability), in order."""
        return [h for h in list(self.heard) if h.at >= since and h.topic.endswith(f"/{kind}")]

    def states(self, since: float = 0.0) -> list[StateMessage]:
        """The states that were told."""
        return [StateMessage.from_json(h.payload.encode()) for h in self.said("state", since)]

    def crossings(self, since: float = 0.0) -> list[CrossingMessage]:
        """The crossings that were told."""
        return [event for event in self.events(since) if isinstance(event, CrossingMessage)]

    def events(self, since: float = 0.0) -> list[EventMessage]:
        """The crossings, buckets and gaps that were told."""
        return [read_event(h.payload.encode()) for h in self.said("event", since)]

    def seqs(self) -> list[int]:
        """Of all events that were told."""
        return [event.seq for event in self.events()]

    def hears_crossings(self, number: int, since: float, seconds: float = 90.0) -> None:
        """Wait until so many were told since a moment."""
        wait_until(
            lambda: len(self.crossings(since)) >= number, f"{number} crossings are told", seconds
        )

    def healths(self, since: float = 0.0) -> list[HealthSnapshot]:
        """What the device has told of itself."""
        return [HealthSnapshot.from_json(h.payload) for h in self.said("health", since)]

    def hears_model(self, model: str, phase: str, since: float, seconds: float = 120.0) -> float:
        """Wait until it counts with a model, an update since a moment being so far.

        Returns:
            When that was told, monotonic seconds.
        """
        begun = datetime.now(UTC) - timedelta(seconds=time.monotonic() - since)

        def told() -> list[float]:
            heard = self.said("health", since)
            return [h.at for h in heard if _is(h.payload, model, phase, begun)]

        wait_until(lambda: bool(told()), f"{model} counts, {phase}", seconds)
        return told()[0]

    def goes_on(self, since: float) -> None:
        """Since a moment: crossings are told, one after the other, in the epoch of before."""
        self.hears_crossings(2, since)
        states = self.states()
        seqs = self.seqs()

        assert 1 == len({state.epoch for state in states})
        assert list(range(seqs[0], seqs[-1] + 1)) == sorted(set(seqs))
        for earlier, later in itertools.pairwise(states):
            assert earlier.in_total <= later.in_total
            assert earlier.out_total <= later.out_total


def _is(payload: str, model: str, phase: str, begun: datetime) -> bool:
    health = HealthSnapshot.from_json(payload)
    update = health.update
    return (
        update is not None
        and (model, phase) == (health.model, update["phase"])
        and parse_utc(update["at"]) >= begun
    )


def _listen(tell: Callable[[str], None]) -> None:
    def on_connect(client: paho.Client, *_: object) -> None:
        client.subscribe("headcount/#", qos=1)

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        tell(json.dumps([message.topic, message.payload.decode(), message.retain]))

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.reconnect_delay_set(1, 1)
    client.on_connect, client.on_message = on_connect, on_message
    client.connect_async("127.0.0.1", _PORT)
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    _listen(lambda line: print(line, flush=True))
