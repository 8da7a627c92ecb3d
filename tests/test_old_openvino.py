"""One file for every device: the shipped detector on OpenVINO of 2021, 2022 and today."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.contract.bundle import read_bundle
from tests.old_openvino import ROOT, myriad_compiler, old_python, require_libusb

RUNNER = ROOT / "tests" / "old_runner.py"
SHIPPED = ROOT / "edge" / "models" / "default"
LIMIT = 1e-4  # float32 on all; kernels differ in the order of their sums


def shipped_ir() -> Path:
    bundle = read_bundle(SHIPPED)
    return bundle.path(bundle.variant("MYRIAD").xml)


def outputs(python: Path, picture: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    command = [str(python), str(RUNNER), str(shipped_ir()), str(picture), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)

    assert done.returncode == 0, done.stderr
    with np.load(out) as arrays:
        return arrays["loc"], arrays["conf"]


def difference_to_today(python: Path, folder: Path) -> float:
    """Largest difference of an old runtime's outputs to those of the installed one."""
    size = read_bundle(SHIPPED).manifest.input
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (1, 3, size.height // 32, size.width // 32))
    picture = coarse.repeat(32, axis=2).repeat(32, axis=3) + rng.normal(0, 12, (1, 3, 1, 1))
    np.save(folder / "picture.npy", picture.astype(np.float32))
    old = outputs(python, folder / "picture.npy", folder / "old.npz")
    new = outputs(Path(sys.executable), folder / "picture.npy", folder / "new.npz")
    return max(float(np.abs(a - b).max()) for a, b in zip(old, new, strict=True))


def test_2021_4_gives_the_same_boxes(tmp_path: Path) -> None:
    """The last runtime with the stick's plugin reads the shipped file and agrees on CPU."""
    python = old_python("3.9", "openvino==2021.4.2")
    difference = difference_to_today(python, tmp_path)
    print(f"2021.4.2 differs from today's by at most {difference:.2g}")

    assert difference < LIMIT


def test_2021_4_compiles_for_the_stick() -> None:
    """The stick's compiler takes the whole network, and only then misses the stick itself."""
    require_libusb()
    python = old_python("3.9", "openvino==2021.4.2")
    command = [str(python), str(RUNNER), "--myriad", str(shipped_ir())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)

    assert "no available devices with platform" in done.stdout, done.stdout + done.stderr


@pytest.mark.proof
def test_2022_3_gives_the_same_boxes(tmp_path: Path) -> None:
    """The last runtime that a Pi with a stick can have agrees on CPU."""
    python = old_python("3.9", "openvino==2022.3.2")
    difference = difference_to_today(python, tmp_path)
    print(f"2022.3.2 differs from today's by at most {difference:.2g}")

    assert difference < LIMIT


@pytest.mark.proof
def test_the_offline_compiler_makes_a_blob(tmp_path: Path) -> None:
    """`myriad_compile` of 2021.3 turns the shipped file into what a stick is loaded with."""
    require_libusb()
    tool, libraries = myriad_compiler()
    blob = tmp_path / "model.blob"
    command = [str(tool), "-m", str(shipped_ir()), "-o", str(blob), "-ip", "U8", "-op", "FP32"]
    environment = {"LD_LIBRARY_PATH": str(libraries), "HOME": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=170, check=False, env=environment
    )
    print(f"a blob of {blob.stat().st_size / 1e6:.1f} MB" if blob.exists() else done.stderr)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (9709, blob.stat().st_size) == struct.unpack_from("<2I", blob.read_bytes(), 52)
