"""Turns the tables of a TOML file into sections, and knows where in the file a key stands.

A section is a frozen dataclass whose fields are annotated `Annotated[type, Rule, "doc"]` and have
defaults. Which sections there are is in `edge.config`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_args, get_type_hints

from edge.config_rules import Rule
from edge.errors import ConfigError

Section = TypeVar("Section")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: what it may be, what it is for, what it is when not given."""

    name: str
    rule: Rule
    doc: str
    default: object


def keys_of(kind: type) -> tuple[Key, ...]:
    """The keys of a section, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    keys = []
    for field in fields(kind):
        _, rule, doc = get_args(hints[field.name])
        keys.append(Key(field.name, rule, doc, field.default))
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads sections; `name` stands for the file in errors, `content` is its text."""

    name: str
    content: str

    def error(self, section: str, key: str, message: str, nth: int = 0) -> ConfigError:
        """An error at a key (empty: the section itself) of the nth section of that name."""
        line = line_number(self.content, section, key, nth)
        return ConfigError(f"{self.name}:{line}: {message}")

    def refuse_unknown(
        self, section: str, table: Mapping[str, object], known: list[str], nth: int = 0
    ) -> None:
        """Raise ConfigError at the first key of the table that is not known."""
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                what = f"key {key!r} in [{section}]" if section else f"section or key {key!r}"
                raise self.error(section, key, f"unknown {what}; {advice}", nth)

    def section(self, name: str, kind: type[Section], table: object, nth: int = 0) -> Section:
        """Read a table into a section.

        Raises:
            ConfigError: a key is unknown or its value is not what its rule says.
        """
        if not isinstance(table, dict):
            raise self.error("", name, f"{name} must be a section: write [{name}]", nth)
        keys = keys_of(kind)
        self.refuse_unknown(name, table, [key.name for key in keys], nth)
        values: dict[str, Any] = {}
        for key in keys:
            if key.name in table:
                try:
                    values[key.name] = key.rule.read(table[key.name])
                except ValueError as e:
                    raise self.error(name, key.name, f"{name}.{key.name} {e}", nth) from e
        return kind(**values)


_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\"'-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def line_number(content: str, section: str, key: str, nth: int = 0) -> int:
    """The line of a key, from 1; that of its section where the key is not to be found.

    Args:
        content: TOML that parses.
        section: its name, empty for the top of the file.
        key: empty for the section itself.
        nth: which of the sections with this name, from 0.
    """
    # tomllib tells no places; what this reading by lines cannot see (a key within an inline
    # table) is told by the line of its section.
    wanted = f"{section}.{key}".strip(".")
    here, count, best = "", -1 if section else 0, 1
    for line, written in enumerate(content.splitlines(), 1):
        header, assignment = _HEADER.match(written), _KEY.match(written)
        if header:
            here = re.sub(r"[\"']", "", header[1])
            count += here == section
        name = re.sub(r"[\"']", "", assignment[1]) if assignment else ""
        name = here if header else f"{here}.{name}".strip(".") if name else ""
        counted = count == nth if here == section else nth == 0
        if counted and name and name == wanted:
            return line
        if counted and name and name == section:
            best = line
    return best
