"""What stands outside the installer: a web server, runtimes as those of 2022 look, tools on PATH.

The runtimes are small and hold a Python package `openvino` in place of the bindings. It sees a
stick where the environment's FAKE_STICK is set, and has MYRIAD where its plugin's file lies.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import ROOT

SCRIPT = ROOT / "deploy" / "install-ncs.sh"
PLUGIN = "libopenvino_intel_myriad_plugin.so"
FIRMWARE = "usb-ma2x8x.mvcmd"
WHEEL = "openvino-2022.3.1-1-py3-none-any.whl"
NUMPY = "numpy-1.23.5-py3-none-any.whl"
TOOLS = (
    "awk basename bash cat chmod cmp curl df dirname find flock getconf grep gzip install ldd ln "
    "ls mkdir mktemp mv paste readlink realpath rm sed sh sha256sum sort tail tar timeout uname"
)

CORE = f"""
import os, pathlib
class Core:
    def __init__(self):
        places = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        places.append(str(pathlib.Path(__file__).parent / "libs"))
        self.known = any((pathlib.Path(place) / "{PLUGIN}").exists() for place in places)
    def get_versions(self, device):
        if not self.known:
            raise RuntimeError(f'Device with "{{device}}" name is not registered')
    available_devices = ["CPU"] + ["MYRIAD"] * ("FAKE_STICK" in os.environ)
"""


def wheel(name: str, files: dict[str, str]) -> bytes:
    """A wheel that pip installs: `name` is that of its file, `files` are text by path."""
    package, version = name.split("-")[:2]
    info = f"{package}-{version}.dist-info"
    told = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path, text in {**files, **told}.items():
            archive.writestr(path, text)
    return held.getvalue()


def runtime_wheel(*, plugin: str = PLUGIN) -> bytes:
    """A wheel of OpenVINO 2022.3.1, with MYRIAD where `plugin` is not empty."""
    files = {"openvino/__init__.py": "", "openvino/runtime.py": CORE}
    if plugin:
        files |= {f"openvino/libs/{plugin}": "plugin", f"openvino/libs/{FIRMWARE}": "firmware"}
    return wheel(WHEEL, files)


def numpy_wheel() -> bytes:
    """A wheel that passes for NumPy."""
    return wheel(NUMPY, {"numpy/__init__.py": '__version__ = "1.23.5"'})


def archive(files: dict[str, str], *, mode: int = 0o644) -> bytes:
    """A .tgz of `files`, text by path."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text), mode
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


def runtime_archive(version: str, *names: str) -> bytes:
    """An archive of OpenVINO with bindings for Python `version` and libraries of these names."""
    files = {f"toolkit/runtime/lib/aarch64/{name}": name for name in names}
    files |= {f"toolkit/python/python{version}/openvino/__init__.py": ""}
    return archive({**files, f"toolkit/python/python{version}/openvino/runtime.py": CORE})


def standalone_python() -> bytes:
    """An archive as those of standalone CPythons, whose interpreter is the one that runs this."""
    starter = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    return archive({"python/bin/python3": starter}, mode=0o755)


@dataclass
class Web:
    """A web server's content by path, and the paths that were asked of it."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    short: set[str] = field(default_factory=set)  # paths whose last bytes never come


@contextmanager
def serve() -> Iterator[Web]:
    """A web server on a free port of this machine, with NumPy in an index at /simple."""
    web = Web()
    web.pages[f"/{NUMPY}"] = numpy_wheel()
    web.pages["/simple/numpy/"] = f'<a href="/{NUMPY}">{NUMPY}</a>'.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            page = web.pages.get(self.path)
            if page is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")  # pip's index is read as nothing else
            self.send_header("Content-Length", str(len(page) + 100 * (self.path in web.short)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        yield web
        server.shutdown()


class Place:
    """A machine's corner: a prefix, a rules folder, a USB bus and a PATH, all in one folder."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.folder, self.web = folder, web
        self.prefix, self.rules, self.usb = folder / "ncs", folder / "rules.d", folder / "usb"
        self.bin, self.calls = folder / "bin", folder / "calls"
        for made in (self.bin, self.rules, self.usb):
            made.mkdir(parents=True)
        for name in TOOLS.split():
            found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            assert found is not None, f"{name} is not on this machine"
            (self.bin / name).symlink_to(found)
        for name in ("python3", "pip", "pip3", "apt-get", "udevadm"):
            self.tool(name, f'echo "{name} $*" >> {self.calls}')

    def tool(self, name: str, script: str) -> None:
        """Put a tool of our own on PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def called(self) -> list[str]:
        """The calls of the tools that only note that they were called."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def environment(self) -> dict[str, str]:
        """What the script sees: nothing of this machine, and no source but the web server."""
        return {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "HEADCOUNT_NCS_WHEEL": f"{self.web.url}/{WHEEL}",
            "HEADCOUNT_NCS_ARCHIVES": "",
            "HEADCOUNT_NCS_INDEX": "",
            "HEADCOUNT_NCS_CPYTHON": "",
            "HEADCOUNT_NCS_RULES": str(self.rules),
            "HEADCOUNT_NCS_USB": str(self.usb),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"{self.web.url}/simple",
            "PIP_NO_CACHE_DIR": "1",
        }

    def install(
        self, *arguments: object, python: str | None = sys.executable, **environment: object
    ) -> subprocess.CompletedProcess[str]:
        """Run the script on this corner."""
        given = ["--prefix", self.prefix, *(["--python", python] if python else []), *arguments]
        told = {name: str(value) for name, value in environment.items()}
        return subprocess.run(
            ["bash", str(SCRIPT), *map(str, given)],
            env=self.environment() | told,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def tree(self) -> dict[str, int]:
        """Every file below the prefix and the rules, with its time of change."""
        found = [*self.prefix.rglob("*"), *self.rules.rglob("*")]
        return {str(path): path.lstat().st_mtime_ns for path in found}
