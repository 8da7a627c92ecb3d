"""Interpreters with an OpenVINO of the stick's time, made on demand beside the checkout's own.

Old wheels need Python 3.7 to 3.9, which the project's own environment is not. An interpreter is
looked for on PATH and among pyenv's; its packages come from the index once and are kept in
`.venv/old`. Whatever is missing skips the test with its name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".venv" / "old"
MYRIAD_TOOL = "openvino==2021.3.0"  # the last wheel with the offline compiler


def old_python(version: str, requirement: str) -> Path:
    """An interpreter of Python `version` with `requirement` installed, or a skipped test."""
    folder = KEPT / f"{requirement.replace('==', '-')}-py{version}"
    python = folder / "bin" / "python"
    if (folder / "done").exists():
        return python
    _run([str(_interpreter(version)), "-m", "venv", "--clear", str(folder)], requirement)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    _run([*pip, "--only-binary=:all:", requirement], requirement)
    (folder / "done").touch()
    return python


def myriad_compiler() -> tuple[Path, Path]:
    """The offline compiler for the Movidius sticks and its libraries, or a skipped test."""
    folder = KEPT / "myriad_compile"
    libraries = folder / "openvino" / "libs"
    tool = libraries / "myriad_compile"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        place = ["--python-version", "3.7", "--abi", "cp37m", "--platform", "manylinux2014_x86_64"]
        want = ["download", "--no-deps", "--only-binary=:all:", *place, "-d", str(folder)]
        _run([*pip, *want, MYRIAD_TOOL], MYRIAD_TOOL)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            wanted = [name for name in archive.namelist() if name.startswith("openvino/libs/")]
            archive.extractall(folder, wanted)
        wheel.unlink()
        tool.chmod(0o755)
        (folder / "done").touch()
    return tool, libraries


def require_libusb() -> None:
    """Skip the test where the library that everything of MYRIAD links is missing."""
    if not any(Path("/usr/lib").rglob("libusb-1.0.so.0")):
        pytest.skip("libusb-1.0-0 (a Debian package), which the stick's plugin links, is missing")


def _interpreter(version: str) -> Path:
    found = shutil.which(f"python{version}")
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if kept:
        return kept[-1]
    if found is None:
        pytest.skip(f"Python {version}, which old OpenVINO needs, is not on this machine")
    return Path(found)


def _run(command: list[str], requirement: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"{requirement} cannot be had here: {last}")
