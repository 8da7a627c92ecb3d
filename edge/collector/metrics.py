"""The text that Prometheus scrapes. Pure: what is known goes in, the page comes out.

The form is that of https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
What is not known has no line: a device that has not told its totals does not count from zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edge import __version__
from edge.collector.fleet import Device
from edge.collector.tally import Tally
from edge.contract.messages import HealthSnapshot, StateMessage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


@dataclass(slots=True)
class _Family:
    """One metric: its kind, what it tells, and its samples."""

    kind: str  # counter, gauge
    says: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """A sample, where the value is known."""
        if value is not None:
            self.samples.append((labels, float(value)))


def page(devices: Mapping[str, Device], tally: Tally, now: float) -> str:
    """All metrics; `now` is in Unix seconds."""
    families = {**_of_devices(devices, tally, now), **_of_collector(tally)}
    return "".join(line for name, each in families.items() for line in _lines(name, each))


def _of_devices(devices: Mapping[str, Device], tally: Tally, now: float) -> dict[str, _Family]:
    families = _families()
    for name, device in devices.items():
        if device.online is not None and tally.broker_up:  # else nobody knows
            families["headcount_up"].add(device.online, device=name)
        if device.heard is not None:
            age = max(0.0, round(now - device.heard, 3))
            families["headcount_last_event_age_seconds"].add(age, device=name)
        if device.state is not None:
            _add_state(families, name, device.state)
        if device.health is not None:
            _add_health(families, name, device.health)
    return families


def _families() -> dict[str, _Family]:
    return {
        "headcount_up": _Family("gauge", "Whether the device is connected to the broker."),
        "headcount_counting": _Family("gauge", "Whether pictures come in and are counted."),
        "headcount_crossings_total": _Family("counter", "People who passed, over all lines."),
        "headcount_line_crossings_total": _Family("counter", "People who passed a line."),
        "headcount_occupancy": _Family("gauge", "People inside."),
        "headcount_doubts": _Family("gauge", "Reasons why the current count may be wrong."),
        "headcount_backlog_events": _Family("gauge", "Events that wait for delivery."),
        "headcount_last_event_age_seconds": _Family("gauge", "Time since the last event."),
        "headcount_fps": _Family("gauge", "Pictures a second."),
        "headcount_inference_seconds": _Family("gauge", "Time of the detector for a picture."),
        "headcount_camera_age_seconds": _Family("gauge", "Time since the last picture."),
        "headcount_temperature_celsius": _Family("gauge", "Temperature of the processor."),
        "headcount_disk_free_bytes": _Family("gauge", "Free room on the ledger's disk."),
    }


def _add_state(families: Mapping[str, _Family], name: str, state: StateMessage) -> None:
    counting, doubts = state.quality.get("counting"), state.quality.get("doubts")
    families["headcount_occupancy"].add(state.occupancy, device=name)
    if isinstance(counting, bool):
        families["headcount_counting"].add(counting, device=name)
    if isinstance(doubts, list):
        families["headcount_doubts"].add(len(doubts), device=name)
    totals = families["headcount_crossings_total"]
    totals.add(state.in_total, device=name, direction="in")
    totals.add(state.out_total, device=name, direction="out")
    lines = families["headcount_line_crossings_total"]
    for line, count in state.lines.items():
        lines.add(count.in_total, device=name, line=line, direction="in")
        lines.add(count.out_total, device=name, line=line, direction="out")


def _add_health(families: Mapping[str, _Family], name: str, health: HealthSnapshot) -> None:
    values = {
        "headcount_backlog_events": health.outbox,
        "headcount_fps": health.fps,
        "headcount_inference_seconds": _times(health.inference_ms, 1e-3),
        "headcount_camera_age_seconds": health.camera_age_s,
        "headcount_temperature_celsius": health.temperature_c,
        "headcount_disk_free_bytes": _times(health.disk_free_mb, 1e6),
    }
    for family, value in values.items():
        families[family].add(value, device=name)


def _of_collector(tally: Tally) -> dict[str, _Family]:
    refused = _Family("counter", "Messages that could not be read, by topic.")
    for kind, number in tally.refused.items():
        refused.add(number, topic=kind)
    info = _Family("gauge", "The version of this collector.", [({"version": __version__}, 1.0)])
    prefix = "headcount_collector_"
    counters = {
        "stored_events_total": (tally.stored, "Events that were stored."),
        "duplicate_events_total": (tally.duplicates, "Events that were stored before."),
        "commits_total": (tally.commits, "Commits of the store."),
        "commit_seconds_total": (tally.commit_s, "Time of all commits."),
        "store_errors_total": (tally.store_errors, "Times that the store was away."),
        "broker_errors_total": (tally.broker_errors, "Times that the broker was away."),
    }
    gauges = {
        "store_up": (tally.store_up, "Whether the store can be written."),
        "broker_up": (tally.broker_up, "Whether the broker is connected."),
    }
    return {
        f"{prefix}info": info,
        f"{prefix}refused_messages_total": refused,
        **{prefix + n: _Family("counter", says, [({}, v)]) for n, (v, says) in counters.items()},
        **{prefix + n: _Family("gauge", says, [({}, v)]) for n, (v, says) in gauges.items()},
    }


def _lines(name: str, family: _Family) -> Iterator[str]:
    if not family.samples:
        return
    yield f"# HELP {name} {family.says}\n# TYPE {name} {family.kind}\n"
    for labels, value in family.samples:
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{told}}} {_number(value)}\n" if told else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    printable = text.encode("utf-8", errors="replace").decode("utf-8")
    return printable.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
