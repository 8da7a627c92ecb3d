"""What a test must not leave behind: processes, zombies too, and open files and pipes."""

from __future__ import annotations

import contextlib
from pathlib import Path


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
