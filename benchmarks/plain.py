"""The usual way: paho's client publishes with QoS 1, to a subscriber with a session that lasts."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.history import Count, History, Passage
from tests.paced_door import direction_of

DEVICE = "plain"
_TOPIC = "plain/event"
_QUIET_S = 3.0
_LONGEST_S = 60.0


class Plain:
    """A door of people who are known one by one, and who reads of them.

    As the documentation has it: the queue of what is not acknowledged is the client's own, both
    come back to the broker by themselves, and the broker keeps what comes for the subscriber. They
    come back as soon as a headcount device does: after 1 to 5 s.
    """

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("mqtt://").split(":")
        self._commits: list[Count] = []
        self._deliveries: list[Count] = []
        self._unacknowledged = 0
        self._reader, self._writer = _client("plain-reader"), _client("plain-writer")
        self._reader.on_connect = lambda client, *_: client.subscribe(_TOPIC, qos=1)
        self._reader.on_message = self._on_message
        self._writer.on_publish = self._on_publish
        for client in (self._reader, self._writer):
            client.connect_async(host, int(port), keepalive=10)
            client.loop_start()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        person, direction, *rest = json.loads(message.payload)
        self._deliveries.append(Count(Passage(DEVICE, person, direction), "", *rest))

    def _on_publish(self, *_: object) -> None:
        self._unacknowledged -= 1

    def run(self, until: float, rate: float) -> None:
        """Publish until a monotonic second, then wait until all is acknowledged and all is quiet.

        Args:
            until: when people pass no more.
            rate: people a second.
        """
        totals, due = {"in": 0, "out": 0}, time.monotonic()
        while due < until:
            person = len(self._commits)
            direction = direction_of(DEVICE, person).value
            totals[direction] += 1
            count = Count(Passage(DEVICE, person, direction), "", person + 1, *totals.values())
            self._commits.append(count)
            self._unacknowledged += 1
            payload = [person, direction, count.seq, count.in_total, count.out_total]
            self._writer.publish(_TOPIC, json.dumps(payload), qos=1)
            due += 1 / rate
            time.sleep(max(0.0, due - time.monotonic()))
        self._settle()
        for client in (self._writer, self._reader):
            client.disconnect()
            client.loop_stop()

    def _settle(self) -> None:
        heard, since, begun = -1, time.monotonic(), time.monotonic()
        while time.monotonic() - begun < _LONGEST_S:
            if self._unacknowledged or heard != len(self._deliveries):
                heard, since = len(self._deliveries), time.monotonic()
            if time.monotonic() - since > _QUIET_S:
                return
            time.sleep(0.1)

    def history(self) -> History:
        """What was published is committed, what was read is delivered."""
        commits = tuple(self._commits)
        passages = tuple(each.passage for each in commits)
        return History(passages, commits, (), tuple(self._deliveries))


def _client(name: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    client.reconnect_delay_set(1, 5)
    return client
