"""What a key of a configuration may be: in words and as a check.

Knows nothing of the keys themselves: those are in `edge.config`.
"""

from __future__ import annotations

import datetime
import math
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

from edge.types import Point

_NAME = re.compile("[A-Za-z0-9_-]{1,64}")
_BROKER = "mqtt://host[:port] or mqtts://host[:port]"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Minutes of the day from `opens` up to `closes`, on `days` (Monday is 0).

    `closes` is greater than `opens`; beyond 1440 it is on the day after.
    """

    days: tuple[int, ...]
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value may be. `read` returns the value, or raises ValueError ("must be …")."""

    kind: str
    read: Callable[[object], object]


def text(pattern: str = r"[^\x00-\x1f\x7f]*", kind: str = "text") -> Rule:
    """Text on one line that matches a pattern as a whole."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise _not(value, kind)
        return value

    return Rule(kind, read)


TEXT = text()


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _not(value, "true or false")
    return value


FLAG = Rule("true or false", _flag)


def whole(low: int, high: int) -> Rule:
    """A whole number, both ends included."""
    kind = f"whole number, {low} to {high}"

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _not(value, f"a {kind}")
        return value

    return Rule(kind, read)


def number(low: float, high: float) -> Rule:
    """A number, both ends included."""
    kind = f"number, {low:g} to {high:g}"

    def read(value: object) -> float:
        if not _is_number(value) or not low <= value <= high:
            raise _not(value, f"a {kind}")
        return float(value)

    return Rule(kind, read)


def choice(*values: int) -> Rule:
    """One of a few whole numbers."""
    *most, last = map(str, values)
    kind = f"{', '.join(most)} or {last}"

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value not in values:
            raise _not(value, kind)
        return value

    return Rule(kind, read)


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _not(value, "a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as e:
        raise _not(value, "a path below a home that there is") from e


PATH = Rule("path", _path)


def _point(value: object) -> Point:
    parts = value if isinstance(value, list) else []
    if len(parts) != 2 or not all(_is_number(part) and 0 <= part <= 1 for part in parts):
        raise _not(value, "a point [x, y], each from 0 to 1")
    return float(parts[0]), float(parts[1])


POINT = Rule("point `[x, y]`, each from 0 to 1", _point)


def _topic_levels(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [None]
    good = all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
    if not good or len(set(names)) < len(names):
        raise _not(value, "a list of names that differ")
    return tuple(names)


TOPIC_LEVELS = Rule("list of names (letters, digits, `_`, `-`)", _topic_levels)


def _broker_url(value: object) -> str:
    if value == "":
        return ""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        port = parts.port
    except ValueError as e:
        raise _not(value, _BROKER) from e
    if parts.username is not None:
        raise ValueError("must not hold a password: set mqtt.user and mqtt.password_file")
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or rest:
        raise _not(value, _BROKER)
    return str(value)


BROKER_URL = Rule("address of a broker", _broker_url)


def _time_zone(value: object) -> str:
    if value == "":
        return ""
    try:
        return zoneinfo.ZoneInfo(value if isinstance(value, str) else "").key
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as e:
        raise _not(value, "a time zone, as Europe/Berlin") from e


TIME_ZONE = Rule("time zone", _time_zone)


def _time_of_day(value: object) -> datetime.time:
    if isinstance(value, datetime.time):
        return value
    minutes = _minutes(value) if isinstance(value, str) else None
    if minutes is None or minutes == 24 * 60:
        raise _not(value, 'a time of the day, as "04:00"')
    return datetime.time(*divmod(minutes, 60))


TIME_OF_DAY = Rule('time, as `"04:00"`', _time_of_day)


def _opening_hours(value: object) -> tuple[OpeningHours, ...]:
    if not isinstance(value, list):
        raise _not(value, 'a list, as ["mon-fri 08:00-20:00"]')
    return tuple(_hours(item) for item in value)


OPENING_HOURS = Rule('list, as `["mon-fri 08:00-20:00", "sat 09:00-13:00"]`', _opening_hours)


def _not(value: object, kind: str) -> ValueError:
    return ValueError(f"must be {kind}, not {value!r}")


def _hours(value: object) -> OpeningHours:
    match = re.fullmatch(
        r"([a-z]{3})(?:-([a-z]{3}))? +([0-9:]+)-([0-9:]+)", value if isinstance(value, str) else ""
    )
    first, last, opens, closes = match.groups() if match else ("", None, "", "")
    begin, end = _minutes(opens), _minutes(closes)
    if first not in DAYS or (last or first) not in DAYS or None in (begin, end) or begin == end:
        raise ValueError(f'must hold entries as "mon-fri 08:00-20:00", not {value!r}')
    assert begin is not None and end is not None
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % 7 + 1
    days = tuple((start + step) % 7 for step in range(length))
    return OpeningHours(days, begin, end if end > begin else end + 24 * 60)


def _minutes(value: str) -> int | None:
    match = re.fullmatch(r"(\d\d):(\d\d)", value)
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else None
    return minutes if minutes is not None and minutes <= 24 * 60 else None


def _is_number(value: object) -> TypeGuard[int | float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return isinstance(value, int) or math.isfinite(value)


def as_toml(value: object) -> str:
    """A default as the reference shows it."""
    if value is None or value == "":
        return "not set" if value is None else '`""`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value}`"
    if isinstance(value, tuple):
        return "`[]`"
    shown = value.strftime("%H:%M") if isinstance(value, datetime.time) else str(value)
    return f'`"{shown}"`'
