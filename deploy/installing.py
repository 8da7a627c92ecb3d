"""headcount brought to a door over ssh: the installer and the program are copied there and run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.door import Door, as_root
from edge import __version__
from edge.errors import CallError, WorldError

HERE = Path(__file__).parent
_SCRIPTS = ("install.sh", "install-ncs.sh", "udev/97-headcount-ncs.rules")
# What a wheel is made of. It is made of a copy: in a checkout older builds leave what slips in.
PARTS = ("pyproject.toml", "README.md", "LICENSE", "edge", "training", "deploy")


def install(
    door: Door, program: Path | str | None, password: Path | None, options: Sequence[str]
) -> int:
    """Run install.sh at a door and show what it says.

    Args:
        door: where.
        program: a wheel here, which is copied; or what its pip shall look for, as "headcount==1.0";
            None where none is to be installed.
        password: a file with the broker's password here, if any.
        options: further ones of install.sh, as they are.

    Returns:
        Its exit code.

    Raises:
        WorldError: the door cannot be reached, or takes no files.
    """
    files = {name: HERE / name for name in _SCRIPTS}
    call = ["bash", "install.sh"]
    if isinstance(program, Path):
        files[program.name] = program
        call += ["--program", program.name]
    elif program:
        call += ["--program", program]
    if password is not None:
        files["password"] = password
        call += ["--password-file", "password"]
    with door.folder(files) as folder:
        command = shlex.join([*call, *options])
        return door.watch(as_root(f"cd {shlex.quote(folder)} && {command}"))


@contextmanager
def default_program() -> Iterator[Path | str]:
    """This version: a wheel of the checkout that we run in, else the name of the release.

    Raises:
        WorldError: the checkout gives no wheel.
    """
    checkout = HERE.parent
    if not (checkout / "pyproject.toml").exists():
        yield f"headcount=={__version__}"
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        copy_checkout(checkout, copy)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
        done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            [*pip, "-q", "-w", folder, str(copy)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or "no message").splitlines()[-1]
            raise WorldError(f"{checkout}: no wheel can be built: {reason}; give one by --program")
        yield next(Path(folder).glob("*.whl"))


def copy_checkout(checkout: Path, copy: Path) -> None:
    """Copy what a wheel is made of into a new folder."""
    copy.mkdir()
    for name in PARTS:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def readable(path: Path) -> Path:
    """The path, if it is of a file that can be read.

    Raises:
        CallError: it is not.
    """
    if not path.is_file() or not os.access(path, os.R_OK):
        raise CallError(f"{path}: no such file, or it cannot be read")
    return path
