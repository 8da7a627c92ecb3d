"""What the proofs of the installer share: the bare Debian, the wheels, machines of both."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.install.container import Machine
from tests.install.debian import PYTHONS, SUITE, MissingError, bare_debian, require
from tests.wheels import build_wheel, download_wheels

KEPT = ROOT / ".venv" / "machine"
NEWER = "98.0"

NewMachine = Callable[[], Machine]


@pytest.fixture(scope="session")
def bare() -> Path:
    """A Debian that boots and has nothing of headcount's, or a skip that says what is missing."""
    try:
        require()
        return bare_debian(KEPT)
    except MissingError as missing:
        pytest.skip(f"no machine in a container here: {missing}")


@pytest.fixture(scope="session")
def programs(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with headcount's wheels, each in a folder of its own.

    now is this checkout's; newer has another number; broken, too, and ends at its start.
    """
    folder = tmp_path_factory.mktemp("programs")
    for name, change in {"now": None, "newer": _newer, "broken": _broken}.items():
        (folder / name).mkdir()
        wheel = build_wheel(tmp_path_factory.mktemp(name), change)
        wheel.rename(folder / name / wheel.name)
    return folder


def _newer(checkout: Path) -> None:
    _number(checkout, NEWER)


def _broken(checkout: Path) -> None:
    _number(checkout, "99.0")
    ends = 'def _run(options: argparse.Namespace) -> int:\n    raise HeadcountError("broken")'
    _replace(checkout / "edge" / "cli.py", r"^def _run\(.*$", ends)


def _number(checkout: Path, version: str) -> None:
    init = checkout / "edge" / "__init__.py"
    _replace(init, r'^__version__ = ".*"', f'__version__ = "{version}"')


def _replace(path: Path, pattern: str, text: str) -> None:
    changed, times = re.subn(pattern, text, path.read_text(), flags=re.MULTILINE)
    assert 1 == times
    path.write_text(changed)


@pytest.fixture(scope="session")
def wheels(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that headcount depends on and is built with."""
    folder = tmp_path_factory.mktemp("wheels")
    (wheel,) = (programs / "now").glob("*.whl")
    download_wheels(folder, wheel, "setuptools>=77", python=PYTHONS[SUITE])
    return folder


@pytest.fixture(scope="session")
def new_machine(
    bare: Path, programs: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> NewMachine:
    """Makes a bare machine that finds the installer in /deploy and all wheels, to be started."""
    deploy = tmp_path_factory.mktemp("scripts") / "deploy"  # as it is now: bash reads while it runs
    shutil.copytree(ROOT / "deploy", deploy, symlinks=True)
    shared = {"/deploy": deploy, "/programs": programs, "/wheels": wheels}
    return lambda: Machine(tmp_path_factory.mktemp("machine"), bare, shared)


@pytest.fixture(scope="module")
def machine(new_machine: NewMachine) -> Iterator[Machine]:
    """A bare machine, running, for the tests of one module, which follow on one another."""
    with new_machine() as started:
        yield started
