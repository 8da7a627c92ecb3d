"""The wheel of this checkout, built as a release would be, and those that it depends on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.installing import copy_checkout
from tests.conftest import ROOT


def build_wheel(folder: Path, change: Callable[[Path], None] | None = None) -> Path:
    """Build the wheel into `folder`, from a copy, so that the checkout stays as it is.

    Args:
        folder: empty.
        change: makes another program of the copy.
    """
    copy = folder / "checkout"
    copy_checkout(ROOT, copy)
    if change is not None:
        change(copy)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == built.returncode, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


def download_wheels(
    folder: Path, *wanted: object, python: str, platforms: Sequence[str] = ()
) -> None:
    """Bring wheels and what they depend on, in the versions that are tested; skip where it fails.

    Args:
        folder: for them.
        wanted: wheels or requirements.
        python: the version, as 3.11, that they are for.
        platforms: tags that they may be for; without any, this machine.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [word for tag in platforms for word in ("--platform", tag)]
    where = ["-c", ROOT / "constraints.txt", "-d", folder, *wanted]
    done = subprocess.run(
        [*command, *map(str, where)], capture_output=True, text=True, timeout=1200, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"wheels cannot be had here: {done.stderr.strip().splitlines()[-1]}")
