"""What a device remembers of updates, in one small file that is replaced whole.

    models/state.json

Which model is in service is not in it but in a link (see `edge.updater.shelf`): the file says
whether that model is on trial, and what to do when the power goes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge.contract.bundle import Bundle, write_file
from edge.contract.strict_json import canonical_json, mapping, parse_json, record, text, whole

SHIPPED = ""  # the name on the shelf of the bundle that came with the application

_log = logging.getLogger(__name__)


class Phase(StrEnum):
    """How far an update is."""

    RECEIVED = "received"  # its bytes are coming in
    VERIFIED = "verified"  # a trusted key has signed its manifest, and it may be tried here
    STAGED = "staged"  # whole on the shelf, waits for its trial
    TRIAL = "trial"  # in service while it is tested; the one before is kept
    COMMITTED = "committed"  # passed, and stays
    BACK = "back"  # did not pass; the one before is in service
    REFUSED = "refused"  # never came to its trial


PENDING = (Phase.STAGED, Phase.TRIAL)
UNFINISHED = (Phase.RECEIVED, Phase.VERIFIED)


@dataclass(frozen=True, slots=True)
class Update:
    """One update, the latest of which is remembered.

    `reason` says why it was not taken, empty where it was or is under way; `tries` counts the
    trials that were begun.
    """

    name: str
    version: str
    counter: int
    sha256: str
    phase: Phase
    at: str  # UTC, when it came to that
    reason: str = ""
    tries: int = 0

    @classmethod
    def of(cls, bundle: Bundle, phase: Phase, at: str, reason: str = "") -> Update:
        """The update to a bundle."""
        manifest = bundle.manifest
        about = (manifest.name, manifest.version, manifest.counter, bundle.sha256)
        return cls(*about, phase=phase, at=at, reason=reason)

    @property
    def model(self) -> str:
        """As health names a model."""
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Record:
    """All that is remembered.

    Attributes:
        floors: the highest counter that was ever in service, by the name of the model.
        update: the latest.
        candidate: while one is pending, its name on the shelf.
        previous: name on the shelf of what was in service before; None where there is none.
        crashes: how often the service ended badly with a model that is still young.
        young: whether the model in service has still to prove itself.
    """

    floors: Mapping[str, int] = field(default_factory=dict)
    update: Update | None = None
    candidate: str | None = None
    previous: str | None = None
    crashes: int = 0
    young: bool = False

    @property
    def pending(self) -> bool:
        """Whether a bundle waits for its trial or is on it."""
        return self.update is not None and self.update.phase in PENDING

    def floor(self, name: str) -> int:
        """The counter that a bundle of this name must exceed; -1 where any is new."""
        return self.floors.get(name, -1)


def load(path: Path) -> Record:
    """Read the file; nothing is remembered where there is none.

    One that cannot be read is told, and as if it were not there: what is in service stays.
    """
    try:
        return record(Record, parse_json(path.read_bytes()), _RECORD)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError) as error:
        _log.warning("%s: %s; updates begin anew, the model in service stays", path, error)
        return Record()


def save(path: Path, content: Record) -> None:
    """Replace the file; it is on the disk when this returns.

    Raises:
        OSError: it cannot be written; the one that was there stays.
    """
    write_file(path, canonical_json(asdict(content)))


def _optional(value: object) -> str | None:
    return None if value is None else text(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - one kind of error for bad JSON
    return value


def _floors(value: object) -> dict[str, int]:
    return {name: whole(counter) for name, counter in mapping(value).items()}


def _update(value: object) -> Update | None:
    return None if value is None else record(Update, value, _UPDATE)


_UPDATE: dict[str, Any] = {
    "name": text,
    "version": text,
    "counter": whole,
    "sha256": text,
    "phase": lambda value: Phase(text(value)),
    "at": text,
    "reason": text,
    "tries": whole,
}
_RECORD: dict[str, Any] = {
    "floors": _floors,
    "update": _update,
    "candidate": _optional,
    "previous": _optional,
    "crashes": whole,
    "young": _flag,
}
