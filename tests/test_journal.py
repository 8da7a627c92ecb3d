"""What is said on stderr: one line a record, for the journal or for people, and none too often."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.journal import Lines, Throttle, is_journal


def record(
    text: str, *values: object, level: int = logging.WARNING, error: Exception | None = None
) -> logging.LogRecord:
    fault = (type(error), error, None) if error else None
    return logging.LogRecord("edge.door", level, "door.py", 1, text, values, fault)


def said(*records: logging.LogRecord, in_journal: bool = False) -> list[str]:
    """The lines that the records make."""
    stream = io.StringIO()
    handler = Lines(stream, in_journal=in_journal)
    for each in records:
        handler.emit(each)
    handler.close()
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3)],
    ids=logging.getLevelName,
)
def test_the_journal_is_told_the_priority(level: int, priority: int) -> None:
    """In the journal `<N>` and the message; for people time, level and message."""
    (journal,) = said(record("full at %d", 3, level=level), in_journal=True)
    (people,) = said(record("full at %d", 3, level=level))

    assert f"<{priority}>full at 3" == journal
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {logging.getLevelName(level)} full at 3", people)


@pytest.mark.parametrize("in_journal", [False, True], ids=["people", "journal"])
def test_what_strangers_send_is_one_line(in_journal: bool) -> None:
    """Line ends and letters that steer a terminal are taken out."""
    (line,) = said(record("%s: ignored", "a\nb\x1b[2J"), in_journal=in_journal)

    assert line.endswith("a b?[2J: ignored")


def test_a_traceback_keeps_its_lines_and_each_has_its_priority() -> None:
    """A defect of ours is told whole, and `journalctl -p err` finds all of it."""
    lines = said(record("lost", level=logging.ERROR, error=LedgerError("x\ny")), in_journal=True)

    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)


def test_the_same_warning_is_held_back() -> None:
    """So often in a window, whatever it names; then how often that was, and it is said again."""
    throttle = Throttle(limit=2, window_s=60)
    counts = [len(throttle.take(record("%d lost", n), now=float(n))) for n in range(60)]
    (summary, again) = throttle.take(record("%d lost", 60), now=60.0)

    assert [1, 1] + 58 * [0] == counts
    assert "held back 58 times in 1 minutes: 59 lost" == summary.getMessage()
    assert "60 lost" == again.getMessage()
    assert [] == throttle.rest()


def test_another_warning_is_said_and_tells_what_was_held_back() -> None:
    """Each warning has a count of its own; any later record brings out what is due."""
    throttle = Throttle(limit=1, window_s=60)
    for _ in range(3):
        throttle.take(record("lost"), 0.0)
    other = throttle.take(record("silent"), 1.0)
    later = throttle.take(record("counting", level=logging.INFO), 60.0)

    assert ["silent"] == [each.getMessage() for each in other]
    assert ["held back 2 times in 1 minutes: lost", "counting"] == [e.getMessage() for e in later]


def test_crossings_are_never_held_back() -> None:
    """What is no warning is said each time."""
    throttle = Throttle(limit=1)

    assert all(throttle.take(record("in", level=logging.INFO), 0.0) for _ in range(1000))


def test_the_end_tells_what_was_held_back() -> None:
    """A program that ends within the window says it before."""
    lines = said(*(record("lost") for _ in range(9)))

    assert 6 == len(lines)
    assert lines[-1].endswith("WARNING held back 4 times in 10 minutes: lost")


def test_the_journal_is_known_by_the_stream_itself(tmp_path: Path) -> None:
    """The environment names a file; a terminal that inherited it is not that file."""
    with (tmp_path / "journal").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

        assert is_journal(stream, environment)
        assert not is_journal(other, environment)
        assert not is_journal(stream, {})
        assert not is_journal(io.StringIO(), environment)


def test_the_last_word_of_a_program_has_a_priority_too(tmp_path: Path) -> None:
    """Why it ends is an error in the journal, and `headcount: …` for people."""
    words = {}
    for name in ("journal", "people"):
        with (tmp_path / name).open("w+") as stream:
            status = os.fstat(stream.fileno())
            told = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            subprocess.run(
                [sys.executable, "-m", "edge.cli", "run", "-c", str(tmp_path / "none.toml")],
                stderr=stream,
                env={**os.environ, **(told if name == "journal" else {})},
                check=False,
            )
            stream.seek(0)
            words[name] = stream.read()

    assert words["journal"].startswith(f"<3>{tmp_path}/none.toml: no such configuration file")
    assert words["people"].startswith(f"headcount: {tmp_path}/none.toml")
    assert 1 == words["journal"].count("\n") == words["people"].count("\n")
