"""A machine's corner for install.sh: a root folder, and stand-ins for the system's tools on PATH.

The stand-ins for apt-get, dpkg and systemctl note every call and keep state in files, as the real
ones do. The program is a wheel with a stand-in for `headcount`; what judges a configuration in it
is this checkout's own `edge.config`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pip

from tests.conftest import ROOT
from tests.deploy.runtimes import wheel

SCRIPT = ROOT / "deploy" / "install.sh"
UNIT = "headcount.service"
WATCH = "headcount-update.path"
MORE_UNITS = (WATCH, "headcount-update.service")
TOOLS = (
    "awk basename bash cat chmod cmp cp cut date dirname env find flock getconf grep head install "
    "ln ls mkdir mktemp paste readlink realpath rm rmdir sed sh sha256sum sleep sort tail tar "
    "timeout touch tr uname xargs"
)
RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'

# Each begins with this: it notes its call, and ends the whole run at the one that $FAKE_KILL names.
_NOTE = """#!/bin/sh
call="{name} $*"
echo "$call" >> "$CORNER/calls"
case "$call" in ${{FAKE_KILL:-none}}*) kill -9 0 ;; esac
"""
_STAND_INS = {
    "id": "echo ${FAKE_USER:-0}",
    "udevadm": "",
    "journalctl": "echo 'what the service said last'",
    "rpicam-hello": 'cat "$CORNER/cameras" 2>/dev/null',
    "dpkg": 'case "$1" in --print-architecture) echo ${FAKE_ARCHITECTURE:-arm64} ;; esac',
    "dpkg-query": 'grep -qx "$4" "$CORNER/packages" && printf installed',
    # Fails as often as $CORNER/apt-fails has lines.
    "apt-get": """
if [ -s "$CORNER/apt-fails" ]; then
    sed -n 1p "$CORNER/apt-fails"; sed -i 1d "$CORNER/apt-fails"; exit 100
fi
case "$call" in *" install "*) for word; do echo "$word"; done >> "$CORNER/packages" ;; esac
""",
    # Knows enabled and active units; with the doctor's drop-in, the service's start is the doctor.
    "systemctl": """
state="$CORNER/systemd"; verb="$1"; for unit; do :; done
case "$unit" in *.service | *.path) ;; *) unit="$unit.service" ;; esac
doctor="$HEADCOUNT_ROOT/run/systemd/system/$unit.d/zzz-headcount-doctor.conf"
case "$verb" in
--version) echo "systemd ${FAKE_SYSTEMD:-252} (252.30)" ;;
is-enabled) [ -e "$state/enabled-$unit" ] ;;
is-active) [ -e "$state/active-$unit" ] ;;
disable) rm -f "$state/enabled-$unit" ;;
stop) rm -f "$state/active-$unit" ;;
show) echo exit-code; echo "${FAKE_DOCTOR:-0}" ;;
enable | start | restart)
    [ "$verb" != enable ] || touch "$state/enabled-$unit"
    case "$verb $call" in enable*--now*) ;; enable*) exit 0 ;; esac
    if [ -e "$doctor" ]; then
        echo "ok    or not" > "$HEADCOUNT_ROOT/run/headcount-doctor.txt"
        exit "${FAKE_DOCTOR:-0}"
    fi
    rm -f "$state/active-$unit"
    program="$HEADCOUNT_ROOT/opt/headcount/bin/headcount"
    case "$unit" in mosquitto.service | *.path) ;; *) "$program" runs || exit 1 ;; esac
    touch "$state/active-$unit" ;;
esac
""",
}
_PROGRAM = """
import sys
def main():
    if sys.argv[1:] == ["runs"]:
        raise SystemExit({code})
    print("headcount {version}")
"""
# Makes a virtual environment in no time: pip is not unpacked again, it is lent; and in place of
# pip one that knows the wheels of `program` alone, unless $REAL_PIP is set.
_PYTHON = """#!/bin/sh
case "$*" in
*"-m venv "*)
    for folder; do :; done
    "{python}" -I -m venv --without-pip "$folder"
    echo "${{REAL_PIP:-{pip}}}" > "$folder/lib/python{version}/site-packages/pip.pth" ;;
*) exec "{python}" "$@" ;;
esac
"""
_PIP = """
import pathlib, sys, sysconfig, zipfile
path, place = pathlib.Path(sys.argv[-1]), pathlib.Path(sysconfig.get_path("scripts"))
if not path.is_file():
    sys.exit(f"ERROR: No matching distribution found for {path}")
zipfile.ZipFile(path).extractall(sysconfig.get_path("purelib"))
script = place / "headcount"
script.write_text(f"#!{sys.executable}\\nimport stand_in\\nstand_in.main()\\n")
script.chmod(0o755)
"""


def program(
    folder: Path, version: str, *, ends: bool = False, unit: str = "", more: bool = True
) -> Path:
    """A wheel of headcount.

    Args:
        folder: where it is written.
        version: what it says it is.
        ends: whether the service ends at once.
        unit: text at the end of its unit.
        more: whether it has the units that fetch models.
    """
    name = f"headcount-{version}-py3-none-any.whl"
    text = (ROOT / "systemd" / UNIT).read_text() + unit
    files = {
        "stand_in.py": _PROGRAM.format(version=version, code=int(ends)),
        "deploy/__init__.py": "",
        f"deploy/systemd/{UNIT}": text,
        **(_more_units() if more else {}),
        "here.pth": f"{ROOT}\n{sysconfig.get_path('purelib')}\n",
        f"headcount-{version}.dist-info/entry_points.txt": (
            "[console_scripts]\nheadcount = stand_in:main\n"
        ),
    }
    path = folder / name
    path.write_bytes(wheel(name, files))
    return path


def _more_units() -> dict[str, str]:
    return {f"deploy/systemd/{name}": (ROOT / "systemd" / name).read_text() for name in MORE_UNITS}


@dataclass
class Bare:
    """A bare machine in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.root, self.bin = self.folder / "root", self.folder / "bin"
        for name in ("etc", "opt", "usr/bin", "run/systemd/system", "sys/class/video4linux"):
            (self.root / name).mkdir(parents=True)
        (self.root / "etc" / "os-release").write_text(RELEASE)
        (self.root / "etc" / "hostname").write_text("pi.local\n")
        self.pip = self.folder / "real-pip"  # a folder with pip in it alone
        lent = self.folder / "pip"
        for made in (self.bin, self.folder / "systemd", self.pip, lent / "pip"):
            made.mkdir(parents=True)
        (self.pip / "pip").symlink_to(Path(pip.__file__).parent)
        (lent / "pip" / "__main__.py").write_text(_PIP)
        (self.folder / "packages").touch()
        self._tools()

    def _tools(self) -> None:
        search = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        for name in TOOLS.split():
            found = shutil.which(name, path=search)
            assert found is not None, f"{name} is not on this machine"
            (self.bin / name).symlink_to(found)
        for name in ("df", "mv", "sync"):
            self.tool(name, f'exec {shutil.which(name, path=search)} "$@"')
        for name, script in _STAND_INS.items():
            self.tool(name, script)
        python = self.root / "usr" / "bin" / "python3"
        version = sysconfig.get_python_version()
        lent = self.folder / "pip"
        python.write_text(_PYTHON.format(python=sys.executable, pip=lent, version=version))
        python.chmod(0o755)

    def tool(self, name: str, script: str) -> None:
        """Put a tool of our own on PATH, which notes its calls."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(_NOTE.format(name=name) + script + "\n")
        path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """What the script sees: nothing of this machine, and no index."""
        return {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "CORNER": str(self.folder),
            "HEADCOUNT_ROOT": str(self.root),
            "HEADCOUNT_NCS_WHEEL": "",
            "HEADCOUNT_NCS_ARCHIVES": "",
            "HEADCOUNT_NCS_INDEX": "",
            "HEADCOUNT_NCS_CPYTHON": "",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
        }

    def call(self, *arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
        """Run the script on this machine, without a terminal, as a session of its own."""
        return subprocess.run(
            ["bash", str(SCRIPT), *map(str, arguments)],
            env=self.environment() | {name: str(value) for name, value in environment.items()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            start_new_session=True,
        )

    def install(
        self, wheel: Path, *arguments: object, **environment: object
    ) -> subprocess.CompletedProcess[str]:
        """Install a program for a simulated door."""
        call = ["--yes", "--source", "scene:1", "--program", wheel, *arguments]
        return self.call(*call, **environment)

    def sourced(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run functions of the script, which is sourced."""
        return subprocess.run(
            ["bash", "-c", f'source "{SCRIPT}"; set +e; {code}', "bash", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, *begins: str) -> list[str]:
        """What the tools of `begins` were called with, in order, since the last question."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if line.startswith(begins)]

    def path(self, name: str) -> Path:
        """Of a file of the machine."""
        return self.root / name.lstrip("/")

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.path("/etc/headcount/headcount.toml")

    def is_active(self, unit: str = UNIT) -> bool:
        """Whether a unit runs."""
        return (self.folder / "systemd" / f"active-{unit}").exists()

    def version(self) -> str:
        """Of the program in service."""
        command = [str(self.path("/usr/local/bin/headcount")), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def tree(self) -> dict[str, tuple[int, int]]:
        """Every file of the machine, with its inode and its time of change."""
        found = sorted(self.root.rglob("*"))
        return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in found}

    def names(self) -> set[str]:
        """Every file of the machine, without what is in a program and the program's chance name."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        return {name for name in found if "/venv-" not in name}
