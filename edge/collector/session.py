"""One connection's life: batches from the broker into the store, acknowledgements out.

    broker --> batch --> store.take() --+--> to the device: all up to seq are stored
                         (committed)    +--> to the broker: it may forget these messages

Nothing is acknowledged before the commit. A lost connection or store loses nothing: who was not
acknowledged sends again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.collector.fleet import Fleet
from edge.collector.records import Record, check_device, check_size, read_record
from edge.collector.store import Ledger, Store
from edge.collector.tally import Tally
from edge.contract.messages import ALL_EVENTS, ALL_RETAINED, Ack, Topics
from edge.errors import BrokerError, DataError
from edge.mqtt import Connection, Delivered, Event, Lost, Message, Subscribed

BATCH = 500  # events, at most, in one commit
_LINGER_S = 0.05  # that a batch waits for more, at most ...
_QUIET_S = 0.005  # ... and without any: mosquitto sends but 20 that are not acknowledged
_POLL_S = 0.25
_ANSWER_S = 10.0
_MOST_ACKS = 2000  # on their way to the broker; what is due beyond that is due once a ledger
_SAID_S = 600.0  # the same fault of the same device is told again after this
_MOST_SAID = 1000  # faults that are remembered as told

_log = logging.getLogger(__name__)


class Complaints:
    """Tells each fault of each device once in a while; `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}

    def say(self, device: str, kind: str, message: str) -> None:
        """Warn, unless that was said of late."""
        now = self._clock()
        if now - self._said.get((device, kind), float("-inf")) < _SAID_S:
            return
        if len(self._said) >= _MOST_SAID:  # of many names that are none; begin again
            self._said.clear()
        self._said[device, kind] = now
        _log.warning("%s: %s", device, message)


@dataclass(frozen=True, slots=True)
class Books:
    """Where a session writes what it hears; they outlive it."""

    fleet: Fleet
    tally: Tally
    complaints: Complaints


class Session:
    """Serves one connection: `greet`, then `step` until it raises, then `finish`.

    Args:
        connection: acknowledges by hand.
        store: where to.
        name: of the store, as the devices' mqtt.stores has it.
        books: what is heard.
    """

    def __init__(self, connection: Connection, store: Store, name: str, books: Books) -> None:
        self._connection = connection
        self._store = store
        self._name = name
        self._books = books
        self._batch: list[Record] = []
        self._begun = 0.0  # monotonic second of the batch's first record
        self._taken: list[Message] = []  # in the order in which they are to be acknowledged
        self._due: dict[Ledger, int] = {}  # what is to be acknowledged, and how far
        self._in_flight: set[int] = set()
        self._asked: list[tuple[str, ...]] = []

    def greet(self) -> None:
        """Ask for what the devices say, and say how far the store is.

        A store that was set back to an older copy takes back in this way what it had said.

        Raises:
            BrokerError: the connection is lost, or the broker refuses or does not answer.
            StoreError: the store is away.
        """
        shared = self._store.shared and self._connection.version == "5"
        self._ask(f"$share/headcount-{self._name}/{ALL_EVENTS}" if shared else ALL_EVENTS)
        self._ask(*ALL_RETAINED)
        deadline = time.monotonic() + _ANSWER_S
        while self._asked:
            self._handle(self._connection.next(_POLL_S))
            if time.monotonic() > deadline:
                raise BrokerError("the broker does not answer; see its log")
        for device, heard in self._store.latest().items():
            self._books.fleet.hear_event(device, heard.at.timestamp())
            self._acknowledge({(device, heard.epoch): heard.stored_to})

    def step(self) -> bool:
        """Take in what arrived, commit it, acknowledge it; waits a moment.

        Returns:
            Whether there was something to commit.

        Raises:
            BrokerError: the connection is lost, or the broker refuses.
            StoreError: the store is away; nothing of the batch is acknowledged.
        """
        self._take_in()
        full = bool(self._batch)
        if full:
            self._commit()
        for message in self._taken:
            self._connection.acknowledge(message)
        self._taken.clear()
        self._send_acks()
        return full

    def finish(self, seconds: float = 1.0) -> None:
        """Wait until the broker has all acknowledgements, for so long at most."""
        deadline = time.monotonic() + seconds
        while (self._due or self._in_flight) and time.monotonic() < deadline:
            self._send_acks()
            self._handle(self._connection.next(_LINGER_S))

    def _ask(self, *topics: str) -> None:
        self._asked.append(topics)
        self._connection.subscribe(*topics)

    def _take_in(self) -> None:
        """Fill a batch: until it is full, or has waited for more for long enough."""
        wait = _POLL_S
        while len(self._taken) < BATCH:
            event = self._connection.next(max(0.0, wait))
            if event is None:
                return
            self._handle(event)
            left = self._begun + _LINGER_S - time.monotonic()
            wait = min(left, _QUIET_S) if self._batch else 0.0

    def _handle(self, event: Event | None) -> None:
        match event:
            case Message():
                self._hear(event)
            case Delivered(mid, refusal):
                self._in_flight.discard(mid)
                if refusal is not None:
                    raise BrokerError(
                        f"the broker refuses this store's acknowledgements: {refusal}; let it "
                        f"write headcount/ack/{self._name}/#"
                    )
            case Subscribed(refusal=refusal):
                self._heed(self._asked.pop(0), refusal)
            case Lost(reason):
                raise BrokerError(f"the connection to the broker is lost: {reason}")

    def _heed(self, topics: tuple[str, ...], refusal: str | None) -> None:
        if refusal is None:
            return
        if topics[0].startswith("$share/"):
            _log.info("the broker knows no shared subscriptions: this collector takes all events")
            self._ask(ALL_EVENTS)
            return
        raise BrokerError(f"the broker lets this store hear nothing: {refusal}; see its ACL")

    def _hear(self, message: Message) -> None:
        self._taken.append(message)
        _, _, whose = message.topic.partition("/")
        device, _, kind = whose.partition("/")
        if kind not in self._books.tally.refused:
            # amqtt tells each newcomer all that is retained and that anybody has asked for.
            _log.debug("%s: was not asked for", message.topic)
            return
        try:
            self._note(device, kind, message)
        except DataError as error:
            self._books.tally.refused[kind] += 1
            self._books.complaints.say(device, kind, f"what it says cannot be stored: {error}")

    def _note(self, device: str, kind: str, message: Message) -> None:
        if kind == "event":
            record = read_record(device, message.payload)
            if not self._batch:
                self._begun = time.monotonic()
            self._batch.append(record)
            return
        check_device(device)
        check_size(message.payload)
        if self._books.fleet.hear(device, kind, message.payload, time.time()):
            self._books.complaints.say(
                device,
                "twice",
                "two devices have this id, each has counts of its own; give one another [device] "
                "id, both are stored",
            )

    def _commit(self) -> None:
        begun, now = time.monotonic(), time.time()
        receipt = self._store.take(self._batch)
        tally = self._books.tally
        tally.commits += 1
        tally.commit_s += time.monotonic() - begun
        tally.stored += receipt.stored
        tally.duplicates += receipt.duplicates
        for device in {record.device for record in self._batch}:
            self._books.fleet.hear_event(device, now)
        self._batch.clear()
        self._acknowledge(receipt.stored_to)

    def _acknowledge(self, stored_to: Mapping[Ledger, int]) -> None:
        for ledger, seq in stored_to.items():
            self._due[ledger] = max(seq, self._due.get(ledger, 0))

    def _send_acks(self) -> None:
        most = min(_MOST_ACKS, self._connection.window)
        while self._due and len(self._in_flight) < most:
            device, epoch = ledger = next(iter(self._due))
            ack = Ack(epoch, self._due.pop(ledger))
            topic = Topics(device).ack(self._name)
            self._in_flight.add(self._connection.publish(topic, ack.to_json(), retain=True))
