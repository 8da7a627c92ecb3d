"""Brings and finds `myriad_compile`, the last compiler for Movidius sticks that needs no stick.

    python -m training.ncs.tools        (as `make ncs-tools`)

It is a plain x86-64 Linux program in the wheel of OpenVINO 2021.3.0, which is fetched by pip,
checked by its digest, and unpacked beside this environment's own packages; nothing of it is
installed, and no Python of its time is needed. What it says of a model is left to
`training.ncs.compiler`.
"""

from __future__ import annotations

import ctypes.util
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import HeadcountError, WorldError

# 2021.3.0 is the last wheel with the tool in it
REQUIREMENT = "openvino==2021.3.0"
SHA256 = "92ad4c8e9aea997669370b46cad2176d5b3bf805c629ab40fec8ce5e36af13d0"
_PLACE = ("--python-version", "3.7", "--abi", "cp37m", "--platform", "manylinux2014_x86_64")
_LIBRARIES = "openvino/libs/"
_UNUSED = ("MKLDNN", "clDNN", "cache.json")  # CPU and GPU: half of the whole
_LIMIT_S = 600
_BRING = "run `make ncs-tools`, or `python -m training.ncs.tools` where there is no checkout"


@dataclass(frozen=True, slots=True)
class Compiler:
    """The program and the folder of the libraries that it links."""

    program: Path
    libraries: Path


def tools_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the tools lie: in this Python's environment, or where $HEADCOUNT_NCS_TOOLS says."""
    given = environment.get("HEADCOUNT_NCS_TOOLS")
    return Path(given) if given else Path(sys.prefix) / "ncs-tools"


def find_compiler(folder: Path) -> Compiler:
    """The compiler that `bring_compiler` left in `folder`.

    Raises:
        WorldError: it is not there, or this machine cannot run it.
    """
    libraries = folder / _LIBRARIES
    found = Compiler(libraries / "myriad_compile", libraries)
    if not found.program.is_file():
        raise WorldError(f"{found.program}: the compiler for the stick is not there; {_BRING}")
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise WorldError(
            f"{found.program}: runs on x86-64 Linux only, this is {platform.machine()} "
            f"{sys.platform}; check the model on such a machine"
        )
    if ctypes.util.find_library("usb-1.0") is None:
        raise WorldError(
            f"{found.program}: libusb-1.0.so.0, which it links, is missing; "
            "run `apt install libusb-1.0-0`"
        )
    return found


def bring_compiler(folder: Path) -> None:
    """Fetch the compiler into `folder`, whole or not at all, unless it is there.

    Raises:
        WorldError: the index does not give the wheel, or the folder cannot be written.
    """
    if (folder / _LIBRARIES / "myriad_compile").is_file():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            _fetch(Path(beside))
            (wheel,) = Path(beside).glob("*.whl")
            _unpack(wheel, Path(beside) / "whole")
            (Path(beside) / "whole").replace(folder)
    except OSError as error:
        raise WorldError(
            f"{folder}: the compiler for the stick cannot be put there: {error.strerror}; "
            "set HEADCOUNT_NCS_TOOLS to a folder that can be written"
        ) from error


def _fetch(folder: Path) -> None:
    """Have pip download the wheel; pip refuses one of another digest."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", encoding="ascii")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    what = ["--no-deps", "--only-binary=:all:", *_PLACE, "-d", str(folder), "-r", str(wanted)]
    try:
        done = subprocess.run(  # noqa: S603 - no part of it comes from outside
            [*pip, *what], capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WorldError(f"{REQUIREMENT}: no download within {_LIMIT_S} s; try again") from error
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = (told or ["ERROR: pip failed"])[-1].removeprefix("ERROR: ").rstrip(".")
        raise WorldError(
            f"{REQUIREMENT}: the package index does not give it: {reason}; "
            "check the network and pip's index"
        )


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(_LIBRARIES) and not any(part in name for part in _UNUSED):
                archive.extract(name, folder)
    (folder / _LIBRARIES / "myriad_compile").chmod(0o755)


def main() -> int:
    """Bring the compiler, and tell where it lies."""
    folder = tools_folder()
    try:
        bring_compiler(folder)
        print(f"{find_compiler(folder).program}: the compiler for the stick, from {REQUIREMENT}")
    except HeadcountError as error:
        print(f"ncs-tools: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
