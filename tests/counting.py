"""Counts into a ledger until it is killed; a program of its own that imports little.

    python counting.py LEDGER FULL|NORMAL

It prints a line when it is at work, and each seq once it is in the ledger.
"""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path

from edge.ledger import Ledger
from edge.types import Crossing, Direction

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


def count(path: Path, sync: str) -> None:
    """Never returns; `sync` is SQLite's `synchronous`, which is FULL where it is not tested."""
    os.write(1, b"begun\n")
    with Ledger.open(path) as ledger:
        ledger._recorder.execute(f"PRAGMA synchronous = {sync}")
        while True:
            for direction in (Direction.IN, Direction.IN, Direction.OUT):
                state = ledger.record(Crossing("L1", direction, 0, 0.0, 0, 1.0, 0.9), NOON)
                os.write(1, b"%d\n" % state.seq)


if __name__ == "__main__":
    count(Path(sys.argv[1]), sys.argv[2])
