"""`headcount-deploy install`, from this machine to a bare one, and away again.

The way there is nsenter in ssh's place; ssh itself is in tests/deploy/test_install_at.py.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.install.container import Machine
from tests.install.service import OFFLINE, Service

pytestmark = [pytest.mark.install, pytest.mark.timeout(1800)]


def deploy(machine: Machine, folder: Path, *options: object) -> Outcome:
    """Run it with an `ssh` on PATH that hands its last word to a shell of the machine."""
    ssh = folder / "ssh"
    inside = shlex.join(machine.call("sh", "-c", **OFFLINE))
    ssh.write_text(f'#!/bin/sh\nfor last; do :; done\nexec {inside} "$last"\n')
    ssh.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "install", "door", *map(str, options)],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    print(f"$ headcount-deploy install door {options}\n{done.stdout}{done.stderr}")
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_a_bare_machine_counts_and_is_left_again(
    machine: Machine, programs: Path, tmp_path: Path
) -> None:
    """A wheel from here: the service counts there; --uninstall takes it away; no copy is left."""
    (wheel,) = (programs / "now").glob("*.whl")
    done = deploy(machine, tmp_path, "--program", wheel, "--yes", "--source", "scene:1")

    assert 0 == done.code, done.out + done.err
    assert Service(machine).is_active

    gone = deploy(machine, tmp_path, "--uninstall")

    assert 0 == gone.code, gone.out + gone.err
    assert not Service(machine).is_active
    assert "" == machine.tell("sh", "-c", "ls -d /tmp/tmp.* 2>/dev/null || true")
