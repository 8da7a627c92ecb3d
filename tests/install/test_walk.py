"""docs/install.md and README.md, walked by a new user: their commands, run as printed.

The user is one who may use sudo, and has brought the project to `~/headcount`, as the page says.
The machine has no network: pip's own settings name a folder of wheels, and sudo passes them on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import __version__
from tests.conftest import ROOT
from tests.install.conftest import NEWER
from tests.install.container import Machine
from tests.install.owner import HOME, typed
from tests.install.page import block, commands, section
from tests.install.service import Service

pytestmark = [pytest.mark.install, pytest.mark.timeout(1800)]

PAGE = (ROOT / "docs" / "install.md").read_text()
README = (ROOT / "README.md").read_text()
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
VERSION = f"{HOME}/headcount/edge/__init__.py"

Walk = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def walk(machine: Machine) -> Walk:
    """Runs the commands below a heading as the user; what each has said."""
    machine.bring(ROOT, *PROJECT, to=f"{HOME}/headcount")
    machine.tell("chown", "-R", "pi:", HOME)

    def run(heading: str) -> list[str]:
        said = []
        for command in commands(PAGE, heading):
            said.append(typed(machine, command))
        return said

    return run


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


def test_count_a_recording(walk: Walk, machine: Machine, scene_video: Path) -> None:
    """README's door.mp4, replayed, explained, and counted by its configuration as the service."""
    machine.bring(scene_video.parent, scene_video.name, to=HOME)
    door = block(README, "Count a door", "[device]").replace("v4l2:0", scene_video.name)
    machine.write(f"{HOME}/door.toml", door)
    verbs = ("replay", "run", "bench")
    replay, service, bench = (block(README, "Count a door", f"headcount {v}") for v in verbs)
    words = section(README, "Count a door")
    advice, doctor = re.findall(r"`(headcount (?:audit|doctor) [^`]+)`", words)
    counted, ran = typed(machine, replay), typed(machine, service)

    assert "in 3  out 1" in counted
    assert "stopped: in 3, out 1" in ran
    assert machine.tell("stat", "-c", "%s", f"{HOME}/why.mp4") != "0"
    assert typed(machine, advice)
    assert "FAIL" not in typed(machine, doctor)
    assert json.loads(typed(machine, bench).splitlines()[-1])["fps"] > 0


def test_many_doors(walk: Walk, machine: Machine) -> None:
    """README's collector stores what the door tells, and its export is a table of it."""
    collect, export = block(README, "Many doors", "headcount collect").splitlines()
    typed(machine, f"timeout --preserve-status 20 {collect}")
    table = typed(machine, export).splitlines()

    assert table[0].startswith("device,")
    assert any(row.startswith("door,") for row in table[1:])


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
