"""Processes whose memory is measured: what was held at most, and what is held as it goes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT

# The process tells of itself at its end: nobody else can know its peak after that.
_COUNT = "from edge.cli import main; code = main(sys.argv[1:])"
_TELL = "print(open('/proc/self/status').read(), file=sys.stderr)"


def peak_mb(*arguments: object, program: str = _COUNT) -> tuple[str, float]:
    """Run `headcount …`, or another program, to its end.

    Args:
        arguments: of the command line.
        program: Python that leaves its exit status in `code`.

    Returns:
        What it printed, and the most memory that it ever had resident, MB.
    """
    source = f"import sys\n{program}\n{_TELL}\nsys.exit(code)"
    command = [sys.executable, "-c", source, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", done.stderr, re.MULTILINE)
    return done.stdout, int(peak) * 1024 / 1e6


def resident_mb() -> float:
    """What this process holds now, MB."""
    status = Path("/proc/self/status").read_text()
    (now,) = re.findall(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE)
    return int(now) * 1024 / 1e6
