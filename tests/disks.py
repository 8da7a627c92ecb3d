"""Disks to test on, which need root: one small enough to be filled, and a card that fails."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers import wait_until

# linux/fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN, and not even the journal is written out for it.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2


def mount(*arguments: object) -> None:
    """Mount, or skip where that is not allowed."""
    command = ["mount", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.partition("\n")[0]
        pytest.skip(f"no file system can be mounted here (needs root): {why}")


def unmount(folder: Path) -> None:
    """Let go of a file system, once the last process has."""
    wait_until(
        lambda: (
            subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0
            or not folder.is_mount()
        ),
        f"{folder} is unmounted",
    )


@pytest.fixture
def memory_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one, for tests to which a disk's slowness adds nothing."""
    if os.access("/dev/shm", os.W_OK):
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="headcount-") as folder:
            yield Path(folder)
    else:
        yield tmp_path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=32M", "tmpfs", folder)
    yield folder
    unmount(folder)


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte; what fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


@dataclass
class Card:
    """An SD card: a file system in a file, that turns read-only at its first fault."""

    image: Path
    folder: Path

    def insert(self, *options: str) -> None:
        mount("-o", ",".join(("loop", "errors=remount-ro", *options)), self.image, self.folder)

    def fail(self) -> None:
        """Let the kernel find a fault."""
        number = self.folder.stat().st_dev
        device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
        trigger = Path("/sys/fs/ext4") / device / "trigger_fs_error"
        assert device.startswith("loop")
        if not trigger.exists():
            pytest.skip("this kernel's ext4 has no trigger_fs_error")
        trigger.write_text("a test")

    def cut_power(self) -> None:
        """From now on nothing reaches the card; what it had not been told to keep is gone."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        except OSError as error:
            pytest.skip(f"this kernel's ext4 cannot be shut down: {error.strerror}")
        finally:
            os.close(folder)

    def again(self) -> None:
        """Take it out and insert it, as a machine does that is switched on again.

        A copy of it, for who has entered a namespace meanwhile may still hold the one that was cut,
        and the kernel would go on with that.
        """
        unmount(self.folder)
        copy = self.image.with_suffix(".copy")
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        copy.replace(self.image)
        self.insert()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    """A card of 64 MB that is not inserted yet."""
    made = Card(tmp_path / "card.img", tmp_path / "card")
    program = shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        pytest.skip("no mkfs.ext4 (Debian: e2fsprogs)")
    made.folder.mkdir()
    with made.image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run([program, "-q", "-F", made.image], check=True)
    yield made
    unmount(made.folder)
