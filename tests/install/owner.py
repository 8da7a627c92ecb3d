"""The owner of a door at their own computer: a terminal, the programs, an ssh that gets there.

ssh and its server are the real ones. The client enters the machine's network, and nothing else of
it, since the machine has none but its own loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.install.container import Machine
from tests.install.service import OFFLINE

HOSTS = "front-door back-door"  # one machine by two names
USER, HOME = "pi", "/home/pi"
_ANSWERS = {"Passphrase (empty for none): ": "correct horse", "Again: ": "correct horse"}
_PROGRAMS = {"headcount-deploy": "deploy.cli", "headcount-train": "training.cli"}
_SILENT_S = 0.2


class Owner:
    """Types commands in a folder; logs in at a machine, of which they are a user with sudo.

    Args:
        machine: runs already; its Debian brings the ssh server from its own cache.
        folder: where the commands are typed.
        desk: for keys and programs.
    """

    def __init__(self, machine: Machine, folder: Path, desk: Path) -> None:
        self.folder = folder
        self._desk = desk
        self._environment = {**os.environ, "PATH": f"{desk}:{os.environ['PATH']}"}
        self._environment["PYTHONPATH"] = str(ROOT)
        for name, module in _PROGRAMS.items():
            self._program(name, f'exec {sys.executable} -m {module} "$@"')
        key = desk / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (desk / "config").write_text(
            f"Host {HOSTS}\nHostName 127.0.0.1\nIdentityFile {key}\nLogLevel ERROR\n"
            f"StrictHostKeyChecking no\nUserKnownHostsFile {desk}/known\n"
        )
        enter = " ".join(machine.inside("-n"))
        self._program("ssh", f'exec {enter} {shutil.which("ssh")} -F {desk}/config "$@"')
        _let_in(machine, key.with_suffix(".pub").read_text())

    def _program(self, name: str, line: str) -> None:
        (self._desk / name).write_text(f"#!/bin/sh\n{line}\n")
        (self._desk / name).chmod(0o755)

    def type(self, command: str, seconds: float = 600.0) -> tuple[int, str]:
        """Type a command and answer what is asked; its exit code and all that the screen shows."""
        code, shown = at_terminal(
            command, self.folder, self._environment, answers=_ANSWERS, seconds=seconds
        )
        print(f"$ {command}\n{shown}exit {code}\n")
        return code, shown


def typed(machine: Machine, command: str) -> str:
    """What a command says that is typed at the machine itself, which must succeed."""
    shell = ["runuser", "-u", USER, "--", "env", f"--chdir={HOME}", f"HOME={HOME}", "bash", "-c"]
    done = machine.run(*shell, command, timeout=900, **OFFLINE)
    print(f"door$ {command}\n{done.stdout}exit {done.returncode}\n")

    assert 0 == done.returncode, f"{command}\n{done.stdout}"
    assert "Traceback" not in done.stdout
    return done.stdout


def _let_in(machine: Machine, key: str) -> None:
    apt = ["apt-get", "install", "--yes", "--no-install-recommends", "openssh-server"]
    done = machine.run("env", "DEBIAN_FRONTEND=noninteractive", *apt)
    assert 0 == done.returncode, done.stdout
    folder = f"{HOME}/.ssh"
    machine.write(f"{folder}/authorized_keys", key)
    machine.tell("chown", "-R", f"{USER}:", folder)
    machine.tell("systemctl", "start", "ssh")


def at_terminal(
    command: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    answers: Mapping[str, str],
    seconds: float,
) -> tuple[int, str]:
    """Run a line of the shell at a terminal of its own; its exit code and what was shown.

    Args:
        answers: what to type when the screen ends with a question.
    """
    screen, line = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", "sh", "-c", command],
        cwd=folder, env=environment, stdin=line, stdout=line, stderr=line,
    )  # fmt: skip
    os.close(line)
    shown, deadline = "", time.monotonic() + seconds
    with os.fdopen(screen, "r+b", buffering=0) as terminal:
        while part := _read(terminal.fileno()):
            assert time.monotonic() < deadline, shown
            shown += part.decode(errors="replace")
            for question, answer in answers.items():
                if shown.endswith(question):
                    time.sleep(_SILENT_S)  # what is typed before echo is off is thrown away
                    terminal.write(f"{answer}\n".encode())
    return process.wait(), shown.replace("\r\n", "\n")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # nobody holds the other end any more
        return b""
