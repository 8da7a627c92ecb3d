"""What an updater is told of its device, and what a test of a model answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.contract.bundle import Bundle
from edge.contract.signature import Trust, TrustedKeys
from edge.errors import UpdateError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says of a model; `reason` is for people."""

    good: bool
    reason: str = ""


class BusyError(UpdateError):
    """Not now: another update is under way, or the disk is full."""


class StoppedError(Exception):
    """A test was stopped from outside, which says nothing of the model."""


Test = Callable[[Bundle, Bundle], Verdict]  # the candidate, and the one in service before


@dataclass(frozen=True, slots=True)
class House:
    """A device.

    Attributes:
        folder: for the models.
        shipped: the bundle that came with the application.
        judge: who vouches for a bundle; raises BundleError where nobody does.
        keys: the trusted keys.
        devices: tells those that may run the model; a bundle must be made for one of them.
        most: bytes of a bundle.
        clock: the wall clock, with a time zone.
    """

    folder: Path
    shipped: Path
    judge: Callable[[Bundle], Trust]
    keys: Callable[[], TrustedKeys]
    devices: Callable[[], tuple[str, ...]] = lambda: ("CPU",)
    most: int = 128 << 20
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
