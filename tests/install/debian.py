"""The Debian that headcount is installed on: as bare as one can be that boots, and kept.

    debootstrap          packages from Debian's mirror, systemd and Python among them
    /var/cache/apt       what apt-get will be asked for, so that no machine needs a network
    pi                   a user with sudo, as on Raspberry Pi OS

It is read only from then on; machines lie on top of it. It needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}  # the suites that can be had, and their Python
SUITE = os.environ.get("DEBIAN_SUITE", "bookworm")
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
BARE = "systemd,systemd-sysv,dbus,udev,python3,iproute2,sudo"
FETCHED = ("python3-venv", "mosquitto", "mosquitto-clients", "libusb-1.0-0", "openssh-server")

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "losetup": "util-linux",
    "mkfs.ext4": "e2fsprogs",
}
_PATH = f"{os.defpath}:/usr/sbin:/sbin"
_FINISH = f"""
set -e
apt-get update
apt-get clean
apt-get install --download-only --yes --no-install-recommends {" ".join(FETCHED)}
useradd --create-home --shell /bin/bash pi
printf '%s\\n' 'pi ALL=(ALL) NOPASSWD: ALL' 'Defaults env_keep += "PIP_*"' >/etc/sudoers.d/pi
chmod 0440 /etc/sudoers.d/pi
rm -f /etc/resolv.conf
echo door >/etc/hostname
echo '127.0.0.1 localhost door' >/etc/hosts
"""


class MissingError(Exception):
    """Something without which no machine can be run here; the message names it."""


def require() -> None:
    """See whether this machine can run another, before anything is done for it.

    Raises:
        MissingError: it cannot.
    """
    if os.geteuid() != 0:
        raise MissingError("it needs root (mounts, namespaces, a system of its own)")
    if SUITE not in PYTHONS:
        raise MissingError(f"DEBIAN_SUITE={SUITE} is none of {', '.join(PYTHONS)}")
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=_PATH) is None:
            raise MissingError(f"{program} (Debian: {package}) is missing")


def bare_debian(kept: Path) -> Path:
    """The root of a bare Debian in `kept`, unpacked now if it is not there yet.

    Raises:
        MissingError: Debian's mirror does not give it.
    """
    root, made_by = kept / SUITE, kept / f"{SUITE}.recipe"
    recipe = f"{BARE}\n{_FINISH}"
    if not made_by.exists() or made_by.read_text() != recipe:
        made_by.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        kept.mkdir(parents=True, exist_ok=True)
        _do("debootstrap", "--variant=minbase", f"--include={BARE}", SUITE, root, MIRROR)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        _do("chroot", root, "sh", "-c", _FINISH)
        made_by.write_text(recipe)
    return root


def _do(*command: object) -> None:
    words = list(map(str, command))
    environment = {
        "PATH": _PATH,
        "HOME": "/root",
        "LC_ALL": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise MissingError(f"`{' '.join(words[:2])} …` fails: {lines[-1]}")
