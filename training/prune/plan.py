"""A pruning plan: which channels of each group stay, and which blocks go. Data, not action.

A plan speaks of the dense network. It is written as JSON, travels in checkpoints and bundles,
and can be applied again to a fresh network of the same architecture. `surgery` applies it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.prune.groups import ChannelGroup

SCHEMA = 1
Kept = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PruningPlan:
    """Kept channel indices of each group, rising; blocks that are replaced by nothing.

    sizes: channels of every group of the dense network after its blocks were removed: they tell
    whether a network is the one that the plan was made for.
    """

    sizes: Mapping[str, int]
    kept: Mapping[str, Kept]
    removed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if set(self.sizes) != set(self.kept):
            raise DataError("a pruning plan must keep channels of each group that it names")
        for name, kept in self.kept.items():
            if not kept:
                raise DataError(f"group {name}: a plan that keeps no channel cannot be applied")
            if list(kept) != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= self.sizes[name]:
                raise DataError(
                    f"group {name}: kept channels must rise from 0 to {self.sizes[name] - 1}"
                )

    def width(self, name: str) -> int:
        """Channels of a group that stay."""
        return len(self.kept[name])

    def with_kept(self, kept: Mapping[str, Iterable[int]]) -> PruningPlan:
        """The plan with other channels kept in the groups given."""
        new = {name: tuple(sorted(int(k) for k in indices)) for name, indices in kept.items()}
        return PruningPlan(self.sizes, {**self.kept, **new}, self.removed)

    def after(self, earlier: PruningPlan) -> PruningPlan:
        """The same plan for a network to which an earlier, milder plan was applied already.

        Raises:
            DataError: the plans are not of one network, or this one keeps what that one cut.
        """
        if dict(self.sizes) != dict(earlier.sizes) or self.removed != earlier.removed:
            raise DataError("the two pruning plans are not of one network")
        kept = {}
        for name, indices in self.kept.items():
            place = {channel: position for position, channel in enumerate(earlier.kept[name])}
            if not set(indices) <= set(place):
                raise DataError(f"group {name}: the later plan keeps channels that are gone")
            kept[name] = tuple(place[channel] for channel in indices)
        return PruningPlan({name: earlier.width(name) for name in self.sizes}, kept)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; groups that stay whole are written by their size alone."""
        return {
            "schema": SCHEMA,
            "sizes": dict(self.sizes),
            "kept": {n: list(k) for n, k in self.kept.items() if len(k) < self.sizes[n]},
            "removed": list(self.removed),
        }


def dense(groups: Iterable[ChannelGroup], removed: Iterable[str] = ()) -> PruningPlan:
    """The plan that keeps every channel of these groups."""
    sizes = {group.name: group.size for group in groups}
    kept = {name: tuple(range(size)) for name, size in sizes.items()}
    return PruningPlan(sizes, kept, tuple(removed))


def from_json(data: object, name: str = "plan") -> PruningPlan:
    """A plan of a JSON object.

    Raises:
        DataError: it is not one, or contradicts itself.
    """
    try:
        if not isinstance(data, dict) or data["schema"] != SCHEMA:
            raise DataError(f"{name}: not a pruning plan of schema {SCHEMA}")
        sizes = {str(key): int(value) for key, value in data["sizes"].items()}
        kept = {key: tuple(range(size)) for key, size in sizes.items()}
        kept |= {str(key): tuple(int(k) for k in value) for key, value in data["kept"].items()}
        return PruningPlan(sizes, kept, tuple(str(block) for block in data["removed"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{name}: not a pruning plan: {error!r}") from error


def read_plan(path: Path) -> PruningPlan:
    """Read a plan's file.

    Raises:
        DataError: it cannot be read, or is no plan.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a pruning plan: {error}") from error
    return from_json(data, str(path))


def write_plan(plan: PruningPlan, path: Path) -> None:
    """Write a plan's file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    text = json.dumps(plan.to_json(), separators=(",", ":")) + "\n"
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
