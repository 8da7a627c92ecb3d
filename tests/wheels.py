"""The wheel of this checkout, built as a release would be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
