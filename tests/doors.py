"""Doors as processes: `headcount run` with a configuration, and one whose people are all known."""

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
from tests.conftest import ROOT
from tests.history import Count, Passage
from tests.nursery import Forked, fork
from tests.paced_door import direction_of

LINE = '[[line]]\nname = "L1"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
_TAIL = 4096  # bytes, in which a paced door's last words are
_COUNTED = re.compile(r"(?:in|out) over L1: in (\d+), out (\d+)")


class Running:
    """A service that runs, and the log that it writes."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
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


@dataclass
class PacedDoor:
    """`tests.paced_door` as a process, to be started, killed and started again."""

    url: str
    folder: Path
    device: str = "door"
    options: tuple[str, ...] = ()
    within: tuple[str, ...] = ()  # a command that runs it, where there is one
    started: list[Running] = field(default_factory=list)
    _before: int = 0  # seq of the last one that an earlier run has counted

    @property
    def _book(self) -> Path:
        return self.folder / f"{self.device}.people"

    def start(self) -> Running:
        self._before = self.counted()
        log = self.folder / f"{self.device}-{len(self.started)}"
        arguments = (str(self.folder), self.device, self.url, *self.options)
        self.started.append(Running(self._process(log, arguments), log))
        return self.started[-1]

    def _process(self, log: Path, arguments: tuple[str, ...]) -> subprocess.Popen[bytes] | Forked:
        if not self.within:
            return fork(log, "tests.paced_door", *arguments)
        command = [*self.within, sys.executable, "-m", "tests.paced_door", *arguments]
        with log.open("wb") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT)

    def kill(self) -> None:
        self.started[-1].process.kill()
        self.started[-1].process.wait()

    def works(self) -> bool:
        """Whether it has counted somebody since its last start."""
        assert self.started[-1].process.poll() is None, self.started[-1].log
        return self.counted() > self._before

    def counted(self) -> int:
        """The seq that it has told last, 0 before the first."""
        if not self._book.exists():
            return 0
        with self._book.open("rb") as book:
            book.seek(max(0, self._book.stat().st_size - _TAIL))
            told = re.findall(rb"^kept \d+ \S+ (\d+) \d+ \d+$", book.read(), re.MULTILINE)
        return int(told[-1]) if told else 0

    def passages(self) -> list[Passage]:
        """Who was to be counted, in order."""
        return [self._passage(line[1]) for line in self._told("pass")]

    def commits(self) -> list[Count]:
        """Who was counted, as far as the door could tell before it was killed."""
        return [
            Count(self._passage(person), epoch, int(seq), int(into), int(out))
            for _, person, epoch, seq, into, out in self._told("kept")
        ]

    def _passage(self, person: str) -> Passage:
        # Asked again of the generator: what the ledger was given is not believed.
        return Passage(self.device, int(person), direction_of(self.device, int(person)).value)

    def _told(self, word: str) -> list[list[str]]:
        lines = self._book.read_text().splitlines() if self._book.exists() else []
        return [line.split() for line in lines if line.startswith(word)]

    def __enter__(self) -> PacedDoor:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self.started:
            running.process.kill()
            running.process.wait()
