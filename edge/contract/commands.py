"""What a device can be told over MQTT, and its answers, of schema 1, to JSON and back.

    headcount/<device>/cmd/<name>          not retained   Command
    headcount/<device>/cmd/<name>/result   not retained   CommandResult

A command carries an id of its sender's choice. A second one with the same id is answered as the
first was and changes nothing, so that a sender who heard no answer can ask again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.contract.messages import SCHEMA, format_utc, parse_utc
from edge.contract.offer import Offer
from edge.contract.strict_json import mapping, need, parse_json, text
from edge.errors import DataError

SET_OCCUPANCY, RESET_OCCUPANCY, RESET_TODAY = "set_occupancy", "reset_occupancy", "reset_today"
UPDATE, ROLLBACK = "update", "rollback"
OF_THE_LEDGER = (SET_OCCUPANCY, RESET_OCCUPANCY, RESET_TODAY)
COMMANDS = (*OF_THE_LEDGER, UPDATE, ROLLBACK)
MOST_INSIDE = 1_000_000  # people; more is a slip of the finger
LARGEST = 4096  # bytes of a payload

_ID = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")
NAME = re.compile(r"[a-z_]{1,32}")


@dataclass(frozen=True, slots=True)
class Command:
    """Asks for something once.

    `value` is the number of people for `set_occupancy`, `offer` the bundle for `update`.
    """

    name: str
    id: str
    value: int | None = None
    offer: Offer | None = None

    def to_json(self) -> str:
        """The payload; the name is in the topic."""
        value = {} if self.value is None else {"value": self.value}
        offer = {} if self.offer is None else self.offer.to_json()
        return _dump({"id": self.id, **value, **offer})

    @classmethod
    def from_json(cls, name: str, payload: bytes) -> Command:
        """Read a payload that came for a command.

        Raises:
            CommandError: not one that can be done; it knows the id where there is one.
        """
        known: str | None = None
        try:
            need(len(payload) <= LARGEST, f"is larger than {LARGEST} bytes")
            data = mapping(parse_json(payload))
            known = _id(data)
            need(data.get("schema") == SCHEMA, f"must have schema {SCHEMA}")
            need(name in COMMANDS, f"is unknown; known: {', '.join(COMMANDS)}")
            need(known is not None, "must have an id: 1 to 64 letters, digits, or any of _.:+-")
            offer = Offer.from_json(data) if name == UPDATE else None
            return cls(name, str(known), _value(name, data), offer)
        except ValueError as error:
            raise CommandError(f"{name} {error}", known) from error


class CommandError(DataError):
    """A command cannot be done; `id` is what it calls itself, None where that cannot be read."""

    def __init__(self, message: str, command_id: str | None) -> None:
        super().__init__(message)
        self.id = command_id


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command.

    `ok` is whether it is done; if not, `error` says why. `id` is None where none could be read.
    `ts` is when it was done, which for a `repeated` one is when it was done first.
    """

    command: str
    id: str | None
    ok: bool
    error: str | None
    ts: datetime
    repeated: bool = False

    def to_json(self) -> str:
        """The payload."""
        return _dump(
            {
                "command": self.command,
                "id": self.id,
                "ok": self.ok,
                "error": self.error,
                "ts": format_utc(self.ts),
                "repeated": self.repeated,
            }
        )

    @classmethod
    def from_json(cls, payload: str | bytes) -> CommandResult:
        """Read a payload.

        Raises:
            DataError: not a result of this schema.
        """
        try:
            data = mapping(json.loads(payload))
            need(data.get("schema") == SCHEMA, f"must have schema {SCHEMA}")
            return cls(
                command=text(data["command"]),
                id=None if data["id"] is None else text(data["id"]),
                ok=bool(data["ok"]),
                error=None if data["error"] is None else text(data["error"]),
                ts=parse_utc(text(data["ts"])),
                repeated=bool(data["repeated"]),
            )
        except (ValueError, KeyError, RecursionError) as error:
            raise DataError(f"result of a command cannot be read: {error!r}") from error


def _id(data: Mapping[str, Any]) -> str | None:
    found = data.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _value(name: str, data: Mapping[str, Any]) -> int | None:
    if name != SET_OCCUPANCY:
        return None
    value = data.get("value")
    if type(value) is not int or not 0 <= value <= MOST_INSIDE:
        raise ValueError(f"must have a value, a whole number from 0 to {MOST_INSIDE}")
    return value


def _dump(payload: Mapping[str, object]) -> str:
    return json.dumps({"schema": SCHEMA, **payload}, separators=(",", ":"), allow_nan=False)
