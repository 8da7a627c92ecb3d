"""One connection's life: what is in flight, what was sent, what the stores have said.

ledger.pending() --> sent, at most WINDOW rows --> ledger.acknowledge()
                       |                            when the broker has acknowledged them or,
                       +-- when the stores are      with stores named, when all stores have
                           silent: again from the oldest row that waits (go-back-N)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from edge.clock import is_set
from edge.contract.commands import Command
from edge.contract.messages import (
    FULL,
    OFFLINE,
    ONLINE,
    TAKEN,
    UNSET,
    Ack,
    BucketMessage,
    CrossingMessage,
    EventMessage,
    GapMessage,
    HealthSnapshot,
    LineCount,
    StateMessage,
    Topics,
)
from edge.contract.quality import OK
from edge.errors import BrokerError, DataError
from edge.ledger import BucketRow, EventRow, GapRow, Ledger, OutboxRow
from edge.mqtt import Connection, Delivered, Event, Lost, Message, Subscribed
from edge.publisher import discovery
from edge.publisher.commands import Commands
from edge.publisher.namesake import Namesake
from edge.types import CountState

WINDOW = 100  # events sent and not yet acknowledged
CAMERA_SILENT_S = 5.0  # no picture for so long: nobody is counted now

Quality = Mapping[str, Any]

_POLL_S = 0.25  # without being woken
_GOODBYE_S = 1.0
_NO_ROW = 0
_SPARE = -1  # a message without which all else goes on
_MOST_IN_FLIGHT = 2 * WINDOW  # messages of all kinds, whatever more the broker would take
_AT_ONCE = 200  # messages taken in before what is due is sent

_KINDS: dict[type[EventRow], type[EventMessage]] = {
    OutboxRow: CrossingMessage,
    BucketRow: BucketMessage,
    GapRow: GapMessage,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How long to wait for what, in seconds."""

    keepalive: int = 10  # a broker that falls silent is noticed after one and a half of it
    reconnect: tuple[float, float] = (1.0, 5.0)  # first and longest
    health: float = 5.0
    resend: tuple[float, float] = (2.0, 30.0)  # without a word of the stores; first and longest
    silence: float = 20.0  # of a broker that takes messages and acknowledges none


class Session:
    """Serves one connection: `greet`, then `step` until it raises or all is said, `say_goodbye`."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        stores: tuple[str, ...],
        ledger: Ledger,
        sent_up_to: dict[str, int],
        *,
        status: Callable[[], HealthSnapshot],
        quality: Callable[[], Quality],
        news: threading.Event,
        clock: Callable[[], datetime],
        rhythm: Rhythm,
        announcement: str | None = None,
        update: Callable[[Command], None] | None = None,
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._ledger = ledger
        self._sent_up_to = sent_up_to  # epoch -> seq, over all sessions
        self._status, self._clock, self._rhythm = status, clock, rhythm
        self._measure = quality
        self._words: dict[str, dict[str, int]] = {topics.ack(name): {} for name in stores}
        self._ready = not stores
        self._commands = Commands(topics, ledger, clock, update)
        self._announcement = announcement  # for Home Assistant; None: none
        self._announced = announcement is None
        self._asked: dict[int, str] = {}  # mid -> what else was asked for
        self._unanswered: set[int] = set()  # mids of what was asked for
        self._in_flight: dict[int, int] = {}  # mid -> id of the row, or _NO_ROW
        self._begun = time.monotonic()
        self._answered = self._begun  # when the broker last acknowledged, or had nothing to
        self._leaving = False
        self._sent: deque[EventRow] = deque()
        self._cursor = 0  # id of the row sent last
        self._late = ledger.state(clock())  # what is in it was recorded before this session
        self._namesake = Namesake(topics, self._late.epoch)
        self._highest = 0  # id of the latest row ever sent in this session
        self._published: tuple[CountState, Quality] | None = None
        self._quality: Quality = {}
        self._news = news  # of the status
        self._health_due = time.monotonic()
        self._patience = rhythm.resend[0]
        self._heard = time.monotonic()

    def greet(self) -> None:
        """Say that the device is there and ask for the words of the stores."""
        self._publish(self._topics.availability, ONLINE, retain=True)
        if self._words:
            self._unanswered.add(self._connection.subscribe(*self._words))
        self._ask(self._topics.commands)
        for topic in self._namesake.topics:
            self._ask(topic, of_others=True)
        if self._announcement is not None:
            self._ask(discovery.BIRTH)

    def _ask(self, topic: str, *, of_others: bool = False) -> None:
        mid = self._connection.subscribe(topic, of_others=of_others)
        self._asked[mid] = topic
        self._unanswered.add(mid)

    def step(self) -> None:
        """Take in what arrived, free what is delivered, send what is due; waits a moment.

        Raises:
            BrokerError: the connection is lost, or the broker refuses a topic.
            LedgerError: the ledger cannot be read or written.
        """
        self._take_in(_POLL_S)
        self._end_on_silence()
        self._free()
        self._go_back_on_silence()
        self._announce()
        self._send_retained()
        self._send_events()

    def drained(self) -> bool:
        """Whether the broker has all there is."""
        return not self._in_flight and not self._ledger.pending(1, after=self._cursor)

    def say_goodbye(self) -> None:
        """Say offline, and wait a moment for the broker to have taken it."""
        self._leaving = True
        self._publish(self._topics.availability, OFFLINE, retain=True)
        deadline = time.monotonic() + _GOODBYE_S
        while self._in_flight and time.monotonic() < deadline:
            self._take_in(_POLL_S)

    def _take_in(self, timeout_s: float) -> None:
        for number in range(_AT_ONCE):
            event = self._connection.next(0 if number else timeout_s)
            if event is None:
                return
            self._handle(event)

    def _handle(self, event: Event) -> None:
        match event:
            case Delivered(mid, refusal):
                self._answered = time.monotonic()
                row = self._in_flight.pop(mid, _NO_ROW)
                if refusal is not None:
                    self._refused(row, refusal)
            case Message() if self._commands.concern(event):
                self._obey(event)
            case Message(topic, _) if topic in self._namesake.topics:
                self._hear_namesake(event)
            case Message(discovery.BIRTH, payload):
                self._announced = self._announced and payload != discovery.BORN
            case Message(topic, payload) if topic in self._words:
                self._listen(topic, payload)
            case Message(topic, _):
                _log.debug("%s: was not asked for", topic)
            case Subscribed(mid, None):
                self._unanswered.discard(mid)
                self._ready = self._ready or mid not in self._asked
            case Subscribed(mid, refusal) if mid in self._asked:
                self._unanswered.discard(mid)
                _log.warning(
                    "the broker lets %s not read %s: %s; counts are delivered all the same",
                    self._topics.device,
                    self._asked[mid],
                    refusal,
                )
            case Subscribed(_, refusal):
                raise BrokerError(
                    f"the broker refuses to tell {self._topics.device} of its stores: "
                    f"{refusal}; let it read {', '.join(self._words)}"
                )
            case Lost(reason):
                raise BrokerError(f"the connection to the broker is lost: {reason}")

    def _refused(self, row: int, refusal: str) -> None:
        device = self._topics.device
        if row != _SPARE:
            raise BrokerError(
                f"the broker refuses what {device} sends: {refusal}; "
                f"let it write headcount/{device}/#"
            )
        _log.warning(
            "the broker refuses the announcement for Home Assistant: %s; let %s write %s, or set "
            "mqtt.discovery = false",
            refusal,
            device,
            discovery.topic(device),
        )

    def _obey(self, message: Message) -> None:
        if len(self._in_flight) >= WINDOW:  # the rest of the room is that of the counts
            _log.warning("%s: ignored, too many come for all to be answered", message.topic)
            return
        answer = self._commands.answer(message)
        if answer is not None:
            self._publish(*answer)

    def _hear_namesake(self, message: Message) -> None:
        before = self._namesake.met
        if self._namesake.hear(message) and not self._leaving and self._room():
            self._publish(self._topics.availability, ONLINE, retain=True)
        if self._namesake.met and not before:
            self._news.set()  # which the state tells, and so the other one hears of us

    def _announce(self) -> None:
        """Tell Home Assistant of this device, once a connection and whenever it has started."""
        if self._announcement is not None and not self._announced and self._room():
            self._announced = True
            where = discovery.topic(self._topics.device)
            self._publish(where, self._announcement, retain=True, row=_SPARE)

    def _listen(self, topic: str, payload: bytes) -> None:
        """Believe a store's word, if it is one that it can give."""
        try:
            ack = Ack.from_json(payload)
        except DataError as error:
            _log.warning("%s: %s; ignored, see what its store is", topic, error)
            return
        if ack.seq > self._sent_up_to.get(ack.epoch, 0):
            _log.warning(
                "%s: ignored: event %d of epoch %s was never sent; has another device this id?",
                topic,
                ack.seq,
                ack.epoch,
            )
            return
        word = self._words[topic]
        word[ack.epoch] = max(ack.seq, word.get(ack.epoch, 0))
        everyone = min(said.get(ack.epoch, 0) for said in self._words.values())
        if self._ledger.acknowledge(ack.epoch, everyone):
            self._heard, self._patience = time.monotonic(), self._rhythm.resend[0]
        self._sent = deque(
            row for row in self._sent if row.epoch != ack.epoch or row.seq > everyone
        )

    def _free(self) -> None:
        """Without stores: free what the broker has acknowledged, without a gap."""
        if self._words:
            return
        flying = set(self._in_flight.values())
        freed: dict[str, int] = {}
        while self._sent and self._sent[0].id not in flying:
            row = self._sent.popleft()
            freed[row.epoch] = row.seq
        for epoch, seq in freed.items():
            self._ledger.acknowledge(epoch, seq)

    def _end_on_silence(self) -> None:
        """Give up a broker that answers pings and nothing else; another one may be well."""
        limit = time.monotonic() - self._rhythm.silence
        owes = "acknowledges no message" if self._in_flight and self._answered < limit else ""
        if self._unanswered and self._begun < limit:
            owes = "answers no subscription"
        if owes:
            raise BrokerError(f"the broker {owes}, for {self._rhythm.silence:g} s now; see its log")

    def _go_back_on_silence(self) -> None:
        """Send again, ever less often, what the stores should have by now: go-back-N."""
        now = time.monotonic()
        if not (self._words and self._sent):
            self._heard = now
        elif now - self._heard > self._patience:
            self._sent.clear()
            self._cursor = 0
            self._heard, self._patience = now, min(2 * self._patience, self._rhythm.resend[1])

    def _send_retained(self) -> None:
        due = self._news.is_set() or time.monotonic() >= self._health_due
        if due and self._room():
            self._news.clear()
            self._health_due = time.monotonic() + self._rhythm.health
            health = replace(self._status(), outbox=self._ledger.backlog())
            self._quality = self._judge(health)
            self._publish(self._topics.health, health.to_json(), retain=True)
        now = self._clock()
        state = self._ledger.state(now)
        current = state, _words(self._quality)
        if current != self._published and self._room():
            self._published = current
            message = _state_message(state, self._quality, now)
            self._publish(self._topics.state, message.to_json(), retain=True)

    def _judge(self, health: HealthSnapshot) -> Quality:
        age = health.camera_age_s
        return {
            "counting": age is not None and age < CAMERA_SILENT_S,
            "detector": health.detector,
            "disk": FULL if self._ledger.disk_full else OK,
            "clock": OK if is_set(self._clock()) else UNSET,
            **({"id": TAKEN} if self._namesake.met else {}),
            **self._measure(),
        }

    def _send_events(self) -> None:
        room = min(WINDOW - len(self._sent), self._room())
        if not self._ready or room <= 0:
            return
        for row in self._ledger.pending(room, after=self._cursor):
            fresh = row.epoch == self._late.epoch and row.seq > self._late.seq
            fresh = fresh and row.id > self._highest
            self._sent.append(row)
            oldest = next(each.seq for each in self._sent if each.epoch == row.epoch)
            message = _event_message(row, replayed=not fresh, kept_from=oldest)
            self._publish(self._topics.event, message.to_json(), row=row.id)
            self._cursor = row.id
            self._highest = max(self._highest, row.id)
            self._sent_up_to[row.epoch] = max(row.seq, self._sent_up_to.get(row.epoch, 0))

    def _room(self) -> int:
        return min(self._connection.window, _MOST_IN_FLIGHT) - len(self._in_flight)

    def _publish(
        self, topic: str, payload: str, *, retain: bool = False, row: int = _NO_ROW
    ) -> None:
        if not self._in_flight:
            self._answered = time.monotonic()
        mid = self._connection.publish(topic, payload, retain=retain)
        self._in_flight[mid] = row


def _words(quality: Quality) -> Quality:
    """What is news where it changes; figures are told with them, and do not change alone."""
    return {name: value for name, value in quality.items() if not _is_figure(value)}


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _state_message(state: CountState, quality: Quality, now: datetime) -> StateMessage:
    return StateMessage(
        in_total=state.in_total,
        out_total=state.out_total,
        in_today=state.in_today,
        out_today=state.out_today,
        occupancy=state.occupancy,
        lines={
            name: LineCount(line.in_total, line.out_total) for name, line in state.lines.items()
        },
        epoch=state.epoch,
        seq=state.seq,
        ts=now,
        quality=quality,
    )


def _event_message(row: EventRow, *, replayed: bool, kept_from: int) -> EventMessage:
    """The row in the words of the contract, which has each field under the row's name."""
    values = {each.name: getattr(row, each.name) for each in fields(row) if each.name != "id"}
    return _KINDS[type(row)](**values, replayed=replayed, kept_from=kept_from)
