"""The wheel of this checkout, built as a release would be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

PARTS = ("pyproject.toml", "README.md", "LICENSE", "edge", "training", "deploy")


def build_wheel(folder: Path) -> Path:
    """Build the wheel into `folder`, from a copy, so that the checkout stays as it is."""
    copy = folder / "checkout"
    copy.mkdir()
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == built.returncode, built.stdout + built.stderr
    return next(folder.glob("*.whl"))
