"""Locks in the folder of the models, which go with the process that holds them.

lock            who is at work on the models
service.lock    the service of this door runs
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.errors import UpdateError
from edge.updater.house import BusyError

_LOCK = "lock"
_SERVED = "service.lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one at work.

    Raises:
        BusyError: another one is.
        UpdateError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UpdateError(f"{folder}: {error.strerror}; mend that") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise BusyError("another update is at work; wait for its end") from error
    try:
        yield
    finally:
        os.close(lock)


def hold(folder: Path) -> None:
    """Let others know that the service runs, until this process ends."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _SERVED, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(folder: Path) -> bool:
    """Whether the service runs, and so tries what is staged by itself."""
    try:
        probe = os.open(folder / _SERVED, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(probe)
    return False
