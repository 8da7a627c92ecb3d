"""What a running program says on stderr: one line a record, and none again and again.

On a terminal a line begins with the time of day and the level. systemd's journal knows the time;
there it begins with a syslog priority, as `<4>`, by which `journalctl -p warning` finds it. Only a
defect of ours has a traceback: a foreseeable fault is told by its message alone.

A warning that repeats itself is held back, and in the end it is told how often:

    said  said  said  said  said  (held back, held back ...)  "held back 37 times in 10 minutes: …"
    |<------------------ ten minutes ---------------------->|
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

_LIMIT = 5  # times that the same warning is said in a window
_WINDOW_S = 600.0
_PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}


def set_up(*, verbose: bool) -> None:
    """Have everything that is logged written to stderr; without effect where that was done before.

    Args:
        verbose: with what is of use to a developer alone.
    """
    handler = Lines(sys.stderr, in_journal=is_journal(sys.stderr, os.environ))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


def complain(message: str) -> None:
    """Say, as the last word, why the program ends."""
    beginning = "<3>" if is_journal(sys.stderr, os.environ) else "headcount: "
    print(f"{beginning}{_one_line(message)}", file=sys.stderr)


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream leads to systemd's journal.

    The environment alone does not tell: it is inherited by what is started with a terminal.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file at all, or closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Lines(logging.StreamHandler[TextIO]):
    """Writes records as lines.

    Args:
        stream: where to.
        in_journal: it is systemd's journal.
        clock: gives monotonic seconds.
    """

    def __init__(
        self, stream: TextIO, *, in_journal: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream)
        self.setFormatter(_Formatter(in_journal=in_journal))
        self._throttle = Throttle()
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it back."""
        for each in self._throttle.take(record, self._clock()):
            super().emit(each)

    def close(self) -> None:
        """Tell what is still held back."""
        for each in self._throttle.rest():
            if not self.stream.closed:
                super().emit(each)
        super().close()


@dataclass
class _Window:
    """A warning since it was first said; `last` is the record that was held back last."""

    since: float
    said: int = 0
    held: int = 0
    last: logging.LogRecord | None = None


class Throttle:
    """Holds back what was said often enough: records with one logger and one format.

    Args:
        limit: how often in a window a warning is let through.
        window_s: seconds.
    """

    def __init__(self, limit: int = _LIMIT, window_s: float = _WINDOW_S) -> None:
        self._limit = limit
        self._window_s = window_s
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, record: logging.LogRecord, now: float) -> list[logging.LogRecord]:
        """What is to be said now, at monotonic second `now`."""
        said = self._ended(now)
        if record.levelno < logging.WARNING:
            return [*said, record]
        window = self._windows.setdefault((record.name, str(record.msg)), _Window(now))
        if window.said < self._limit:
            window.said += 1
            return [*said, record]
        window.held += 1
        window.last = record
        return said

    def rest(self) -> list[logging.LogRecord]:
        """What was held back and is not told yet."""
        return self._ended(float("inf"))

    def _ended(self, now: float) -> list[logging.LogRecord]:
        said = []
        for key, window in list(self._windows.items()):
            if now - window.since >= self._window_s:
                del self._windows[key]
                if window.last is not None:
                    said.append(self._summary(window.last, window.held))
        return said

    def _summary(self, last: logging.LogRecord, held: int) -> logging.LogRecord:
        times = "once" if held == 1 else f"{held} times"
        text = f"held back {times} in {self._window_s / 60:g} minutes: {last.getMessage()}"
        return logging.LogRecord(
            last.name, last.levelno, last.pathname, last.lineno, text, (), None
        )


class _Formatter(logging.Formatter):
    """`<4>message` for the journal, `16:20:05 WARNING message` for people."""

    def __init__(self, *, in_journal: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._in_journal = in_journal

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = _one_line(record.message)
        return record.message if self._in_journal else super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._in_journal:
            return text
        priority = f"<{_PRIORITIES.get(record.levelname, 5)}>"  # of each line of a traceback, too
        return "\n".join(priority + line for line in text.split("\n"))


def _one_line(text: str) -> str:
    """What strangers send must neither look like another line nor steer a terminal."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "?"
        for letter in text.strip()
    )
