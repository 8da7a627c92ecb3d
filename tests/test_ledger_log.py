"""The write-ahead log's checksums are SQLite's, and what is mended is read by it."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from edge.ledger_log import LogState, judge, mended


def _log(path: Path) -> bytes:
    """Make a file of ten rows, each a commit; the log that has them all, before it is merged."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("CREATE TABLE numbers (n INTEGER, text TEXT)")
        for number in range(10):
            db.execute("INSERT INTO numbers VALUES (?, ?)", (number, "x" * 300 * number))
        files = [each.read_bytes() for each in (path, path.with_name(f"{path.name}-wal"))]
    path.write_bytes(files[0])  # as it was before the end of the connection
    return files[1]


def _rows(path: Path, log: bytes) -> int:
    path.with_name("read.db").write_bytes(path.read_bytes())
    path.with_name("read.db-wal").write_bytes(log)
    with contextlib.closing(sqlite3.connect(path.with_name("read.db"))) as db:
        return int(db.execute("SELECT count(*) FROM numbers").fetchone()[0])


@pytest.mark.parametrize("drop", [False, True])
def test_sqlite_reads_what_is_mended(tmp_path: Path, drop: bool) -> None:
    """A sound log stays what it is; one whose frames are of a wrong checksum is read to its end."""
    log = _log(tmp_path / "a.db")
    spoilt = bytearray(log)
    spoilt[32 + 24 + 4096 + 24 + 4000] ^= 1  # in the second page of the file, of the first commit

    assert (LogState.SOUND, LogState.DAMAGED) == (judge(log), judge(bytes(spoilt)))
    assert 10 == _rows(tmp_path / "a.db", mended(log, drop=drop))
    assert 10 == _rows(tmp_path / "a.db", mended(bytes(spoilt), drop=drop))


def test_no_bit_of_a_log_flips_unseen(tmp_path: Path) -> None:
    """But in what marks the end of the last commit, any of them is told as damage, or as a tear."""
    log, randomness = _log(tmp_path / "a.db"), random.Random(1)
    bits = [*range(56 * 8), *(randomness.randrange(8 * len(log)) for _ in range(300))]
    for bit in bits:
        spoilt = bytearray(log)
        spoilt[bit // 8] ^= 1 << bit % 8

        assert LogState.SOUND is not judge(bytes(spoilt)), bit
