"""MQTT topics and payloads of schema 1, to JSON and back.

    headcount/<device>/availability   retained, last will   online | offline
    headcount/<device>/state          retained              StateMessage
    headcount/<device>/event          not retained          Crossing-, Bucket-, GapMessage
    headcount/<device>/health         retained              HealthSnapshot
    headcount/ack/<store>/<device>    retained              Ack

What a device can be told is in `edge.contract.commands`.
Readers ignore keys that they do not know, so that a later version may add some; another schema
is refused. What is sent when belongs to the publisher.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from edge.contract.quality import OK, Quality
from edge.errors import ConfigError, DataError

SCHEMA = 1
BASE = "headcount"
ONLINE = "online"
OFFLINE = "offline"
FALLBACK = "fallback"
FULL = "full"
UNSET = "unset"
TAKEN = "taken"
_MOST_SAID = 200  # letters of the reason why a message cannot be read
ALL_EVENTS = f"{BASE}/+/event"
ALL_HEALTH = f"{BASE}/+/health"
ALL_RETAINED = (f"{BASE}/+/availability", f"{BASE}/+/state", ALL_HEALTH)
ALL_DEVICES = (f"{BASE}/+/availability", f"{BASE}/+/state", ALL_EVENTS)

T = TypeVar("T")

# What reading JSON of strangers can end in; numbers and times without measure overflow.
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def format_utc(moment: datetime) -> str:
    """ISO 8601 UTC with milliseconds: 2026-11-20T10:00:00.123Z.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Read what `format_utc` wrote, or any ISO 8601 time with an offset.

    Raises:
        ValueError: not such a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Raises:
        ConfigError: the device's id cannot be a level of a topic.
    """

    device: str

    def __post_init__(self) -> None:
        _check_name("device id", self.device)
        if self.device == "ack":
            raise ConfigError("device id 'ack' is taken by the protocol; choose another")

    @property
    def availability(self) -> str:
        """Retained `online` or `offline`."""
        return f"{BASE}/{self.device}/availability"

    @property
    def state(self) -> str:
        """Retained totals."""
        return f"{BASE}/{self.device}/state"

    @property
    def event(self) -> str:
        """One message a crossing, a bucket or a gap."""
        return f"{BASE}/{self.device}/event"

    @property
    def health(self) -> str:
        """Retained health."""
        return f"{BASE}/{self.device}/health"

    @property
    def commands(self) -> str:
        """Matches all commands and none of their results."""
        return f"{BASE}/{self.device}/cmd/+"

    def command(self, name: str) -> str:
        """Where a command is given; never retained."""
        return f"{BASE}/{self.device}/cmd/{name}"

    def result(self, name: str) -> str:
        """Where a command is answered."""
        return f"{BASE}/{self.device}/cmd/{name}/result"

    def ack(self, store: str) -> str:
        """Where `store` says how far it has stored this device's crossings."""
        _check_name("store", store)
        return f"{BASE}/ack/{store}/{self.device}"


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{what} {name!r}: use 1 to 64 letters, digits, '_', '-' and '.'")


def device_of(topic: str) -> str:
    """The device that a topic of `ALL_DEVICES` or `ALL_RETAINED` belongs to."""
    return topic.split("/")[1]


@dataclass(frozen=True, slots=True)
class LineCount:
    """Totals of one line, as they travel."""

    in_total: int
    out_total: int


@dataclass(frozen=True, slots=True)
class StateMessage:
    """The counts at `ts`. Totals never fall within an epoch; `seq` is the last event's.

    `occupancy` is how many are inside: what was set or reset last, and who came and went since,
    never below 0. Beside it travels `occupancy_raw`, in - out of all time, which nothing resets.

    `quality` says how far the counts can be trusted: `counting` is whether pictures come in,
    `detector` is `ok`, or `fallback` while another device stands in for the stick; `disk` is `ok`,
    or `full` where only what is kept for that is left; `clock` is `ok`, or `unset`, when "today"
    is what was counted since the machine was switched on; `id` is there, and `taken`, where another
    device publishes under the same id. `camera` is `ok`, `covered`, `dark` or
    `frozen` now; all else is of the current quarter of an hour, as `edge.contract.quality` has it,
    of which `doubts` are the sum: why its count may be wrong, empty where nothing speaks for that.
    """

    in_total: int
    out_total: int
    in_today: int
    out_today: int
    occupancy: int
    lines: Mapping[str, LineCount]
    epoch: str  # 32 hex digits
    seq: int
    ts: datetime
    quality: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The payload."""
        lines = {
            name: {"in": line.in_total, "out": line.out_total} for name, line in self.lines.items()
        }
        return _dump(
            in_total=self.in_total,
            out_total=self.out_total,
            in_today=self.in_today,
            out_today=self.out_today,
            occupancy=self.occupancy,
            occupancy_raw=self.in_total - self.out_total,
            lines=lines,
            epoch=self.epoch,
            seq=self.seq,
            ts=format_utc(self.ts),
            quality=dict(self.quality),
        )

    @classmethod
    def from_json(cls, payload: str | bytes) -> StateMessage:
        """Read a payload.

        Raises:
            DataError: not a state of this schema.
        """
        return _load("state", payload, cls._read)

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> StateMessage:
        return cls(
            in_total=_count(data["in_total"]),
            out_total=_count(data["out_total"]),
            in_today=_count(data["in_today"]),
            out_today=_count(data["out_today"]),
            occupancy=_count(data["occupancy"]),
            lines={
                str(name): LineCount(_count(line["in"]), _count(line["out"]))
                for name, line in data["lines"].items()
            },
            epoch=_text(data["epoch"]),
            seq=_count(data["seq"]),
            ts=parse_utc(data["ts"]),
            quality=dict(data.get("quality", {})),
        )


@dataclass(frozen=True, slots=True)
class _Event:
    """What all events have in common.

    `ts_source` says whose wall clock `ts` is: `frame` the picture's, `ledger` that of the moment
    of writing, `unset` one that nobody had set, so that `ts` says nothing, `backfilled` one that
    was set right later, by which `ts` was reckoned again before it was sent. The order is that of
    `seq`, never of `ts`. `replayed` marks a late or repeated sending; (device, epoch, seq) tells
    repeats apart. `kept_from` is the lowest seq of this epoch that the device still keeps: what
    is below it is with all stores that it knew, and is not sent again. A store that is new, or
    that lost some of its rows, need not wait for it.
    """

    TYPE: ClassVar[str]

    epoch: str  # 32 hex digits
    seq: int
    ts: datetime
    ts_source: str
    replayed: bool = field(default=False, kw_only=True)
    kept_from: int = field(default=1, kw_only=True)

    @property
    def event_id(self) -> str:
        """The same for every sending of this event, and for no other event."""
        return f"{self.epoch}-{self.seq}"

    def to_json(self) -> str:
        """The payload."""
        return _dump(
            type=self.TYPE,
            event_id=self.event_id,
            epoch=self.epoch,
            seq=self.seq,
            ts=format_utc(self.ts),
            ts_source=self.ts_source,
            **self._content(),
            replayed=self.replayed,
            kept_from=self.kept_from,
        )

    @classmethod
    def from_json(cls, payload: str | bytes) -> Self:
        """Read a payload.

        Raises:
            DataError: not an event of this type and schema.
        """
        return _load("event", payload, cls._read)

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Self:
        _known(data["type"], (cls.TYPE,))
        return cls(
            epoch=_text(data["epoch"]),
            seq=_count(data["seq"]),
            ts=parse_utc(data["ts"]),
            ts_source=_text(data["ts_source"]),
            replayed=bool(data["replayed"]),
            kept_from=_count(data.get("kept_from", 1)),
            **cls._fields(data),
        )

    def _content(self) -> dict[str, object]:
        """What is this type's own, as it travels."""
        raise NotImplementedError

    @classmethod
    def _fields(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same, read."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class CrossingMessage(_Event):
    """One person passed one line; the totals include this crossing.

    `synced` is whether the clock was synchronised with the network's when `ts` was taken or
    reckoned.
    """

    TYPE: ClassVar[str] = "crossing"

    line: str
    direction: str  # in | out
    in_total: int
    out_total: int
    track_s: float
    confidence: float  # 0..1
    synced: bool = field(default=False, kw_only=True)

    def _content(self) -> dict[str, object]:
        return {
            "line": self.line,
            "direction": self.direction,
            "in_total": self.in_total,
            "out_total": self.out_total,
            "track_s": round(self.track_s, 3),
            "confidence": round(self.confidence, 3),
            "synced": self.synced,
        }

    @classmethod
    def _fields(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        if data["direction"] not in ("in", "out"):
            raise ValueError(f"unknown direction {data['direction']!r}")
        return {
            "line": _text(data["line"]),
            "direction": data["direction"],
            "in_total": _count(data["in_total"]),
            "out_total": _count(data["out_total"]),
            "track_s": float(data["track_s"]),
            "confidence": float(data["confidence"]),
            "synced": bool(data.get("synced", False)),
        }


@dataclass(frozen=True, slots=True)
class BucketMessage(_Event):
    """What was counted in a quarter of an hour or in an hour on the site's wall, which is over.

    `in_count` and `out_count` are the crossings of that time over all lines. One that was decided
    too late for its own bucket is in the next, so that buckets of one period add up to the
    totals. Of a time in which the device was off for a while `quality` has a coverage below 1.
    """

    TYPE: ClassVar[str] = "bucket"

    period: int  # 900 or 3600, seconds; an hour that the clock's change cuts is shorter
    start: datetime
    end: datetime  # the first moment after it
    tz: str  # of the wall: "Europe/Berlin", or "+01:00" where the machine's own is used
    in_count: int
    out_count: int
    quality: Quality

    def _content(self) -> dict[str, object]:
        quality = self.quality.to_json()
        return {
            "period": self.period,
            "start": format_utc(self.start),
            "end": format_utc(self.end),
            "tz": self.tz,
            "in": self.in_count,
            "out": self.out_count,
            "coverage": quality.pop("coverage"),
            "quality": quality,
        }

    @classmethod
    def _fields(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "period": _count(data["period"]),
            "start": parse_utc(data["start"]),
            "end": parse_utc(data["end"]),
            "tz": _text(data["tz"]),
            "in_count": _count(data["in"]),
            "out_count": _count(data["out"]),
            "quality": Quality.from_json(data["quality"]),
        }


@dataclass(frozen=True, slots=True)
class GapMessage(_Event):
    """Whole quarters of which nothing is known: nobody was counted, which is not zero.

    `reason` is `off`: the device, the service or the camera was; or `clock`: the clock was put
    ahead, or the machine slept.
    """

    TYPE: ClassVar[str] = "gap"

    start: datetime
    end: datetime  # the first moment after it
    reason: str

    def _content(self) -> dict[str, object]:
        return {
            "start": format_utc(self.start),
            "end": format_utc(self.end),
            "reason": self.reason,
        }

    @classmethod
    def _fields(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "start": parse_utc(data["start"]),
            "end": parse_utc(data["end"]),
            "reason": _text(data["reason"]),
        }


EventMessage = CrossingMessage | BucketMessage | GapMessage


def read_event(payload: str | bytes) -> EventMessage:
    """Read what came on `/event`, of whichever type.

    Raises:
        DataError: not an event of this schema.
    """
    kinds = {kind.TYPE: kind._read for kind in (CrossingMessage, BucketMessage, GapMessage)}
    return _load("event", payload, lambda data: kinds[_known(data["type"], kinds)](data))


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """How the device feels. None is "not known here", never zero.

    `throttled` names what the board reports (empty: all well), `outbox` counts the events
    that wait for delivery, `versions` maps a package to its version, `detector` is as in the
    state's quality.
    """

    fps: float | None
    inference_ms: float | None
    device: str | None  # what runs the detector now, and why it if that is a fall-back
    camera_age_s: float | None  # seconds since the last picture
    dropped: int  # pictures that came since the start and were not looked at
    temperature_c: float | None
    throttled: tuple[str, ...] | None
    rss_mb: float | None
    disk_free_mb: float | None
    outbox: int
    versions: Mapping[str, str]
    model: str | None
    detector: str = OK  # or FALLBACK
    update: Mapping[str, str] | None = None  # model, phase, reason, at; None where there was none

    def to_json(self) -> str:
        """The payload."""
        return _dump(**{each.name: _plain(getattr(self, each.name)) for each in fields(self)})

    @classmethod
    def from_json(cls, payload: str | bytes) -> HealthSnapshot:
        """Read a payload.

        Raises:
            DataError: not a health of this schema.
        """
        return _load("health", payload, cls._read)

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> HealthSnapshot:
        throttled = data["throttled"]
        return cls(
            fps=_number(data["fps"]),
            inference_ms=_number(data["inference_ms"]),
            device=data["device"],
            camera_age_s=_number(data["camera_age_s"]),
            dropped=_count(data["dropped"]),
            temperature_c=_number(data["temperature_c"]),
            throttled=None if throttled is None else tuple(map(str, throttled)),
            rss_mb=_number(data["rss_mb"]),
            disk_free_mb=_number(data["disk_free_mb"]),
            outbox=_count(data["outbox"]),
            versions=dict(data["versions"]),
            model=data["model"],
            detector=str(data.get("detector", OK)),
            update=_words(data.get("update")),
        )


@dataclass(frozen=True, slots=True)
class Ack:
    """A store's word: all events of `epoch` up to `seq` are on its disk."""

    epoch: str
    seq: int

    def to_json(self) -> str:
        """The payload."""
        return _dump(epoch=self.epoch, seq=self.seq)

    @classmethod
    def from_json(cls, payload: str | bytes) -> Ack:
        """Read a payload.

        Raises:
            DataError: not an acknowledgement of this schema.
        """
        return _load("ack", payload, lambda data: cls(_text(data["epoch"]), _count(data["seq"])))


def _dump(**payload: object) -> str:
    return json.dumps({"schema": SCHEMA, **payload}, separators=(",", ":"), allow_nan=False)


def _load(what: str, payload: str | bytes, read: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        data = json.loads(payload)
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this version reads {SCHEMA}")
        return read(data)
    except _UNREADABLE as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        # It quotes what came, and who sends may send much.
        raise DataError(f"{what} message cannot be read: {reason[:_MOST_SAID]}") from error


def _known(kind: object, kinds: Container[str]) -> str:
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"unknown type {kind!r}")
    return kind


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _words(value: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    return None if value is None else {str(key): str(value[key]) for key in value}


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 2) if math.isfinite(value) else None
    return dict(value) if isinstance(value, Mapping) else value
