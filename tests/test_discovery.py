"""The announcement for Home Assistant: as its schema wants it, and with templates that pick right.

The rules are those of Home Assistant's MQTT integration (schemas.py and the platforms' documents of
2024.11): no other key is allowed here, so that a slip of the pen is seen.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

import pytest

from edge.contract.commands import COMMANDS, Command
from edge.contract.messages import HealthSnapshot, LineCount, StateMessage, Topics
from edge.publisher.discovery import announcement, topic

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
TOPICS = Topics("front-door")
TOLD = json.loads(announcement(TOPICS, "Front door", "1.2.3"))
COMPONENTS: dict[str, dict[str, Any]] = TOLD["components"]

# Keys of each platform: those it must have, and those it may.
OF_ALL = {"platform", "unique_id"}, {"name", "availability_topic", "entity_category"}
READS = {"json_attributes_topic", "json_attributes_template", "device_class"}
PLATFORMS = {
    "sensor": (
        {"state_topic"},
        READS | {"value_template", "state_class", "unit_of_measurement"},
    ),
    "binary_sensor": ({"state_topic"}, READS | {"value_template", "payload_on", "payload_off"}),
    "number": (
        {"command_topic"},
        {
            "command_template",
            "state_topic",
            "value_template",
            "min",
            "max",
            "step",
            "mode",
            "unit_of_measurement",
        },
    ),
    "button": ({"command_topic"}, {"command_template"}),
}
WORDS = {
    "state_class": {"measurement", "total", "total_increasing"},
    "device_class": {"connectivity", "problem", "temperature"},
    "mode": {"auto", "box", "slider"},
}
CATEGORIES = {"sensor": "diagnostic", "binary_sensor": "diagnostic"}


def test_the_topic_is_one_for_the_whole_device() -> None:
    """Of letters that Home Assistant takes for an id."""
    assert "homeassistant/device/front-door/config" == topic("front-door")
    assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/config", topic("front-door"))


def test_device_and_origin_are_complete() -> None:
    """An identifier, and who says so: without these the message is refused."""
    assert {"device", "origin", "components", "qos"} == set(TOLD)
    assert ["headcount_front-door"] == TOLD["device"]["identifiers"]
    assert ("Front door", "1.2.3") == (TOLD["device"]["name"], TOLD["device"]["sw_version"])
    assert {"identifiers", "name", "manufacturer", "model", "sw_version"} == set(TOLD["device"])
    assert {"name": "headcount", "sw_version": "1.2.3"} == TOLD["origin"]
    assert "front-door" == json.loads(announcement(TOPICS, "", "1"))["device"]["name"]


@pytest.mark.parametrize("key", COMPONENTS)
def test_a_component_is_as_its_platform_wants_it(key: str) -> None:
    """All that it must have, nothing that it may not, and words that are known."""
    component = COMPONENTS[key]
    must, may = PLATFORMS[component["platform"]]

    assert OF_ALL[0] | must <= set(component)
    assert set(component) <= OF_ALL[0] | OF_ALL[1] | must | may
    assert f"headcount_front-door_{key}" == component["unique_id"]
    for word, known in WORDS.items():
        assert component.get(word, next(iter(known))) in known
    category = CATEGORIES.get(component["platform"], "config")
    assert component.get("entity_category", category) == category
    assert all(
        value.startswith("headcount/front-door/") and not set("+#") & set(value)
        for name, value in component.items()
        if name.endswith("_topic")
    )


def test_totals_increase_and_occupancy_is_measured() -> None:
    """So that statistics are right; the connection is known when all else is not."""
    classes = {key: each.get("state_class") for key, each in COMPONENTS.items()}

    assert {"total_increasing"} == {
        classes[key] for key in ("in_total", "out_total", "in_today", "out_today")
    }
    assert "measurement" == classes["occupancy"]
    assert ["connectivity"] == [k for k, v in COMPONENTS.items() if "availability_topic" not in v]
    assert ("connectivity", "online", "offline") == (
        COMPONENTS["connectivity"]["device_class"],
        COMPONENTS["connectivity"]["payload_on"],
        COMPONENTS["connectivity"]["payload_off"],
    )
    assert "problem" == COMPONENTS["problem"]["device_class"]


def state(**quality: object) -> str:
    well = {"counting": True, "detector": "ok", "disk": "ok", "clock": "ok"}
    lines = {"L1": LineCount(12, 9)}
    message = StateMessage(12, 9, 5, 4, 3, lines, "e" * 32, 21, NOON, {**well, **quality})
    return message.to_json()


def render(template: str, payload: str, **values: object) -> str:
    """As Home Assistant does."""
    environment = pytest.importorskip("jinja2").Environment()
    environment.globals["now"] = lambda: NOON
    value_json = json.loads(payload) if payload else None
    rendered: str = environment.from_string(template).render(value_json=value_json, **values)
    return rendered


def test_the_templates_pick_the_counts() -> None:
    """Each entity shows the figure of its name."""
    shown = {
        key: render(COMPONENTS[key]["value_template"], state())
        for key in ("in_total", "out_total", "in_today", "out_today", "occupancy", "set_occupancy")
    }

    assert ["12", "9", "5", "4", "3", "3"] == [*shown.values()]


def test_what_is_not_known_shows_as_unknown() -> None:
    """`None` is what Home Assistant takes for that."""
    health = HealthSnapshot(None, 1.0, "CPU", 0.1, 0, 41.5, None, 1.0, 1.0, 7, {}, None).to_json()
    shown = [
        render(COMPONENTS[key]["value_template"], health)
        for key in ("fps", "temperature", "outbox")
    ]

    assert ["None", "41.5", "7"] == shown


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ({}, "OFF"),
        ({"camera": "ok", "doubts": []}, "OFF"),
        ({"counting": False}, "ON"),
        ({"doubts": ["rate"]}, "ON"),
        ({"camera": "dark", "doubts": []}, "ON"),
        ({"detector": "fallback"}, "ON"),
        ({"disk": "full"}, "ON"),
        ({"clock": "unset"}, "ON"),
        ({"id": "taken"}, "ON"),
    ],
)
def test_a_problem_is_whatever_speaks_against_the_counts(
    quality: dict[str, object], said: str
) -> None:
    """`ON`, which is what a binary sensor takes for yes, or `OFF`."""
    assert said == render(COMPONENTS["problem"]["value_template"], state(**quality))


@pytest.mark.parametrize("key", ["set_occupancy", "reset_today"])
def test_a_control_gives_a_command_that_can_be_done(key: str) -> None:
    """What Home Assistant sends is read as a command of that name, with an id of its own."""
    component = COMPONENTS[key]
    sent = render(component["command_template"], "", value=17.0)
    command = Command.from_json(key, sent.encode())

    assert key in COMMANDS
    assert TOPICS.command(key) == component["command_topic"]
    assert (17 if key == "set_occupancy" else None) == command.value
    assert f"ha-{NOON.timestamp()}" == command.id
