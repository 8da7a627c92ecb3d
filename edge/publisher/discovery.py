"""How Home Assistant is told of this device: one message with all its entities.

Of the form that Home Assistant 2024.11 and later reads (device discovery,
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). Values are picked from
`/state` and `/health` by templates, so that nothing is published twice.
"""

from __future__ import annotations

import json
from typing import Any

from edge.contract.commands import MOST_INSIDE, RESET_TODAY, SET_OCCUPANCY
from edge.contract.messages import OFFLINE, ONLINE, Topics

PREFIX = "homeassistant"
BIRTH = f"{PREFIX}/status"  # Home Assistant says `online` there when it has started
BORN = b"online"

_PEOPLE = "people"
# A command's id must differ from every other's; a press a moment later is another command.
_COMMAND = '{"schema": 1, "id": "ha-{{ now().timestamp() }}"%s}'
_PROBLEM = (
    "{% set q = value_json.quality %}"
    "{{ 'OFF' if q.counting and not q.doubts and q.camera | default('ok') == 'ok'"
    " and q.detector == 'ok' and q.disk == 'ok' and q.clock == 'ok'"
    " and q.id | default('ok') == 'ok' else 'ON' }}"
)

Component = dict[str, Any]


def topic(device: str) -> str:
    """Where a device announces itself; retained."""
    return f"{PREFIX}/device/{device}/config"


def announcement(topics: Topics, name: str, version: str) -> str:
    """The payload.

    Args:
        topics: of the device.
        name: the device's, for people.
        version: of this program.
    """
    components = {
        **_counts(topics),
        **_conditions(topics),
        **_controls(topics),
    }
    for key, component in components.items():
        component["unique_id"] = f"headcount_{topics.device}_{key}"
        if key != "connectivity":  # which tells of just that, and so is always available
            component["availability_topic"] = topics.availability
    payload = {
        "device": {
            "identifiers": [f"headcount_{topics.device}"],
            "name": name or topics.device,
            "manufacturer": "headcount",
            "model": "people counter",
            "sw_version": version,
        },
        "origin": {"name": "headcount", "sw_version": version},
        "components": components,
        "qos": 1,
    }
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


def _counts(topics: Topics) -> dict[str, Component]:
    """Totals never fall, and today's begin anew, which `total_increasing` takes for just that."""
    names = {
        "in_total": "In",
        "out_total": "Out",
        "in_today": "In today",
        "out_today": "Out today",
        "occupancy": "Occupancy",
    }
    return {
        key: _sensor(
            topics.state,
            key,
            name,
            state_class="measurement" if key == "occupancy" else "total_increasing",
            unit_of_measurement=_PEOPLE,
        )
        for key, name in names.items()
    }


def _conditions(topics: Topics) -> dict[str, Component]:
    return {
        "connectivity": {
            "platform": "binary_sensor",
            "name": "Connection",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.availability,
            "payload_on": ONLINE,
            "payload_off": OFFLINE,
        },
        "problem": {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics.state,
            "value_template": _PROBLEM,
            "json_attributes_topic": topics.state,
            "json_attributes_template": "{{ value_json.quality | tojson }}",
        },
        "fps": _diagnostic(topics, "fps", "Pictures a second", unit_of_measurement="1/s"),
        "temperature": _diagnostic(
            topics,
            "temperature_c",
            "Temperature",
            device_class="temperature",
            unit_of_measurement="°C",
        ),
        "outbox": _diagnostic(topics, "outbox", "Events that wait"),
    }


def _controls(topics: Topics) -> dict[str, Component]:
    return {
        SET_OCCUPANCY: {
            "platform": "number",
            "name": "Set occupancy",
            "entity_category": "config",
            "state_topic": topics.state,
            "value_template": "{{ value_json.occupancy }}",
            "command_topic": topics.command(SET_OCCUPANCY),
            "command_template": _COMMAND % ', "value": {{ value | int }}',
            "min": 0,
            "max": MOST_INSIDE,
            "step": 1,
            "mode": "box",
            "unit_of_measurement": _PEOPLE,
        },
        RESET_TODAY: {
            "platform": "button",
            "name": "Reset today",
            "entity_category": "config",
            "command_topic": topics.command(RESET_TODAY),
            "command_template": _COMMAND % "",
        },
    }


def _diagnostic(topics: Topics, key: str, name: str, **more: str) -> Component:
    more = {"state_class": "measurement", "entity_category": "diagnostic", **more}
    return _sensor(topics.health, key, name, **more)


def _sensor(state_topic: str, key: str, name: str, **more: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": state_topic,
        "value_template": f"{{{{ value_json.{key} }}}}",
        **more,
    }
