"""A real PostgreSQL of a test's own, which can be killed and started again."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.brokers import free_port

_DATABASES = itertools.count(1)


def _programs() -> Path:
    """The folder of the newest server's programs, or a skip that says what is missing."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("no PostgreSQL server (Debian: postgresql)")


class Postgres:
    """A server on a free port of this machine, with its files in a folder of its own."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg", reason="no psycopg: pip install 'headcount[collect]'")
        self._programs = _programs()
        # The server refuses to run as root, and root's temporary folders are root's alone.
        self._user = _ordinary_user() if os.getuid() == 0 else None
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="headcount-pg-", dir="/tmp"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-U", "headcount", "-A", "trust", "--no-sync")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://headcount@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the server that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        import psycopg  # noqa: PLC0415 - where it is installed

        until = time.monotonic() + 60
        while True:
            # After a kill -9 it refuses to start until the last of its children is gone.
            if self._process is None or self._process.poll() is not None:
                self._process = self._launched()
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def _launched(self) -> subprocess.Popen[bytes]:
        command = [self._programs / "postgres", "-D", self._data, "-k", self._folder]
        command += ["-p", str(self.port), "-h", "127.0.0.1"]
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )

    def kill(self, *, outright: bool = False) -> None:
        """Take down the server and all that it has started, at once and without a goodbye.

        With `outright` it is killed itself, and its children end as they notice.
        """
        if self._process is None:
            return
        if not outright:
            # SIGQUIT is its own "immediate shutdown": children are killed and nothing is written.
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._process = None

    def new_database(self) -> str:
        """The address of a schema that is empty; it is as good as a database, and soon made."""
        import psycopg  # noqa: PLC0415 - where it is installed

        name = f"test_{next(_DATABASES)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ordinary_user() -> str:
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
