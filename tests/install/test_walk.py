"""docs/install.md, walked by a new user: the commands are read from the page and run as printed.

The user is one who may use sudo, and has brought the project to `~/headcount`, as the page says.
The machine has no network: pip's own settings name a folder of wheels, and sudo passes them on.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from edge import __version__
from tests.conftest import ROOT
from tests.install.conftest import NEWER
from tests.install.container import Machine
from tests.install.page import commands
from tests.install.service import OFFLINE, Service

pytestmark = [pytest.mark.install, pytest.mark.timeout(1800)]

PAGE = (ROOT / "docs" / "install.md").read_text()
PROJECT = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "edge",
    "training",
    "deploy",
    "systemd",
    "docs",
)
HOME = "/home/pi"
VERSION = f"{HOME}/headcount/edge/__init__.py"

Walk = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def walk(machine: Machine) -> Walk:
    """Runs the commands below a heading as the user; what each has said."""
    _bring_project(machine)

    def run(heading: str) -> list[str]:
        said = []
        for command in commands(PAGE, heading):
            shell = ["runuser", "-u", "pi", "--", "env", f"--chdir={HOME}", f"HOME={HOME}"]
            done = machine.run(*shell, "bash", "-c", command, timeout=900, **OFFLINE)
            print(f"$ {command}\n{done.stdout}exit {done.returncode}\n")

            assert 0 == done.returncode, f"{command}\n{done.stdout}"
            assert "Traceback" not in done.stdout
            said.append(done.stdout)
        return said

    return run


def _bring_project(machine: Machine) -> None:
    packed = subprocess.run(
        ["tar", "-c", "--exclude=__pycache__", "-C", ROOT, *PROJECT],
        stdout=subprocess.PIPE,
        check=True,
    )
    unpack = (
        f"mkdir {HOME}/headcount && tar -x -C {HOME}/headcount && chown -R pi: {HOME}/headcount"
    )
    subprocess.run(machine.call("sh", "-c", unpack), input=packed.stdout, check=True)


def test_install(walk: Walk, machine: Machine) -> None:
    """The one command of the page: the door counts."""
    walk("Install")
    service = Service(machine)

    assert service.is_active
    assert __version__ == service.version()


def test_watch(walk: Walk, machine: Machine) -> None:
    """Counts, state, journal and a picture for aiming can be seen; then it counts on."""
    counts, status, journal, *_ = walk("Watch")

    assert re.search(r"^door +in \d+  out \d+", counts, re.MULTILINE)
    assert "active (running)" in status
    assert "counts scene:1" in journal
    assert Service(machine).is_active
    assert machine.tell("stat", "-c", "%s", f"{HOME}/door.jpg") != "0"


def test_upgrade(walk: Walk, machine: Machine) -> None:
    """A newer project in place of the old one, and the same command: the newer one counts."""
    machine.tell("sed", "-i", f's/^__version__ = .*/__version__ = "{NEWER}"/', VERSION)
    before = machine.tell("cat", "/etc/headcount/headcount.toml")
    walk("Upgrade")
    service = Service(machine)

    assert service.is_active
    assert NEWER == service.version()
    assert before == machine.tell("cat", "/etc/headcount/headcount.toml")


def test_uninstall(walk: Walk, machine: Machine) -> None:
    """To its end: neither service, program, configuration nor counts are left."""
    walk("Uninstall")
    left = machine.run("ls", "-d", "/opt/headcount", "/etc/headcount", "/var/lib/private/headcount")

    assert "inactive" == Service(machine).told("ActiveState")
    assert 3 == left.stdout.count("No such file")
