"""A configured door, and `headcount run` as a process that counts there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.brokers import wait_until

LINE = '[[line]]\nname = "L1"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
_COUNTED = re.compile(r"(?:in|out) over L1: in (\d+), out (\d+)")


class Running:
    """A service that runs, and the log that it writes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """All that it has said so far."""
        return self._log.read_text(encoding="utf-8")

    @property
    def counted(self) -> list[tuple[int, int]]:
        """The totals, in and out, after each crossing that it told."""
        return [(int(into), int(out)) for into, out in _COUNTED.findall(self.log)]

    def says(self, words: str, times: int = 1, seconds: float = 60) -> None:
        """Wait until it has said something so often."""
        wait_until(lambda: self.log.count(words) >= times or self._over(), words, seconds)
        assert self.log.count(words) >= times, self.log

    def counts(self, more: int = 1) -> None:
        """Wait until it has counted so many more."""
        self.says(" over L1: ", self.log.count(" over L1: ") + more)

    def ends(self, seconds: float = 60) -> int:
        """Wait for its end; its exit status."""
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def complaint(self) -> str:
        """Why it ended: the one line that says so."""
        (line,) = re.findall(r"^headcount: .*$", self.log, re.MULTILINE)
        assert "Traceback" not in self.log
        return str(line)

    def _over(self) -> bool:
        return self.process.poll() is not None


@dataclass
class Door:
    """A door whose ledger lies in `folder`; its configuration and the logs lie in `logs`."""

    folder: Path
    logs: Path
    started: list[Running] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.logs / "door.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    def configure(self, source: str, *sections: str) -> None:
        """Write the configuration: the keys of its source, and more sections."""
        ledger = f'[ledger]\npath = "{self.ledger}"\n'
        self.config.write_text("".join([f"[source]\n{source}\n", LINE, ledger, *sections]))

    def start(
        self, *, within: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> Running:
        """Start the service, by a command that runs it where there is one."""
        log = self.logs / f"log-{len(self.started)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*within, sys.executable, "-m", "edge.cli", "run", "-c", str(self.config)],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        self.started.append(Running(process, log))
        return self.started[-1]

    def close(self) -> None:
        """End what still runs."""
        for running in self.started:
            if running.process.poll() is None:
                running.process.kill()
            running.process.wait()
