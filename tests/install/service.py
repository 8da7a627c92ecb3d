"""headcount on a machine: its installer, and its service as systemd sees it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from tests.brokers import wait_until
from tests.install.container import Machine

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
UNIT = "headcount.service"
PLACES = ("/opt", "/etc/headcount", "/var/lib/private", "/var/lib/headcount", "/usr/local")


def install(
    machine: Machine, *options: object, program: str = "now"
) -> subprocess.CompletedProcess[str]:
    """Run the installer without a terminal, with one of the wheels, and show what it said."""
    chosen = ["--program", wheel_of(machine, program)]
    return _installer(machine, "--yes", *chosen, *options)


def uninstall(machine: Machine, *options: object) -> subprocess.CompletedProcess[str]:
    """Run the installer to remove what it brought."""
    return _installer(machine, "--uninstall", "--yes", *options)


def _installer(machine: Machine, *options: object) -> subprocess.CompletedProcess[str]:
    done = machine.run("bash", "/deploy/install.sh", *options, timeout=900, **OFFLINE)
    print(f"$ install.sh {' '.join(map(str, options))}\n{done.stdout}exit {done.returncode}\n")
    return done


def wheel_of(machine: Machine, program: str) -> str:
    """The machine's path of a wheel: now, newer or broken."""
    return machine.tell("sh", "-c", f"ls /programs/{program}/*.whl")


class Service:
    """The service of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def told(self, name: str) -> str:
        """What systemd knows of it."""
        return self._machine.tell("systemctl", "show", UNIT, "--value", "-p", name)

    @property
    def pid(self) -> int:
        """Of its main process; 0 where there is none."""
        return int(self.told("MainPID"))

    @property
    def is_active(self) -> bool:
        """Whether it has told that it is ready."""
        return self.told("ActiveState") == "active"

    def version(self) -> str:
        """Of the program in service."""
        return self._machine.tell("/opt/headcount/bin/headcount", "--version").split()[-1]

    def journal(self, *options: str) -> str:
        """What it, and systemd about it, has said."""
        return self._machine.tell("journalctl", "--no-pager", "-o", "cat", "-u", UNIT, *options)

    def is_another(self, old: int) -> bool:
        """Whether it is ready again, with another process than the old one."""
        return self.is_active and self.pid not in (0, old)

    def returns_after(self, harm: Callable[[int], None], seconds: float = 60.0) -> float:
        """Harm its main process; the seconds until a new one is ready."""
        old = self.pid
        begun = time.monotonic()
        harm(old)
        wait_until(lambda: self.is_another(old), "the service is ready again", seconds)
        return time.monotonic() - begun

    def set(self, **settings: object) -> None:
        """Set settings of its unit by a drop-in; without any the drop-in goes."""
        folder = f"/etc/systemd/system/{UNIT}.d"
        if settings:
            lines = [f"{name}={value}" for name, value in settings.items()]
            self._machine.write(f"{folder}/test.conf", "\n".join(["[Service]", *lines, ""]))
        else:
            self._machine.tell("rm", "-r", folder)
        self._machine.tell("systemctl", "daemon-reload")


def listing(machine: Machine, *places: str) -> dict[str, str]:
    """All that lies in some places: path -> kind, mode, owner, size, inode and time of change."""
    form = r"%p\t%y %m %u %s %i %C@\n"
    found = machine.run("find", *places, "-xdev", "-printf", form).stdout
    return dict(line.rsplit("\t", 1) for line in found.splitlines() if "\t" in line)
