"""What systemd is told: that the service counts, that it still does, that it ends.

The watchdog is fed by the work itself. Whoever has brought a picture the whole way says so; no
thread or timer does, so that a service which hangs anywhere falls silent and is started again.
Outside systemd nothing is told to nobody.

    start ----------------- first picture -- picture -- picture ... ---- stop ------- exit
    STATUS=what it waits for  READY=1      (WATCHDOG=1 now and then)    STOPPING=1
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TELL_S = 1.0  # counting must not wait for a systemd that does not listen
_PINGS = 4  # in a period: after the last one, three quarters of it are left to mend a fault
_CHECK_S = 60.0  # one small write; cards wear out

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Systemd:
    """The systemd that started this process.

    Attributes:
        address: of its socket, a path or @name; empty where there is none.
        watchdog_s: how long it bears silence, seconds; None where it does not watch.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> Systemd:
        """Read what systemd has left in the environment of process `pid`, ours without it."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        watched = environment.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
        watchdog_s = int(microseconds) / 1e6 if microseconds.isdecimal() and watched else None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog_s or None)

    def tell(self, *assignments: str) -> None:
        """Send assignments, as `READY=1`; see sd_notify(3). One that fails is logged."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_TELL_S)
            try:
                sender.sendto("\n".join(assignments).encode(), address)
            except OSError as error:
                _log.warning("systemd at %s is not told %s: %s", self.address, assignments, error)


class Heartbeat:
    """Tells systemd that pictures go the whole way.

    Args:
        systemd: is told.
        check: raises where the next crossing could not be written; called before systemd is told,
            but not more than once a minute.
        clock: gives monotonic seconds.
    """

    def __init__(
        self,
        systemd: Systemd,
        check: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._systemd = systemd
        self._check = check
        self._clock = clock
        self._ready = False
        # Monotonic seconds from which on to tell, and to check, again.
        self._tell_at = float("-inf") if systemd.address else float("inf")
        self._check_at = float("-inf")

    def beat(self) -> None:
        """Take note that a picture went the whole way."""
        now = self._clock()
        if now < self._tell_at:
            return
        if now >= self._check_at:
            self._check()
            self._check_at = now + _CHECK_S
        if self._ready:
            self._systemd.tell("WATCHDOG=1")
        else:
            self._systemd.tell("READY=1", "STATUS=counting")
            self._ready = True
        self._tell_at = now + (self._systemd.watchdog_s or float("inf")) / _PINGS
