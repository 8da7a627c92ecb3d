"""Processes that start at once: forked from one that has loaded what they need.

The programs are the same and their processes as real; what is left out is the second that Python
takes to load them, which on a busy machine is many.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["edge.cli", "psycopg", "tests.paced_door"])


class Forked:
    """A process, with what the tests use of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} runs on")
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def fork(log: Path, module: str, *arguments: str) -> Forked:
    """Run `python -m MODULE ARGUMENT…`, with all that it says in a file."""
    log.write_bytes(b"")
    process = _FORKS.Process(target=_run, args=(str(log), module, arguments), daemon=True)
    process.start()
    return Forked(process)


def _run(log: str, module: str, arguments: tuple[str, ...]) -> None:
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(module).main())
