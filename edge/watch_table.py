"""What all devices said last, as one picture of a terminal: a line a device, always up to date.

    device   state     in   out   today   inside   pictures   last crossing          trouble
    door     online    12     9   5 / 4        3     14.9/s   12:00:07 in entrance

Needs rich, which `headcount[watch]` brings. What was heard is kept here; who hears is `watch`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edge.contract.messages import (
    CrossingMessage,
    HealthSnapshot,
    StateMessage,
    device_of,
    read_event,
)
from edge.errors import DataError
from edge.mqtt import Message

if TYPE_CHECKING:
    from rich.table import Table

_MOST = 10_000  # devices; more are a stranger's


@dataclass(slots=True)
class Device:
    """What one device said last; None what it has not said."""

    availability: str | None = None
    state: StateMessage | None = None
    health: HealthSnapshot | None = None
    crossing: CrossingMessage | None = None
    unread: str | None = None  # why its last message could not be read


class Board:
    """All devices of a broker, by what they said last."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.lost = False  # whether the broker is

    def hear(self, message: Message) -> None:
        """Take in what a device said."""
        name = device_of(message.topic)
        if name not in self.devices and len(self.devices) >= _MOST:
            return
        device = self.devices.setdefault(name, Device())
        try:
            _hear(device, message)
        except DataError as error:
            device.unread = str(error)
        else:
            device.unread = None

    def to_json(self) -> dict[str, Any]:
        """The object that `watch --once --json` prints."""
        return {
            "schema": 1,
            "devices": {name: _device_json(self.devices[name]) for name in sorted(self.devices)},
        }


def _hear(device: Device, message: Message) -> None:
    match message.topic.rpartition("/")[2]:
        case "availability":
            device.availability = message.payload.decode("utf-8", errors="replace")
        case "state":
            device.state = StateMessage.from_json(message.payload)
        case "health":
            device.health = HealthSnapshot.from_json(message.payload)
        case "event":
            event = read_event(message.payload)
            if isinstance(event, CrossingMessage):
                device.crossing = event


def _device_json(device: Device) -> dict[str, Any]:
    return {
        "availability": device.availability,
        "state": json.loads(device.state.to_json()) if device.state else None,
        "health": json.loads(device.health.to_json()) if device.health else None,
        "error": device.unread,
    }


def table(
    board: Board,
    title: str,
    trouble: Callable[[StateMessage], str],
    printable: Callable[[str], str],
) -> Table:
    """The picture of a moment.

    Args:
        board: what was heard.
        title: which broker.
        trouble: says what speaks against a state.
        printable: makes what strangers said harmless.
    """
    from rich.table import Table  # noqa: PLC0415 - where it is not installed, lines are printed
    from rich.text import Text  # noqa: PLC0415

    made = Table(title=title + ("   (lost; waiting for it)" if board.lost else ""))
    for heading in ("device", "state"):
        made.add_column(heading)
    for heading in ("in", "out", "today", "inside", "pictures"):
        made.add_column(heading, justify="right")
    for heading in ("last crossing", "trouble"):
        made.add_column(heading)
    for name in sorted(board.devices):
        cells = _cells(name, board.devices[name], trouble)
        style = "" if board.devices[name].availability == "online" else "dim"
        made.add_row(*(Text(printable(cell)) for cell in cells), style=style)
    return made


def _cells(name: str, device: Device, trouble: Callable[[StateMessage], str]) -> tuple[str, ...]:
    state, health = device.state, device.health
    said = trouble(state).strip() if state else ""
    return (
        name,
        device.availability or "?",
        str(state.in_total) if state else "",
        str(state.out_total) if state else "",
        f"{state.in_today} / {state.out_today}" if state else "",
        str(state.occupancy) if state else "",
        f"{health.fps:.1f}/s" if health and health.fps is not None else "",
        _last(device.crossing),
        device.unread or said,
    )


def _last(crossing: CrossingMessage | None) -> str:
    if crossing is None:
        return ""
    return f"{_clock(crossing.ts)} {crossing.direction} {crossing.line}"


def _clock(moment: datetime) -> str:
    """The wall clock of who watches."""
    return f"{moment.astimezone():%H:%M:%S}"
