"""A test of a model as a process: whatever it does, it ends, and is said how."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path

import pytest

from edge.updater import StoppedError
from edge.updater.child import Limits, UnfitError, run
from tests.brokers import wait_until

LIMITS = Limits(seconds=20, memory_mb=300)


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def running(word: str) -> bool:
    """Whether a process has the word in its command."""
    found = False
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found |= word.encode() in path.read_bytes()
    return found


def test_its_last_line_is_the_answer() -> None:
    """Whatever it printed before."""
    assert {"ms": 20} == run(program("print('loading'); print('{\"ms\": 20}')"), LIMITS)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "ended with exit status 3"),
        ("import os; os.abort()", "ended by signal 6"),
        ("pass", "said nothing"),
        ("print([1])", "said nothing"),
        ("print('{')", "said nothing"),
        ("x = [bytearray(b'1' * 10**7) for _ in range(10**4)]", "more than 300 MB of memory"),
    ],
    ids=["raises", "crashes", "silent", "other", "broken", "eats memory"],
)
def test_what_is_unfit_is_told(code: str, words: str) -> None:
    """It is killed, and the reason is for people."""
    with pytest.raises(UnfitError, match=words):
        run(program(code), LIMITS)


def test_what_hangs_is_killed_with_all_that_it_started() -> None:
    """After its time; its children do not outlive it."""
    code = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(71.25)']);"
        "time.sleep(60)"
    )
    begun = time.monotonic()
    with pytest.raises(UnfitError, match="longer than 1 s"):
        run(program(code), Limits(seconds=1))

    assert time.monotonic() - begun < 5
    wait_until(
        lambda: not running("71.25"), "its child is gone, too", 2
    )  # who is killed may linger


def test_it_can_be_stopped_from_outside() -> None:
    """Which says nothing of the model."""
    stop, ticks = threading.Event(), []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            stop.set()

    with pytest.raises(StoppedError):
        run(program("import time; time.sleep(60)"), LIMITS, stop=stop, tick=tick)

    assert 3 == len(ticks)
