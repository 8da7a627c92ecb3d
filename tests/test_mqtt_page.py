"""docs/mqtt.md: its examples are messages of the contract, and it tells of each kind and topic."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge.contract.commands import COMMANDS, SET_OCCUPANCY, UPDATE, Command, CommandResult
from edge.contract.messages import (
    Ack,
    BucketMessage,
    CrossingMessage,
    GapMessage,
    HealthSnapshot,
    StateMessage,
    Topics,
    read_event,
)
from edge.publisher.discovery import BIRTH, topic

PAGE = (Path(__file__).parent.parent / "docs" / "mqtt.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)


def read(example: str) -> Any:
    """The message that an example is, by the keys that only its kind has."""
    data = json.loads(example)
    for key, kind in {
        "type": read_event,
        "in_total": StateMessage.from_json,
        "fps": HealthSnapshot.from_json,
        "command": CommandResult.from_json,
        "url": lambda payload: Command.from_json(UPDATE, payload.encode()),
        "id": lambda payload: Command.from_json(SET_OCCUPANCY, payload.encode()),
        "epoch": Ack.from_json,
    }.items():
        if key in data:
            return kind(example)
    raise AssertionError(f"no message: {example}")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_read_and_written_again(example: str) -> None:
    """Byte by byte: with all keys that travel, and no other."""
    assert example == read(example).to_json()


def test_each_kind_of_message_has_an_example() -> None:
    """A new kind, or one that is gone, is seen."""
    kinds = {type(read(example)) for example in EXAMPLES}

    assert {
        StateMessage,
        CrossingMessage,
        BucketMessage,
        GapMessage,
        HealthSnapshot,
        Command,
        CommandResult,
        Ack,
    } == kinds


def test_each_topic_and_each_command_is_told() -> None:
    """As the code builds them, with `<id>` for the device's."""
    topics = Topics("DEVICE")
    said = [
        topics.availability,
        topics.state,
        topics.event,
        topics.health,
        topics.command("NAME"),
        topics.result("NAME"),
        topics.ack("STORE"),
        topic("DEVICE"),
        BIRTH,
    ]
    short = {"DEVICE": "<id>", "NAME": "<name>", "STORE": "<store>"}
    for each in said:
        for word, stands_for in short.items():
            each = each.replace(word, stands_for)  # noqa: PLW2901

        assert f"| `{each}` |" in PAGE
    assert all(f"| `{name}` |" in PAGE for name in COMMANDS)
