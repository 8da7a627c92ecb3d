"""JSON that leaves no doubt: canonical bytes out, and in only what is wholly understood.

Readers turn one value into a checked one or raise ValueError; a record of readers turns an
object into a dataclass, with no key missing and none unknown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

Reader = Callable[[object], Any]
T = TypeVar("T")


def canonical_json(content: object) -> bytes:
    """UTF-8 JSON with sorted keys, dataclasses as objects: the same bytes for the same content.

    Raises:
        ValueError: it holds what JSON cannot, as NaN.
    """
    text = json.dumps(
        content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=_as_json
    )
    return text.encode() + b"\n"


def parse_json(content: bytes) -> object:
    """Parse strict JSON.

    Raises:
        ValueError: it is not JSON, holds a number that is not finite, or a key twice.
    """
    try:
        text = content.decode("utf-8")
        return json.loads(
            text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_unique
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
        raise ValueError(f"is not JSON: {e}") from e


def _finite(text: str) -> float:
    number = float(text)
    need(math.isfinite(number), f"holds {text}, which is no finite number")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    need(len(table) == len(pairs), f"holds a key twice among {sorted(table)}")
    return table


def _as_json(value: object) -> object:
    if is_dataclass(value):
        return {key.name: getattr(value, key.name) for key in fields(value)}
    raise ValueError(f"{type(value).__name__} is not JSON")


def need(good: bool, message: str) -> None:
    """Raise ValueError with the message unless it is good."""
    if not good:
        raise ValueError(message)


def record(kind: Callable[..., T], data: object, readers: Mapping[str, Reader]) -> T:
    """Read an object that has just the keys of `readers` into a dataclass."""
    table = mapping(data)
    for key in table:
        need(key in readers, f"{key!r} is unknown: made for another version of headcount")
    values = {}
    for key, read in readers.items():
        need(key in table, f"{key} is missing")
        try:
            values[key] = read(table[key])
        except (ValueError, OverflowError) as e:
            raise ValueError(f"{key}: {e}") from e
    return kind(**values)


def mapping(value: object) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - one kind of error for bad JSON
    return dict(value)


def text(value: object) -> str:
    """Text."""
    need(isinstance(value, str), "must be text")
    return str(value)


def whole(value: object) -> int:
    """A whole number, at most 2^53."""
    if type(value) is not int or abs(value) > 1 << 53:
        raise ValueError("must be a whole number")
    return value


def number(value: object) -> float:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004
    return float(value)


def list_of(value: object, read: Callable[[object], T]) -> tuple[T, ...]:
    """A list, each item read by `read`."""
    if not isinstance(value, list):
        raise ValueError("must be a list")  # noqa: TRY004
    return tuple(read(item) for item in value)


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    return list_of(value, text)
