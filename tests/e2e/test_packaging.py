"""Each half stands on its own extras, and the wheel works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wheels import build_wheel

PIP = ("-m", "pip", "--disable-pip-version-check", "-q")


def run(*command: object, cwd: Path, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run a command in `cwd` with a bare PATH: no git, no make, no checkout on the module path."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["PATH"] = "/nonexistent"
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty venv with the wheel and its `[demo]` extra, far from here."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    # What is imported is compiled then; compiling all of what comes along takes far longer.
    install = ("install", "--no-compile", "-c", constraints, f"{wheel}[demo]")
    done = run(python, *PIP, *install, cwd=folder)
    assert 0 == done.returncode, done.stderr
    return python


def test_the_wheel_carries_the_sticks_installer(wheel: Path) -> None:
    """The script that brings the stick's runtime and its udev rule travel in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {"deploy/install-ncs.sh", "deploy/udev/97-headcount-ncs.rules"} <= names


def test_the_wheel_carries_the_units(wheel: Path) -> None:
    """The services' units and the drop-in lie beside the installers, as in the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        for name in ("headcount.service", "headcount-debug.conf", "headcount-collect.service"):
            assert (ROOT / "systemd" / name).read_bytes() == archive.read(f"deploy/systemd/{name}")


@pytest.mark.timeout(600)
def test_the_wheel_runs_the_demo_elsewhere(elsewhere: Path, tmp_path: Path) -> None:
    """`headcount demo --seconds 20` from the wheel counts as true, far from any checkout."""
    done = run(elsewhere.with_name("headcount"), "demo", "--seconds", 20, cwd=tmp_path)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "torch" not in run(elsewhere, *PIP, "list", cwd=tmp_path).stdout


def test_the_edge_starts_without_the_training_half(elsewhere: Path, tmp_path: Path) -> None:
    """Every module of the edge imports in an environment that has no PyTorch; but for the one of
    PostgreSQL, which needs an extra and says so.
    """
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "edge").rglob("*.py")
        if not path.stem.endswith("_worker") and path.stem != "postgres"
    )
    modules = ", ".join(name.removesuffix(".__init__") for name in names)
    done = run(elsewhere, "-c", f"import {modules}", cwd=tmp_path)

    assert 0 == done.returncode, done.stderr


def test_postgresql_without_its_extra_says_what_to_install(elsewhere: Path, tmp_path: Path) -> None:
    """`headcount collect` into PostgreSQL is one line that names the extra."""
    headcount = elsewhere.with_name("headcount")
    done = run(headcount, "collect", "--store", "postgresql://localhost/counts", cwd=tmp_path)

    assert 2 == done.returncode
    assert "headcount[collect]" in done.stderr
    assert "Traceback" not in done.stderr


def test_training_without_its_extra_says_what_to_install(elsewhere: Path, tmp_path: Path) -> None:
    """`headcount-train fit` without PyTorch is one line that names the extra."""
    train = elsewhere.with_name("headcount-train")
    done = run(train, "fit", "heads", "--data", tmp_path, cwd=tmp_path)

    assert 1 == done.returncode
    assert "headcount[training]" in done.stderr
    assert "Traceback" not in done.stderr


def test_training_starts_without_the_demo(tmp_path: Path) -> None:
    """The training half imports no broker, publisher, camera or ledger."""
    code = (
        "import sys, training.cli, training.engine, training.export\n"
        "bad = {'paho', 'amqtt', 'edge.publisher', 'edge.ledger'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    pytest.importorskip("torch", reason="PyTorch is not installed: `make test TORCH=yes`")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stderr
