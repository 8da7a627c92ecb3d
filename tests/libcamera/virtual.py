"""A Debian with libcamera, its virtual camera and the real Picamera2, in a folder of its own.

    debootstrap       Debian trixie with libcamera 0.4 and its Python bindings
    pip download      Picamera2's sources, which need no building for what is used of them
    chroot            the interpreter that `source.camera_python` names

It needs root. The unpacked system is kept for the next run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from edge.source.camera_child import BACKEND
from edge.worker import CHILD
from tests.conftest import ROOT

SUITE = "trixie"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PICAMERA2 = "0.3.38"
KEPT = ROOT / ".venv" / "libcamera"

_PACKAGES = "python3-minimal,python3-libcamera,libcamera-ipa,python3-numpy,python3-pil"
_CAMERA = """\
"Virtual0":
  supported_formats:
  - width: 640
    height: 480
    frame_rates:
    - 30
    - 60
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual Video Device"
"""


class MissingError(Exception):
    """Something without which there is no virtual camera here; the message names it."""


def virtual_camera() -> Path:
    """The interpreter that has the real Picamera2 on a virtual camera.

    Raises:
        MissingError: it cannot be had here.
    """
    if os.geteuid() != 0:
        raise MissingError("it needs root (debootstrap, chroot)")
    if shutil.which("debootstrap", path=f"{os.defpath}:/usr/sbin") is None:
        raise MissingError("debootstrap (Debian: debootstrap) is missing")
    root = KEPT / SUITE
    if not (root / "unpacked").exists():
        shutil.rmtree(root, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        wanted = ["--variant=minbase", f"--include={_PACKAGES}"]
        _do(["debootstrap", *wanted, SUITE, str(root), MIRROR])
        _bring_picamera2(root / "opt" / "picamera2")
        (root / "unpacked").touch()
    _put(root / "usr/share/libcamera/pipeline/virtual/virtual.yaml", _CAMERA)
    stand_in = Path(__file__).with_name("picamera2_on_virtual.py").read_text()
    _put(root / "opt" / "virtual" / "picamera2.py", stand_in)
    for path in (CHILD, BACKEND):  # where the child is told that they are
        _put(root / path.relative_to("/"), path.read_text())
    python = KEPT / "python3"
    path = "PYTHONPATH=/opt/virtual:/opt/picamera2"
    python.write_text(f"#!/bin/sh\nexec chroot '{root}' env {path} python3 \"$@\"\n")
    python.chmod(0o755)
    return python


def _bring_picamera2(place: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--no-binary=:all:", "-q", "--disable-pip-version-check"]
        wanted = ["-d", folder, f"picamera2=={PICAMERA2}"]
        _do([sys.executable, "-m", "pip", "download", *options, *wanted])
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        shutil.copytree(Path(folder) / f"picamera2-{PICAMERA2}" / "picamera2", place / "picamera2")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise MissingError(f"`{Path(command[0]).name} …` fails: {last}")
