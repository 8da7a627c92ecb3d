"""Runs a test of a model as a process of its own: it may crash, hang or eat, and is ended then."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.machine import kernel_text
from edge.updater.house import StoppedError

_POLL_S = 0.05
_PAGE = resource.getpagesize()
_MOST_SAID = 1 << 20  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process may take: seconds on the clock, and MB (10^6 bytes) of memory."""

    seconds: float = 20.0
    memory_mb: float = 1024.0


class UnfitError(Exception):
    """The process crashed, took too long or too much, or said nothing; says which, for people."""


def run(
    command: Sequence[str],
    limits: Limits,
    *,
    stop: threading.Event | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Mapping[str, Any]:
    """Run a command to its end; the JSON object that it prints last.

    Args:
        command: is killed, with all that it started, whatever ends this.
        limits: see there.
        stop: ends it from outside.
        tick: is called now and then while it runs.

    Raises:
        UnfitError: there is no such object.
        StoppedError: `stop` was set.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - a list of ours
            command, stdin=subprocess.DEVNULL, stdout=said, start_new_session=True
        )
        try:
            code = _watch(process, limits, stop or threading.Event(), tick)
        finally:
            _kill(process)
        said.seek(0)
        answer = said.read(_MOST_SAID)
    if code != 0:
        how = f"by signal {-code}" if code < 0 else f"with exit status {code}"
        raise UnfitError(f"its test ended {how}")
    return _object(answer)


def _watch(
    process: subprocess.Popen[bytes],
    limits: Limits,
    stop: threading.Event,
    tick: Callable[[], None],
) -> int:
    """Wait for the end; its exit status."""
    deadline = time.monotonic() + limits.seconds
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_S)
        if stop.is_set():
            raise StoppedError
        if time.monotonic() > deadline:
            raise UnfitError(f"its test took longer than {limits.seconds:g} s")
        if _memory_mb(process.pid) > limits.memory_mb:
            raise UnfitError(f"its test took more than {limits.memory_mb:g} MB of memory")
        tick()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _memory_mb(pid: int) -> float:
    fields = kernel_text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE / 1e6 if len(fields) > 1 else 0.0


def _object(answer: bytes) -> Mapping[str, Any]:
    lines = answer.decode("utf-8", errors="replace").strip().splitlines()
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise UnfitError("its test said nothing") from error
    if not isinstance(found, dict):
        raise UnfitError("its test said nothing")
    return found
