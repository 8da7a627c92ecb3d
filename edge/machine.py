"""A machine, as its kernel and firmware tell of it: warmth, throttling, memory.

What cannot be learned here is None, never zero.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_VCGENCMD_S = 2.0
# Bits of `vcgencmd get_throttled`; 16 higher stands the same "since boot".
_THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a machine tells of itself: below `root`, and what asks a Raspberry Pi's firmware."""

    root: Path = Path("/")
    vcgencmd: str = "vcgencmd"

    def temperature_c(self) -> float | None:
        """The warmest thermal zone."""
        found = []
        for zone in (self.root / "sys/class/thermal").glob("thermal_zone*/temp"):
            text = kernel_text(zone).strip()
            if text.lstrip("-").isdigit():
                found.append(int(text) / 1000)
        return max(found, default=None)

    def rss_mb(self) -> float | None:
        """Memory of this process, in MB (10^6 bytes)."""
        for line in kernel_text(self.root / "proc/self/status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        return None

    def throttled(self) -> tuple[str, ...] | None:
        """What a Raspberry Pi holds back for, now or since boot; None on other machines."""
        command = shutil.which(self.vcgencmd)
        if command is None:
            return None
        try:
            done = subprocess.run(  # noqa: S603 - no part of it comes from outside
                [command, "get_throttled"],
                capture_output=True,
                text=True,
                timeout=_VCGENCMD_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return _flags(done.stdout)


def _flags(answer: str) -> tuple[str, ...] | None:
    _, _, number = answer.strip().partition("throttled=")
    try:
        bits = int(number, 16)
    except ValueError:
        return None
    now = [name for bit, name in _THROTTLED.items() if bits >> bit & 1]
    since = [f"{name} since boot" for bit, name in _THROTTLED.items() if bits >> bit + 16 & 1]
    return (*now, *since)


def kernel_text(path: Path) -> str:
    """What the kernel says in one of its files; nothing where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
