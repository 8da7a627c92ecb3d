"""Interpreters with an OpenVINO of the stick's time, made on demand beside the checkout's own.

Old wheels need Python 3.7 to 3.9, which the project's own environment is not. An interpreter is
looked for on PATH and among pyenv's; its packages come from the index once and are kept in
`.venv/old`. The offline compiler is a plain program and needs none: `training.ncs.tools` brings
it. Whatever is missing skips the test with its name.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import WorldError
from training.ncs.tools import REQUIREMENT, Compiler, bring_compiler, find_compiler, tools_folder

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".venv" / "old"

LAST_WITH_MYRIAD = "openvino==2021.4.2"  # of the index; its plugin compiles without a stick
LAST_OF_THE_PI = "openvino==2022.3.2"  # here without the plugin that builds for the Pi have
_PYTHONS = {LAST_WITH_MYRIAD: ("3.9", "3.8", "3.7"), LAST_OF_THE_PI: ("3.10", "3.9", "3.8")}

_refused: dict[str, str] = {}  # what the index did not give; it is asked once


def old_python(requirement: str) -> Path:
    """An interpreter with `requirement` installed, or a skipped test."""
    interpreter = _interpreter(requirement)
    folder = KEPT / requirement.replace("==", "-")
    python = folder / "bin" / "python"
    with _alone(folder.name):
        if (folder / "done").exists():
            return python
        _run([str(interpreter), "-m", "venv", "--clear", str(folder)], requirement)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        _run([*pip, "--only-binary=:all:", requirement], requirement)
        (folder / "done").touch()
    return python


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Keep other processes of the same test run from making the same thing."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def myriad_compiler() -> Compiler:
    """The offline compiler for the Movidius sticks, or a skipped test."""
    require_libusb()
    folder = tools_folder()
    try:
        if REQUIREMENT not in _refused:
            with _alone(folder.name):
                bring_compiler(folder)
        return find_compiler(folder)
    except WorldError as error:
        _refused.setdefault(REQUIREMENT, str(error))
        pytest.skip(_refused[REQUIREMENT])


def require_libusb() -> None:
    """Skip the test where the library that everything of MYRIAD links is missing."""
    if ctypes.util.find_library("usb-1.0") is None:
        pytest.skip("libusb-1.0-0 (a Debian package), which the stick's plugin links, is missing")


def _interpreter(requirement: str) -> Path:
    """The newest Python that `requirement` was built for, of pyenv or on PATH."""
    versions = _PYTHONS[requirement]
    for version in versions:
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        if kept:
            return kept[-1]
        found = shutil.which(f"python{version}")
        if found is not None:
            return Path(found)
    pytest.skip(f"{requirement} needs Python {' or '.join(versions)}, which is not on this machine")


def _run(command: list[str], requirement: str) -> None:
    if requirement not in _refused:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == 0:
            return
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        _refused[requirement] = f"{requirement} cannot be had here: {last}"
    pytest.skip(_refused[requirement])
