"""What a class is to a head detector: a head, a region to ignore, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.errors import CallError
from training.data.records import RawSet

ROLES = ("head", "ignore", "drop")
BACKGROUND = ("background", "__background__", "bg")


@dataclass(frozen=True, slots=True)
class Roles:
    """The role of each class; `note` says what was taken for granted."""

    by_class: Mapping[str, str]
    note: str = ""

    def of(self, label: str) -> str:
        """head, ignore or drop; empty for an unknown class."""
        return self.by_class.get(label) or self.by_class.get(label.casefold(), "")

    def known(self) -> str:
        """The classes for a person."""
        return ", ".join(f"{name} = {role}" for name, role in self.by_class.items())


def parse_roles(text: str) -> Roles | None:
    """Read `head,person=ignore,car=drop`; a name alone is a head; None for an empty text.

    Raises:
        CallError: a role is unknown, a class is empty or named twice.
    """
    roles: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        name, _, role = (part.strip() for part in item.partition("="))
        if not name or name in roles:
            raise CallError(f"--classes {text!r}: every class is named once")
        if role and role not in ROLES:
            raise CallError(f"--classes {item!r}: the role must be one of {', '.join(ROLES)}")
        roles[name] = role or "head"
    return Roles(roles) if roles else None


def roles_for(raw: RawSet, given: Roles | None = None) -> Roles:
    """The given roles, or what goes without saying.

    `head` and `ignore` mean what they say. Where a set of another kind than our own knows one
    class beside `ignore`, and it is not `head`, that class is the head.
    """
    if given is not None:
        return given
    plain = {"head": "head", "ignore": "ignore"}
    others = [name for name in raw.labels if name.casefold() not in (*plain, *BACKGROUND)]
    named = any(name.casefold() == "head" for name in raw.labels)
    if raw.kind == "csv" or named or len(others) != 1:
        return Roles(plain)
    return Roles({**plain, others[0]: "head"}, f"its one class, {others[0]!r}, is taken for heads")


def unknown_class(label: str, roles: Roles, labels: Sequence[str]) -> str:
    """What to tell about a box of an unknown class."""
    if label.casefold() in BACKGROUND:
        return f"class {label!r} is the background, which needs no box"
    listed = ",".join(f"{name}=drop" if name == label else name for name in labels)
    return f"class {label!r} is unknown ({roles.known()}); name its role, as --classes {listed}"
