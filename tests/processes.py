"""Processes of a test: what must not be left of them, and one that is killed at its work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def children() -> set[int]:
    """Processes that any of our threads started and that are not reaped."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def open_files() -> int:
    """How many files and pipes are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def lines_until_kill(
    script: Path, path: Path, seconds: float | None, *arguments: str
) -> list[bytes]:
    """Run a file of ours, and kill -9 it so many seconds after its first line; None lets it end.

    Returns:
        The lines that it printed after the first, less one that the kill has cut.
    """
    child = subprocess.Popen(
        [sys.executable, str(script), str(path), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    with child, child.stdout as told:
        told.readline()  # from now on it is at work
        if seconds is not None:
            time.sleep(seconds)
            child.kill()
        return told.read().split(b"\n")[:-1]
