"""The power goes, while the installer runs or while the door counts.

The disk takes nothing more from that moment on; what was written and not yet brought to it is lost.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import time

import pytest

from edge.contract.messages import StateMessage
from tests.brokers import wait_until
from tests.install.conftest import NewMachine
from tests.install.container import Machine
from tests.install.ear import Ear
from tests.install.service import OFFLINE, Service, install, wheel_of

pytestmark = [pytest.mark.install, pytest.mark.timeout(1800)]

SEED = int(os.environ.get("HEADCOUNT_SEED", time.time_ns() % 1_000_000))
NONE = 127  # exit code where there is no such program
# Steps of the installer, and how long each may go on (s) until the power goes.
MOMENTS = {"packages": (2, 6.0), "program": (3, 20.0), "the rest": (4, 12.0)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_second_run_mends_what_the_power_cut(new_machine: NewMachine, moment: str) -> None:
    """Cut in a step at random: after the next start one more run ends well, and the door counts.

    What was put in service before the cut is whole, though nobody told pip to wait for the disk.
    """
    randomness = random.Random(f"{SEED} {moment}")
    step, longest = MOMENTS[moment]
    after = randomness.uniform(0, longest)
    with new_machine() as machine:
        said = _cut(machine, step, after)
        print(f"HEADCOUNT_SEED={SEED}: cut {after:.2f} s after step {step}\n{said}")
        machine.start()
        program = machine.run("/opt/headcount/bin/headcount", "--version")
        done = install(machine, "--source", "scene:1", "--id", "door")
        service = Service(machine)

        assert program.returncode in (0, NONE), program.stdout
        assert 0 == done.returncode, done.stdout
        assert service.is_active
        with Ear(machine) as ear:
            ear.hears_crossings(1, 0.0)


def test_what_was_told_survives_a_power_cut(new_machine: NewMachine) -> None:
    """Cut while it counts, three times: it counts again by itself, from no less than it told."""
    randomness = random.Random(f"{SEED} counting")
    with new_machine() as machine:
        assert 0 == install(machine, "--source", "scene:1", "--id", "door").returncode
        told: list[StateMessage] = []
        for _ in range(3):
            with Ear(machine) as ear:
                begun = time.monotonic()
                ear.hears_crossings(1, begun)
                time.sleep(randomness.uniform(0, 3))
                machine.cut_power()
                seen = ear.states()
            for earlier, later in itertools.pairwise([*told[-1:], *seen]):
                assert earlier.epoch == later.epoch
                assert earlier.in_total <= later.in_total
                assert earlier.out_total <= later.out_total
            told += seen
            machine.start()
            wait_until(lambda: Service(machine).is_active, "the service starts at boot", 60)


def _cut(machine: Machine, step: int, after: float) -> str:
    """Install until a step, and a while on; what the installer had said when the power went."""
    options = ["--yes", "--source", "scene:1", "--id", "door"]
    script = ["bash", "/deploy/install.sh", "--program", wheel_of(machine, "now"), *options]
    process = subprocess.Popen(
        machine.call(*script, **OFFLINE),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        lines = []
        for line in said:
            lines.append(line)
            if f"[{step}/" in line:
                break
        time.sleep(after)
        machine.cut_power()
        return "".join([*lines, said.read()])
