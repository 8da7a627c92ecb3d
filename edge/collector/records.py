"""What came on `/event`, as rows for a store. Pure: bytes in, a row or a reason out.

Whatever a stranger publishes, a row that comes out of here can be written to any of the databases,
so that one bad message never holds up the good ones beside it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from edge.contract.messages import (
    SCHEMA,
    BucketMessage,
    CrossingMessage,
    EventMessage,
    GapMessage,
    Topics,
    read_event,
)
from edge.errors import ConfigError, DataError

MOST_BYTES = 64 * 1024  # of a payload; an event has less than one
UNREAD = "unread"  # type of an event that this version cannot read, and keeps as it came

_MOST = 2**53  # beyond it JSON's readers do not agree
_EPOCH = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a row holds beside its key; fields of other types of event are None."""

    type: str  # crossing, bucket, gap, unread
    ts: datetime | None = None
    ts_source: str | None = None
    line: str | None = None
    direction: str | None = None  # in, out
    in_total: int | None = None
    out_total: int | None = None
    track_s: float | None = None
    confidence: float | None = None
    period: int | None = None  # 900 or 3600, seconds
    begins: datetime | None = None
    ends: datetime | None = None
    tz: str | None = None
    in_count: int | None = None
    out_count: int | None = None
    coverage: float | None = None  # 0..1
    quality: str | None = None  # JSON
    reason: str | None = None
    raw: str | None = None  # the payload, of what could not be read


COLUMNS = tuple(each.name for each in fields(Content))


@dataclass(frozen=True, slots=True)
class Record:
    """An event of a device; (device, epoch, seq) is its key.

    `kept_from` is the lowest seq of the epoch that the device can still send. `fresh`: it was
    sent for the first time, as soon as it happened.
    """

    device: str
    epoch: str
    seq: int
    kept_from: int
    fresh: bool
    content: Content

    @property
    def ledger(self) -> tuple[str, str]:
        """Device and epoch: within them seq counts."""
        return self.device, self.epoch

    @property
    def values(self) -> tuple[object, ...]:
        """The content in the order of `COLUMNS`."""
        return tuple(getattr(self.content, name) for name in COLUMNS)


def check_device(device: str) -> None:
    """Refuse a name that no device can have.

    Raises:
        DataError: it has other letters than an id may have, or is the protocol's own.
    """
    try:
        Topics(device)
    except ConfigError as error:
        raise DataError(str(error)) from error


def check_size(payload: bytes) -> None:
    """Refuse what is larger than any message of a device.

    Raises:
        DataError: it is.
    """
    if len(payload) > MOST_BYTES:
        raise DataError(f"{len(payload)} bytes: no message of a device is larger than {MOST_BYTES}")


def read_record(device: str, payload: bytes) -> Record:
    """Read an event.

    One of this schema whose key can be read and whose content cannot is kept as it came: a
    device goes on only when all its events are stored, in order.

    Args:
        device: its id, of the topic.
        payload: what came.

    Raises:
        DataError: the device's name, size, schema or key is wrong; it cannot be stored.
    """
    check_device(device)
    check_size(payload)
    try:
        event = read_event(payload)
        content = _content(event)
    except DataError as error:
        return _unread(device, payload, error)
    return _record(device, event.epoch, event.seq, event.kept_from, not event.replayed, content)


def _record(
    device: str, epoch: object, seq: object, kept_from: object, fresh: bool, content: Content
) -> Record:
    if not isinstance(epoch, str) or not _EPOCH.fullmatch(epoch):
        raise DataError(f"epoch {epoch!r} is none")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq < _MOST:
        raise DataError(f"seq {seq!r} is none")
    if not isinstance(kept_from, int) or not kept_from <= seq:
        raise DataError(f"kept_from {kept_from!r} is beyond seq {seq}")
    return Record(device, epoch, seq, max(1, kept_from), fresh, content)


def _unread(device: str, payload: bytes, why: DataError) -> Record:
    try:
        data = json.loads(payload)
        text = payload.decode("utf-8")
    except (ValueError, RecursionError) as error:
        raise DataError(str(why)) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise why
    _check_storable(text)
    content = Content(type=UNREAD, raw=text)
    kept_from = data.get("kept_from", 1)
    return _record(device, data.get("epoch"), data.get("seq"), kept_from, False, content)


def _content(event: EventMessage) -> Content:
    content = Content(type=event.TYPE, ts=event.ts, ts_source=event.ts_source, **_own(event))
    for name in COLUMNS:
        _check_storable(getattr(content, name))
    return content


def _own(event: EventMessage) -> dict[str, Any]:
    match event:
        case CrossingMessage():
            names = "line direction in_total out_total track_s confidence"
            return dict(_named(event, names))
        case BucketMessage():
            quality = event.quality.to_json()
            own = dict(_named(event, "period tz in_count out_count"))
            span = {"begins": event.start, "ends": event.end}
            return {**own, **span, "coverage": quality["coverage"], "quality": json.dumps(quality)}
        case GapMessage():
            return {"begins": event.start, "ends": event.end, "reason": event.reason}


def _named(event: EventMessage, names: str) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(event, name)) for name in names.split())


def _check_storable(value: object) -> None:
    """Refuse what some database could not hold."""
    match value:
        case int() if abs(value) >= _MOST:
            raise DataError(f"{value} is no number of a device")
        case float() if not math.isfinite(value):
            raise DataError(f"{value} is no number of a device")
        case str() if "\0" in value or not _is_utf8(value):
            raise DataError(f"{value!r} is no text")


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
