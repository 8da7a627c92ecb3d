"""`headcount demo`: a simulated door, counted live, equals its truth."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import headcount


def test_the_demo_counts_as_true() -> None:
    """Twenty seconds of a door: exit 0, counted equals truth, one event a crossing."""
    outcome = headcount("demo", "--seconds", 20, "--seed", 101, "--json")

    assert 0 == outcome.code, outcome.err
    assert outcome.json["right"]
    assert (outcome.json["true_in"], outcome.json["true_out"]) == (
        outcome.json["in"],
        outcome.json["out"],
    )
    assert outcome.json["true_in"] + outcome.json["true_out"] == outcome.json["events"] >= 5


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 101, 102, 103, 104, 105])
def test_a_minute_of_each_door(seed: int) -> None:
    """A minute has at least 8 in and 8 out, all counted."""
    outcome = headcount("demo", "--seconds", 60, "--seed", seed, "--json")

    assert 0 == outcome.code, outcome.err
    assert outcome.json["in"] >= 8
    assert outcome.json["out"] >= 8


def test_an_endless_demo_ends_when_interrupted() -> None:
    """`--seconds 0` runs until SIGINT, and ends without a traceback."""
    command = [sys.executable, "-m", "edge.cli", "demo", "--seconds", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert process.returncode in (0, 1)  # 1 where somebody stood on the line just then
    assert "Traceback" not in out + err


def test_a_negative_duration_is_a_wrong_call() -> None:
    """Exit 2, and one line."""
    outcome = headcount("demo", "--seconds", -1)

    assert 2 == outcome.code
    assert outcome.is_one_clear_line()
