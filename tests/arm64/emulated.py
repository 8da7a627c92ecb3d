"""A 64-bit ARM Debian of the Pi's generation, run by QEMU on this x86-64 machine.

    debootstrap --foreign        packages of bookworm, unpacked, from Debian's mirror
    binfmt_misc                  the kernel hands ARM programs to QEMU
    unshare --mount, chroot      /proc, /sys and /dev, seen by that one command alone

Mounts live and die with each command, so none is left behind, whatever happens. The one thing
that outlives a command, the kernel's handler, is taken away at the end if it was not there
before. It needs root. The unpacked system is kept for the next run.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"  # glibc 2.36, Python 3.11: what Raspberry Pi OS of that name is made of
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
WANTED = "python3,python3-venv,systemd"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
RULE = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")  # the line that Debian's QEMU brings
CPU = "cortex-a72"  # of a Raspberry Pi 4

_HANDLER = "headcount-aarch64"
_ENTER = (
    'mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" && '
    'exec chroot "$0" "$@"'
)


class MissingError(Exception):
    """Something without which no ARM system can be run here; the message names it."""


@dataclass(frozen=True)
class Door:
    """An ARM system in a folder."""

    root: Path

    def run(self, *command: object, timeout: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Run a command of the system in it."""
        call = ["unshare", "--mount", "sh", "-c", _ENTER, self.root, *command]
        return subprocess.run(
            list(map(str, call)),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "QEMU_CPU": CPU},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def require() -> None:
    """See whether this machine can run one, before anything is done for it.

    Raises:
        MissingError: it cannot.
    """
    if platform.machine() != "x86_64" or os.geteuid() != 0:
        raise MissingError("emulation needs root on x86-64 Linux (mounts, chroot, binfmt_misc)")
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux")):
        if shutil.which(program, path=f"{os.defpath}:/usr/sbin:/sbin") is None:
            raise MissingError(f"{program} (Debian: {package}) is missing")
    if not RULE.exists():
        raise MissingError(f"{RULE} (Debian: qemu-user-static) is missing")


@contextlib.contextmanager
def emulated_door(kept: Path) -> Iterator[Door]:
    """An ARM system in `kept`, unpacked now if it is not there yet.

    Raises:
        MissingError: this machine cannot run one.
    """
    require()
    with _handler():
        door = Door(kept / SUITE)
        unpacked = door.root / "unpacked"
        if not unpacked.exists() or unpacked.read_text() != WANTED:
            shutil.rmtree(door.root, ignore_errors=True)
            kept.mkdir(parents=True, exist_ok=True)
            _unpack(door)
            unpacked.write_text(WANTED)
        yield door


def _unpack(door: Door) -> None:
    kind = [f"--include={WANTED}", "--variant=minbase", "--arch=arm64"]
    _do(["debootstrap", "--foreign", *kind, SUITE, str(door.root), MIRROR])
    done = door.run("/debootstrap/debootstrap", "--second-stage", timeout=1800)
    if done.returncode != 0:
        raise MissingError(f"debootstrap's second stage: {_last(done)}")


@contextlib.contextmanager
def _handler() -> Iterator[None]:
    """Let the kernel run ARM programs, unless it does already; afterwards all is as it was."""
    mounted = not (BINFMT / "register").exists()
    if mounted:
        _do(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)])
    ours = BINFMT / _HANDLER
    try:
        if not any(path.name.endswith("-aarch64") for path in BINFMT.iterdir()):
            _, _, rule = RULE.read_text().strip().partition(":qemu-aarch64")
            (BINFMT / "register").write_text(f":{_HANDLER}{rule}")
        yield
    finally:
        if ours.exists():  # a run that was killed leaves it, and the next takes it away
            ours.write_text("-1")
        if mounted:
            _do(["umount", str(BINFMT)])


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise MissingError(f"`{' '.join(command[:4])} …` fails: {_last(done)}")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return lines[-1]
