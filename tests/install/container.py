"""A machine with systemd that can be switched on and off, and whose power can be cut.

    disk    a sparse ext4 file; it alone keeps what the machine writes
    root    overlay: the disk on top of the bare Debian, which stays as it is
    init    systemd, booted by systemd-nspawn, with no network but its own loopback

All mounts lie in a mount namespace and all processes in a process namespace that end with the one
process that we hold, and it ends with us: of a run that is killed only empty cgroups are left.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
import uuid
from pathlib import Path

from tests.brokers import wait_until

_BOOT_S = 90.0
_DISK = "3G"  # sparse
_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
_NO_LOG_FLUSH = 2
_CGROUP = Path("/sys/fs/cgroup")

# $0 folder, $1 bare root, the rest: more options of systemd-nspawn. A cgroup of its own keeps it
# apart from other machines; where there are hierarchies of both kinds, its place is one in both.
_BOOT = r"""
set -e
for tree in $(findmnt -n -l -t cgroup2 -o TARGET) /sys/fs/cgroup/systemd; do
    [ ! -d "$tree" ] || { mkdir -p "$tree/$NAME"; echo 0 >"$tree/$NAME/cgroup.procs"; }
done
cd "$0"
mount -o loop disk data
mkdir -p data/upper data/work
mount -t overlay overlay -o "lowerdir=$1,upperdir=data/upper,workdir=data/work" root
shift
exec systemd-nspawn --quiet --settings=no --register=no --keep-unit --private-network \
    --resolv-conf=off --timezone=off --link-journal=no --console=read-only \
    --machine=door --directory=root "$@" --boot
"""


class Machine:
    """One machine; switched off it keeps its disk.

    Args:
        folder: empty; for its disk.
        bare: root of the system that it finds on its first start.
        shared: folder of the machine -> folder of this machine that it sees there, read only.
    """

    def __init__(self, folder: Path, bare: Path, shared: dict[str, Path]) -> None:
        self.folder = folder
        self._bare = bare
        self._shared = [f"--bind-ro={place}:{name}" for name, place in shared.items()]
        self._name = f"door-{uuid.uuid4().hex[:8]}"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        for name in ("data", "root"):
            (folder / name).mkdir()
        disk = folder / "disk"
        subprocess.run(["truncate", "--size", _DISK, disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        (self.folder / "disk").unlink()  # a gigabyte

    def start(self) -> None:
        """Switch it on, and wait until systemd has started what it starts at boot."""
        alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc"]
        shell = ["--fork", "--kill-child", "sh", "-c", _BOOT, self.folder, self._bare]
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                [*alone, *shell, *self._shared],
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "NAME": self._name,
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        try:
            wait_until(self._find_leader, "systemd runs", _BOOT_S)
            wait_until(self._is_up, "the machine has booted", _BOOT_S)
        except BaseException:
            print(self.console())
            self.stop()
            raise

    def stop(self) -> None:
        """Switch it off: everything in it dies at once; what it wrote is on its disk."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process, self._leader = None, 0
        wait_until(self._is_off, "its mounts are gone", 30)
        for tree in (_CGROUP, _CGROUP / "unified", _CGROUP / "systemd"):
            for group, _, _ in os.walk(tree / self._name, topdown=False):
                Path(group).rmdir()

    def cut_power(self) -> None:
        """Switch it off, and what it had not yet brought to the disk is lost."""
        data = os.open(f"/proc/{self._children()[0]}/root{self.folder}/data", os.O_RDONLY)
        fcntl.ioctl(data, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        os.close(data)
        self.stop()

    def run(
        self, *command: object, timeout: float = 120.0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root, with nothing of our environment."""
        return subprocess.run(
            self.call(*command, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def call(self, *command: object, **environment: str) -> list[str]:
        """The command line that runs a command in it."""
        own = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        own |= {"HOME": "/root", "LANG": "C.UTF-8", **environment}
        words = [*self.inside("-m", "-u", "-i", "-n", "-p", "-C"), "env", "-i"]
        return [*words, *(f"{name}={value}" for name, value in own.items()), *map(str, command)]

    def inside(self, *namespaces: str) -> list[str]:
        """What goes before a command that is to run in namespaces of it (options of nsenter)."""
        return ["nsenter", "-t", str(self._leader), *namespaces]

    def tell(self, *command: object) -> str:
        """What a command in it prints, which must succeed."""
        done = self.run(*command)
        assert 0 == done.returncode, done.stdout
        return done.stdout.strip()

    def kill(self, pid: int, number: int) -> None:
        """Send a signal to one of its processes, by its number there."""
        self.tell("sh", "-c", f"kill -{int(number)} {pid}")

    def write(self, path: str, text: str) -> None:
        """Write a file in it."""
        place = Path(f"/proc/{self._leader}/root{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def bring(self, folder: Path, *names: str, to: str) -> None:
        """Copy files and folders of a folder here into one of its own, for root."""
        pack = ["tar", "-c", "--exclude=__pycache__", "-C", folder, *names]
        packed = subprocess.run(pack, stdout=subprocess.PIPE, check=True)
        unpack = self.call("sh", "-c", f"mkdir -p {to} && tar -x --no-same-owner -C {to}")
        subprocess.run(unpack, input=packed.stdout, check=True)

    def console(self) -> str:
        """The last that it said on its console."""
        return (self.folder / "console").read_text(errors="replace")[-2000:]

    def _children(self) -> list[int]:
        """All our processes in it, from the outermost."""
        assert self._process is not None
        found = [self._process.pid]
        for pid in found:
            tasks = Path(f"/proc/{pid}/task/{pid}/children")
            found += map(int, tasks.read_text().split()) if tasks.exists() else []
        return found[1:]

    def _find_leader(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.console()
        for pid in self._children():
            if _is_init(pid):
                self._leader = pid
        return self._leader != 0

    def _is_up(self) -> bool:
        time.sleep(0.1)
        done = self.run("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def _is_off(self) -> bool:
        time.sleep(0.05)
        held = subprocess.run(
            ["losetup", "-j", self.folder / "disk"], capture_output=True, check=True
        )
        return not held.stdout


def _is_init(pid: int) -> bool:
    """Whether it is the first process of the innermost namespace, and systemd by now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        program = Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return False
    (numbers,) = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
    return len(numbers) == 3 and numbers[-1] == "1" and program.name == "systemd"
