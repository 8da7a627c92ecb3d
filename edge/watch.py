"""Live counts of all devices of a broker: a table on a terminal, elsewhere a line a change.

    door         online
    door         in 12  out 9  inside 3   (today 5 in, 4 out)
    door         2026-11-20T10:00:00.123Z  in   over entrance   in 12  out 9
    door         2026-11-20T10:00:00.000Z to 2026-11-20T10:15:00.000Z  in 3  out 2   coverage 1.00

The table is `watch_table`'s; without rich there are lines on a terminal, too. It only listens. A
broker that goes away later is waited for; one that is not there at first is an error.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from edge.access import Access
from edge.contract.messages import (
    ALL_DEVICES,
    ALL_HEALTH,
    BucketMessage,
    CrossingMessage,
    EventMessage,
    GapMessage,
    StateMessage,
    device_of,
    format_utc,
    read_event,
)
from edge.contract.quality import OK
from edge.errors import BrokerError, DataError
from edge.mqtt import Connection, Lost, Message, Subscribed
from edge.watch_table import Board, table

if TYPE_CHECKING:
    from rich.table import Table

_QUIET_S = 0.5  # without a message after the subscription: all that is retained has come
_ONCE_S = 10.0  # no longer, on a broker that never falls quiet
_RETRY_S = 2.0
_POLL_S = 0.2

_log = logging.getLogger(__name__)


class _Screen(Protocol):
    """Where what was heard is shown."""

    def show(self, message: Message) -> None:
        """Show it as it comes."""

    def lose(self, *, lost: bool) -> None:
        """Show that the broker was lost or is back."""


def watch(
    broker_url: str,
    once: bool,
    as_json: bool,
    out: TextIO,
    *,
    stop: threading.Event | None = None,
) -> None:
    """Show what all devices say.

    Args:
        broker_url: `mqtt://[user:password@]host[:port]`, or `mqtts://…`.
        once: print what is retained now, and end; with `as_json` one object of all devices.
        as_json: one JSON object a line: device, kind, payload.
        out: where it goes; a terminal gets a table, if rich is installed.
        stop: set it to end; without it only an interrupt ends.

    Raises:
        CallError: `broker_url` is no address.
        BrokerError: the broker cannot be reached or refuses.
    """
    access = Access.of_url(broker_url)
    if once and as_json:
        board = _Keeping()
        _follow(access, board, stop or threading.Event(), health=True, once=True)
        print(json.dumps(board.board.to_json()), file=out, flush=True)
        return
    if out.isatty() and not (once or as_json) and _has_rich():
        with _Live(str(access), out) as live:
            _follow(access, live, stop or threading.Event(), health=True)
        return
    lines = _Lines(_json_line if as_json else _plain_line, out)
    _follow(access, lines, stop or threading.Event(), once=once)


def _follow(
    access: Access,
    screen: _Screen,
    stop: threading.Event,
    *,
    health: bool = False,
    once: bool = False,
) -> None:
    topics = (*ALL_DEVICES, ALL_HEALTH) if health else ALL_DEVICES
    connection: Connection | None = _subscribed(access, topics)
    try:
        while connection is not None:
            ended = _listen(connection, screen, stop, once=once)
            connection.close()
            connection = None if ended else _again(access, topics, screen, stop)
    except KeyboardInterrupt:
        return
    finally:
        if connection is not None:
            connection.close()


class _Lines:
    """A line a message."""

    def __init__(self, tell: Callable[[Message], str], out: TextIO) -> None:
        self._tell = tell
        self._out = out

    def show(self, message: Message) -> None:
        print(self._tell(message), file=self._out, flush=True)

    def lose(self, *, lost: bool) -> None:
        """It is in the log."""


class _Keeping:
    """Nothing, until all is heard."""

    def __init__(self) -> None:
        self.board = Board()

    def show(self, message: Message) -> None:
        self.board.hear(message)

    def lose(self, *, lost: bool) -> None:
        self.board.lost = lost


class _Live(_Keeping):
    """A table that is drawn anew a few times a second."""

    def __init__(self, title: str, out: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 - where it is not installed, lines serve
        from rich.live import Live  # noqa: PLC0415

        super().__init__()
        self._title = title
        console = Console(file=out)
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=4, screen=False
        )

    def __enter__(self) -> _Live:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _table(self) -> Table:
        return table(self.board, self._title, lambda state: _quality(state.quality), _printable)


def _has_rich() -> bool:
    return importlib.util.find_spec("rich") is not None


def _subscribed(access: Access, topics: tuple[str, ...]) -> Connection:
    connection = Connection.open(access, f"headcount-watch-{uuid.uuid4().hex[:8]}")
    connection.subscribe(*topics)
    return connection


def _again(
    access: Access, topics: tuple[str, ...], screen: _Screen, stop: threading.Event
) -> Connection | None:
    """Wait for the broker to come back; None when it is time to stop."""
    _log.warning("broker %s: lost; waiting for it", access)
    screen.lose(lost=True)
    while not stop.wait(_RETRY_S):
        try:
            connection = _subscribed(access, topics)
        except BrokerError:
            continue
        screen.lose(lost=False)
        return connection
    return None


def _listen(connection: Connection, screen: _Screen, stop: threading.Event, *, once: bool) -> bool:
    """Show until told to stop, or all that is retained is told; False: the broker is lost."""
    begun = quiet_since = time.monotonic()
    answered = False
    while not stop.is_set():
        event = connection.next(_POLL_S)
        now = time.monotonic()
        if isinstance(event, Message):
            quiet_since = now
            if event.retained or not once:
                screen.show(event)
        elif isinstance(event, Subscribed):
            answered, quiet_since = True, now
            if event.refusal is not None:
                raise BrokerError(f"the broker lets nobody listen: {event.refusal}; see its ACL")
        elif isinstance(event, Lost):
            if once:
                raise BrokerError(f"the connection to the broker is lost: {event.reason}")
            return False
        if once and answered and now - quiet_since > _QUIET_S:
            return True
        if once and now - begun > _ONCE_S:
            return True
    return True


def _plain_line(message: Message) -> str:
    return _printable(f"{device_of(message.topic):12} {_said(message)}")


def _said(message: Message) -> str:
    kind = message.topic.rpartition("/")[2]
    try:
        if kind == "state":
            return _state(StateMessage.from_json(message.payload))
        if kind == "event":
            return _event(read_event(message.payload))
    except DataError as error:
        return str(error)
    return message.payload.decode("utf-8", errors="replace")


def _state(state: StateMessage) -> str:
    return (
        f"in {state.in_total}  out {state.out_total}  inside {state.occupancy}"
        f"   (today {state.in_today} in, {state.out_today} out){_quality(state.quality)}"
    )


def _quality(quality: Mapping[str, Any]) -> str:
    """What is not as it should be; nothing where all is well."""
    said = [] if quality.get("counting", True) else ["no pictures: not counting"]
    for name in ("id", "camera", "detector", "disk", "clock"):
        if quality.get(name, OK) != OK:
            said.append(f"{name}: {quality[name]}")
    doubts = quality.get("doubts")
    if isinstance(doubts, list) and doubts:
        said.append(f"in doubt: {', '.join(map(str, doubts))}")
    return "".join(f"   ({each})" for each in said)


def _event(event: EventMessage) -> str:
    late = "   (late)" if event.replayed else ""
    match event:
        case CrossingMessage():
            return (
                f"{format_utc(event.ts)}  {event.direction:3}  over {event.line}"
                f"   in {event.in_total}  out {event.out_total}{late}"
            )
        case BucketMessage():
            doubts = _quality({"doubts": list(event.quality.doubts)})
            return (
                f"{_span(event)}  in {event.in_count}  out {event.out_count}"
                f"   coverage {event.quality.coverage:.2f}{doubts}{late}"
            )
        case GapMessage():
            return f"{_span(event)}  nobody was counted: {event.reason}{late}"


def _span(event: BucketMessage | GapMessage) -> str:
    return f"{format_utc(event.start)} to {format_utc(event.end)}"


def _json_line(message: Message) -> str:
    text = message.payload.decode("utf-8", errors="replace")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = text
    kind = message.topic.rpartition("/")[2]
    return json.dumps({"device": device_of(message.topic), "kind": kind, "payload": payload})


def _printable(text: str) -> str:
    """What strangers publish must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
