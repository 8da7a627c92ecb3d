"""The power goes, or the disk is full, at any state of an update: a whole model counts after it.

The disk is an ext4 of the test's own. From the cut on nothing more reaches it, and what was not
brought to it is lost.
"""

from __future__ import annotations

import fcntl
import io
import os
import random
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from edge.errors import UpdateError
from edge.updater import Phase
from tests.brokers import wait_until
from tests.conftest import ROOT
from tests.disks import Card, card, fill, small_disk
from tests.updater.houses import NOON, Site, bad, good

__all__ = ["card", "small_disk"]

_SHUTDOWN, _NO_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN
SEED = int(os.environ.get("HEADCOUNT_SEED", time.time_ns() % 1_000_000))
STEPS = 5  # of an update, from received to committed or back


def cut_power(folder: Path) -> None:
    """Nothing more reaches the disk, nor what has not reached it yet."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
    finally:
        os.close(handle)


def insert_again(card: Card) -> None:
    """Take a card out, and put it in as the power cut has left it.

    A dead one cannot even tell that it is still in. And while somebody else's view of the file
    systems still has it, it would come back dead: so a copy is put in.
    """
    command = ["umount", card.folder]
    wait_until(
        lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
        f"{card.folder} is unmounted",
    )
    copy = card.image.with_name(f"{card.image.stem}+.img")
    subprocess.run(["cp", "--sparse=always", card.image, copy], check=True)
    card.image.unlink()
    card.image = copy
    card.insert()


def update_until_cut(site: Site, folder: Path, first: int, steps: int, after: float) -> list[int]:
    """Update in a process of its own; cut the power so long after so many steps.

    Returns:
        The counters that were told as committed before.
    """
    command = [sys.executable, "-m", "tests.updater.writer", site.folder, site.models, first]
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    told: list[int] = []
    with process, process.stdout as said:
        for line in said:
            if line.strip().isdigit():
                told.append(int(line))
            else:
                steps -= 1
            if steps == 0:
                break
        time.sleep(after)
        cut_power(folder)
        process.kill()
    return told


@pytest.mark.parametrize("cuts", [5, pytest.param(100, marks=pytest.mark.proof)])
def test_a_power_cut_at_any_state(card: Card, tmp_path: Path, cuts: int) -> None:
    """Then, and after the next start, a whole model counts; none that was told is lost."""
    card.insert()
    site = Site(tmp_path, card.folder / "models")
    site.update(1)
    randomness = random.Random(SEED)
    print(f"HEADCOUNT_SEED={SEED}")
    left: Counter[str] = Counter()
    committed, following = 1, 2
    for cut in range(cuts):
        steps = 1 + cut % STEPS + STEPS * randomness.randrange(3)
        told = update_until_cut(site, card.folder, following, steps, randomness.uniform(0, 0.02))
        insert_again(card)
        before = max([committed, *told])
        updater = site.updater()
        update = updater.record.update
        counter = updater.in_service().manifest.counter
        left["none" if update is None else update.phase.value] += 1

        assert before <= counter <= before + 3, f"cut {cut}"
        updater.settle(good)
        settled = site.updater()
        committed = settled.in_service().manifest.counter
        assert committed >= counter, f"cut {cut}"
        assert not settled.record.pending, f"cut {cut}"
        assert not list(site.models.glob("incoming-*")), f"cut {cut}"
        following = 1 + max(committed, settled.record.floor("door"))
    site.update(following)
    print(f"{cuts} cuts, found after them: {dict(left)}")

    assert f"door {following}" == site.in_service()


class Filling:
    """A clock that fills the disk when it is asked for the `step`th time."""

    def __init__(self, disk: Path, step: int) -> None:
        self._disk, self._left = disk, step

    def __call__(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            fill(self._disk)
        return NOON


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize("passes", [True, False], ids=["good", "bad"])
def test_a_disk_that_is_full_at_any_state(
    small_disk: Path, tmp_path: Path, step: int, passes: bool
) -> None:
    """The one before counts, or the new one if it has passed; with room again it goes on."""
    test = good if passes else bad
    site = Site(tmp_path, small_disk / "models")
    site.update(1)
    site.clock = Filling(small_disk, step)
    updater = site.updater()
    with suppress(UpdateError):
        updater.receive(io.BytesIO(site.packed(2)))
    updater.settle(test)
    while_full = site.in_service()
    (small_disk / "filler").unlink()
    site.clock = lambda: NOON
    site.updater().settle(test)
    after = site.in_service()

    assert {while_full, after} <= ({"door 1", "door 2"} if passes else {"door 1"})
    assert not site.updater().record.pending
    site.update(3)
    assert "door 3" == site.in_service()
    update = site.updater().record.update
    assert update is not None
    assert Phase.COMMITTED is update.phase
