"""What systemd is told, over real datagram sockets, and when."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.notify import Heartbeat, Systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that listens as systemd does, and its address as systemd writes it."""
    address = {
        "path": str(tmp_path / "notify"),
        "abstract": f"@headcount-test-{os.getpid()}",
    }[request.param]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.setblocking(False)
        yield listener, address


def heard(listener: socket.socket) -> list[str]:
    """The messages that have come since the last time."""
    messages = []
    while True:
        try:
            messages.append(listener.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_systemd_is_told(manager: tuple[socket.socket, str]) -> None:
    """One datagram a call, one assignment a line, to a path and to an abstract address."""
    listener, address = manager
    systemd = Systemd.of({"NOTIFY_SOCKET": address})
    systemd.tell("READY=1", "STATUS=counting")
    systemd.tell("STOPPING=1")

    assert ["READY=1\nSTATUS=counting", "STOPPING=1"] == heard(listener)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
    ids=["none", "without a pid", "ours", "another's", "zero", "no number"],
)
def test_the_watchdog_is_ours_alone(environment: dict[str, str], expected: float | None) -> None:
    """Its period is read where it is meant for this process, and makes sense."""
    assert expected == Systemd.of(environment, pid=7).watchdog_s


def test_outside_systemd_nothing_happens() -> None:
    """Without a socket nothing is told, and the disk is not written to for it."""
    checks: list[None] = []
    heart = Heartbeat(Systemd.of({"WATCHDOG_USEC": "1000"}), lambda: checks.append(None))
    heart.beat()
    heart.beat()

    assert [] == checks


def test_a_systemd_that_is_gone_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A socket where nobody listens is logged, and the service goes on."""
    with caplog.at_level(logging.WARNING):
        Systemd(str(tmp_path / "nobody")).tell("WATCHDOG=1")

    assert 1 == len(caplog.records)
    assert "WATCHDOG=1" in caplog.text


class Beating:
    """A heartbeat with a clock that the test turns, and what it says and checks."""

    def __init__(self, listener: socket.socket, systemd: Systemd) -> None:
        self.now = 1000.0
        self.checks: list[float] = []
        self.fault: LedgerError | None = None
        self._listener = listener
        self._heart = Heartbeat(systemd, self._check, clock=lambda: self.now)

    def _check(self) -> None:
        self.checks.append(self.now)
        if self.fault is not None:
            raise self.fault

    def at(self, now: float) -> list[str]:
        """Beat at a second, and tell what systemd heard."""
        self.now = now
        self._heart.beat()
        return heard(self._listener)


@pytest.fixture
def beating(manager: tuple[socket.socket, str]) -> Beating:
    """Watched with a period of a minute."""
    listener, address = manager
    return Beating(listener, Systemd(address, 60.0))


def test_ready_is_the_first_picture(beating: Beating) -> None:
    """READY=1 once, with the first beat; then WATCHDOG=1, four times in a period and not more."""
    assert ["READY=1\nSTATUS=counting"] == beating.at(0.0)
    assert [] == beating.at(14.9)
    assert ["WATCHDOG=1"] == beating.at(15.0)
    assert [] == beating.at(29.9)
    assert ["WATCHDOG=1"] == beating.at(700.0)
    assert [] == beating.at(700.1)


def test_the_disk_is_tried_before_systemd_is_told(beating: Beating) -> None:
    """The ledger is checked before READY=1 and then once a minute, not with every beat."""
    for second in range(0, 121):
        beating.at(float(second))

    assert [0.0, 60.0, 120.0] == beating.checks


@pytest.mark.parametrize("begun", [False, True], ids=["at the start", "later"])
def test_a_full_disk_is_not_told_as_well(beating: Beating, begun: bool) -> None:
    """A ledger that cannot be written ends the service with its own words, and no WATCHDOG=1."""
    if begun:
        beating.at(0.0)
    beating.fault = LedgerError("ledger.db: free some space on the disk")
    with pytest.raises(LedgerError, match="free some space"):
        beating.at(60.0)

    assert [] == heard(beating._listener)


def test_without_a_watchdog_ready_is_all(manager: tuple[socket.socket, str]) -> None:
    """Type=notify without WatchdogSec: READY=1, and no more."""
    listener, address = manager
    beating = Beating(listener, Systemd(address))

    assert ["READY=1\nSTATUS=counting"] == beating.at(0.0)
    assert [] == beating.at(1e9)
