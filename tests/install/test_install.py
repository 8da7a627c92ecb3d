"""From a bare Debian to a counting door, and what befalls it there; each test follows on the last.

The broker is Debian's mosquitto, which the installer brings; the door is simulated (`scene:1`).
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge import __version__
from tests.conftest import ROOT
from tests.install.conftest import NEWER
from tests.install.container import Machine
from tests.install.ear import Ear
from tests.install.page import FileRow, files, sockets
from tests.install.service import Service, install, listing, uninstall

pytestmark = [pytest.mark.install, pytest.mark.timeout(1800)]

DOOR = ("--source", "scene:1", "--id", "door")
PAGE = ROOT / "docs" / "install.md"
OURS = (
    "/opt/headcount",
    "/etc/headcount",
    "/etc/systemd/system/headcount.service",
    "/var/lib/headcount",
    "/usr/local",
)
# What Debian's package manager, its packages and a running system write for themselves.
DEBIANS = (
    "/etc/alternatives/",
    "/etc/ca-certificates",
    "/etc/hosts.",
    "/etc/rc",
    "/etc/ssl/certs",
    "/etc/systemd/system/multi-user.target.wants/mosquitto.service",
    "/usr/lib/python3",
    "/usr/local/share/ca-certificates",
    "/var/backups/",  # dpkg's own, made at midnight
    "/var/cache",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/var/lib/mosquitto",
    "/var/lib/systemd/",
    "/var/log",
    "/var/tmp/systemd-private-",
)


@dataclass(frozen=True)
class Installed:
    """A machine after its first installation."""

    before: dict[str, str]
    said: str
    service: Service
    ear: Ear


@pytest.fixture(scope="module")
def first(machine: Machine) -> Iterator[Installed]:
    """The machine, installed from bare; somebody listens to its broker all the time."""
    before = listing(machine, "/")
    done = install(machine, *DOOR)
    assert 0 == done.returncode, done.stdout
    with Ear(machine) as ear:
        yield Installed(before, done.stdout, Service(machine), ear)


def test_a_bare_machine_counts(first: Installed) -> None:
    """One command on a machine that has nothing: exit 0, ready, and counts arrive at the broker."""
    first.ear.hears_crossings(2, 0.0)

    assert first.service.is_active
    assert "enabled" == first.service.told("UnitFileState")
    assert __version__ == first.service.version()
    assert all(f"[{step}/9]" in first.said for step in range(1, 10))
    assert "Traceback" not in first.said + first.service.journal()


def test_a_second_run_changes_nothing(first: Installed, machine: Machine) -> None:
    """The same command again: exit 0, no file of ours is another, and the count goes on."""
    before, begun = listing(machine, *OURS[:3], "/usr/local"), time.monotonic()
    done = install(machine, *DOOR)

    assert 0 == done.returncode, done.stdout
    assert before == listing(machine, *OURS[:3], "/usr/local")
    assert done.stdout.count("already") >= 4
    first.ear.goes_on(begun)


def test_it_counts_again_within_five_seconds_of_a_kill(first: Installed, machine: Machine) -> None:
    """After kill -9 it is ready, with a picture counted, in less than 5 s, and totals go on."""
    begun, kill = time.monotonic(), lambda pid: machine.kill(pid, signal.SIGKILL)
    took = [first.service.returns_after(kill) for _ in range(3)]
    print(f"ready again after {', '.join(f'{seconds:.1f}' for seconds in took)} s")

    assert max(took) < 5
    first.ear.goes_on(begun)


def test_the_watchdog_ends_a_hang(first: Installed, machine: Machine) -> None:
    """A process that is stopped is killed and started anew; with 4 s of patience in place of 60."""
    first.service.set(WatchdogSec=4, TimeoutAbortSec=2)
    first.service.returns_after(lambda pid: machine.kill(pid, signal.SIGTERM))
    begun = time.monotonic()
    took = first.service.returns_after(lambda pid: machine.kill(pid, signal.SIGSTOP))
    print(f"ready again after {took:.1f} s")
    first.service.set()

    assert "Watchdog timeout" in first.service.journal("--since=-2min")
    first.ear.goes_on(begun)


def test_a_storm_of_restarts_is_survived(first: Installed, machine: Machine) -> None:
    """Killed 20 times as soon as it lives, ten times as fast as by the unit: nothing gives up."""
    first.service.set(RestartSec="200ms")
    begun, old = time.monotonic(), 0
    for _ in range(20):
        while (pid := first.service.pid) in (0, old):
            time.sleep(0.05)
        machine.kill(pid, signal.SIGKILL)
        old = pid
    first.service.returns_after(lambda _: None)
    first.service.set()

    assert int(first.service.told("NRestarts")) >= 20
    first.ear.goes_on(begun)


def test_a_wrong_configuration_waits_for_a_person(first: Installed, machine: Machine) -> None:
    """A key that does not exist: it ends, names file, line and key, and is not tried again."""
    config = machine.tell("cat", "/etc/headcount/headcount.toml")
    machine.write("/etc/headcount/headcount.toml", f"{config}\nserver = 1\n")
    failed = machine.run("systemctl", "restart", "headcount")
    time.sleep(3)  # longer than it waits before it starts anew

    assert 0 != failed.returncode
    assert "failed" == first.service.told("ActiveState")
    assert "2" == first.service.told("ExecMainStatus")
    assert re.search(r"headcount\.toml:\d+: .*server", first.service.journal("--since=-30s"))

    begun = time.monotonic()
    machine.write("/etc/headcount/headcount.toml", f"{config}\n")
    machine.tell("systemctl", "restart", "headcount")
    first.ear.goes_on(begun)


def test_files_are_those_of_the_page(first: Installed, machine: Machine) -> None:
    """Path, kind, mode and owner of all that the installer brings are in the page's table."""
    rows = files(PAGE.read_text())
    user = machine.tell("stat", "-c", "%u", f"/proc/{first.service.pid}")
    own = {"0": "root", user: "headcount"}
    places = [*OURS[:2], "/var/lib/headcount", "/var/lib/private", "/usr/local/bin/headcount"]
    form = r"%p\t%y\t%m\t%U\t%G\n"
    found = machine.run("find", *places, "-xdev", "-printf", form).stdout
    found += machine.run(
        "find", "/etc/systemd/system", "/etc/udev/rules.d", "-name", "*headcount*", "-printf", form
    ).stdout
    met = set()
    for line in found.splitlines():
        path, letter, mode, owner, group = line.split("\t")
        kind = {"d": "folder", "f": "file", "l": "link"}[letter]
        fit = [row for row in rows if row.holds(path, kind)]

        assert fit, f"{path} ({kind}, {mode}) is not in the table"
        assert any(_agrees(row, kind, mode, own.get(owner, owner)) for row in fit), line
        assert owner == group
        met |= set(fit)
    missing = [row.path for row in rows if not row.optional and row not in met]
    assert [] == missing, "in the table, not on the machine"


def _agrees(row: FileRow, kind: str, mode: str, owner: str) -> bool:
    return owner == row.owner and (kind == "link" or f"{int(mode, 8):04o}" in row.modes)


def test_sockets_are_those_of_the_page(first: Installed, machine: Machine) -> None:
    """Nobody listens on a port of the machine but those in the page's table."""
    listening = set()
    for line in machine.tell("ss", "-Hltnup").splitlines():
        place, program = line.split()[4], line.split('"')[1]
        address, _, port = place.rpartition(":")
        listening.add((address.strip("[]"), int(port), program))

    assert {(s.address, s.port, s.program) for s in sockets(PAGE.read_text())} == listening


def test_another_program_takes_over_the_ledger(first: Installed, machine: Machine) -> None:
    """A newer wheel, then this one again: each is in service, and the count goes on."""
    for program, version in (("newer", NEWER), ("now", __version__)):
        begun = time.monotonic()
        done = install(machine, program=program)

        assert 0 == done.returncode, done.stdout
        assert version == first.service.version()
        first.ear.goes_on(begun)
    assert 1 == int(machine.tell("sh", "-c", "ls -d /opt/headcount/venv-* | wc -l"))


def test_a_program_that_does_not_start_is_taken_back(first: Installed, machine: Machine) -> None:
    """The service of the new wheel fails: exit 1, and the old one counts on by itself."""
    begun = time.monotonic()
    done = install(machine, program="broken")

    assert 1 == done.returncode, done.stdout
    assert "counts again, as before" in done.stdout
    assert __version__ == first.service.version()
    assert first.service.is_active
    assert 1 == int(machine.tell("sh", "-c", "ls -d /opt/headcount/venv-* | wc -l"))
    first.ear.goes_on(begun)


def test_uninstalled_it_keeps_counts_and_configuration(first: Installed, machine: Machine) -> None:
    """Removed and installed again without a question, it counts on from where it was."""
    config = machine.tell("cat", "/etc/headcount/headcount.toml")
    done = uninstall(machine)
    left = listing(machine, *OURS)
    begun = time.monotonic()
    again = install(machine)

    assert 0 == done.returncode, done.stdout
    assert not [path for path in left if path.startswith(("/opt", "/etc/systemd"))]
    assert "/usr/local/bin/headcount" not in left
    assert 0 == again.returncode, again.stdout
    assert config == machine.tell("cat", "/etc/headcount/headcount.toml")
    first.ear.goes_on(begun)


def test_purged_nothing_of_ours_is_left(first: Installed, machine: Machine) -> None:
    """Counts and configuration go too when asked, twice is once, and all else is Debian's."""
    done, twice = uninstall(machine, "--purge"), uninstall(machine, "--purge")
    packaged = set(machine.tell("sh", "-c", "cat /var/lib/dpkg/info/*.list").splitlines())
    packaged |= {f"/usr{path}" for path in packaged}  # /lib is a link to /usr/lib
    new = {path for path in listing(machine, "/") if path not in first.before} - packaged

    assert (0, 0) == (done.returncode, twice.returncode), done.stdout + twice.stdout
    assert [] == sorted(path for path in new if "headcount" in path)
    assert [] == sorted(path for path in new if not path.startswith(DEBIANS))
    assert "inactive" == first.service.told("ActiveState")


def test_a_password_is_told_to_nobody(first: Installed, machine: Machine) -> None:
    """Only root may read it: it is in no other file, in no journal, in nobody's arguments."""
    machine.write("/root/secret", "sesame-4711\n")
    machine.tell("chmod", "600", "/root/secret")
    broker = ("--broker", "mqtt://127.0.0.1", "--user", "door")
    begun = time.monotonic()
    done = install(machine, *DOOR, *broker, "--password-file", "/root/secret")
    first.ear.hears_crossings(1, begun)
    small = ["find", "/", "-xdev", "-type", "f", "-size", "-999k"]
    holders = machine.run(*small, "-exec", "grep", "-l", "sesame-4711", "{}", "+").stdout
    calls = machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    modes = machine.tell("stat", "-c", "%a %U", "/etc/headcount/mqtt-password")

    assert 0 == done.returncode, done.stdout
    assert "600 root" == modes
    assert ["/etc/headcount/mqtt-password", "/root/secret"] == sorted(holders.splitlines())
    assert "sesame-4711" not in done.stdout + machine.tell("journalctl", "--no-pager")
    assert "headcount run" in calls
    assert "sesame-4711" not in calls
