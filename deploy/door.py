"""A door, reached by the user's own ssh, with its configuration, keys and questions as they are.

One connection is opened and shared by all that follows, so that a password is asked for once.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError, WorldError

_UNREACHED = 255  # ssh's own exit code; any other is the command's
_CONNECT_S = 15
# A plain Debian has no sudo; su asks for root's password.
_AS_ROOT = """\
if [ "$(id -u)" = 0 ]; then {0}; elif command -v sudo >/dev/null; then sudo {0}; else su -c {1}; fi
"""
_UNPACK = 'umask 077; folder=$(mktemp -d) && tar -x -C "$folder" && echo "$folder"'


@dataclass(frozen=True, slots=True)
class Door:
    """A host that can be reached. `options` are ssh's."""

    host: str
    options: tuple[str, ...]

    def run(self, command: str, given: bytes = b"") -> str:
        """Run a line of its shell and return what it prints.

        Raises:
            WorldError: the line fails, or the door cannot be reached.
        """
        done = subprocess.run(  # noqa: S603 - a list, no shell here
            [*self._ssh(), command], input=given, stdout=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            raise self._failed(done.returncode, command)
        return done.stdout.decode().strip()

    def fetch(self, command: str, target: Path) -> None:
        """Run a line of its shell and write what it prints into a file here.

        Raises:
            WorldError: the line fails, or the door cannot be reached.
        """
        with target.open("wb") as file:
            call = [*self._ssh("-n"), command]
            code = subprocess.run(call, stdout=file, check=False).returncode  # noqa: S603
        if code != 0:
            raise self._failed(code, command)

    def watch(self, command: str) -> int:
        """Run a line of its shell on this terminal, so that it can ask; return its exit code.

        Raises:
            WorldError: the door cannot be reached, or no longer.
        """
        terminal = ["-t"] if sys.stdin.isatty() else ["-n"]
        call = [*self._ssh(*terminal), command]
        code = subprocess.run(call, check=False).returncode  # noqa: S603 - as above
        if code == _UNREACHED:
            raise self._failed(code, command)
        return code

    @contextmanager
    def folder(self, files: Mapping[str, Path]) -> Iterator[str]:
        """A folder there that only its user can read, with copies of files; gone afterwards.

        Args:
            files: path below the folder to the file here.

        Raises:
            WorldError: it cannot be made, as when the disk is full.
        """
        folder = self.run(_UNPACK, _packed(files))
        try:
            yield folder
        finally:
            # A door that is gone by now keeps it, for its user alone, until it starts anew.
            with suppress(WorldError):
                self.run(f"rm -rf {shlex.quote(folder)}")

    def hang_up(self) -> None:
        """End the connection that all commands shared."""
        command = self._ssh("-O", "exit")
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # noqa: S603

    def _ssh(self, *more: str) -> list[str]:
        return ["ssh", *self.options, *more, self.host]

    def _failed(self, code: int, command: str) -> WorldError:
        if code == _UNREACHED:
            return WorldError(
                f"{self.host}: not reached, as ssh says above; `ssh {self.host}` must work first"
            )
        return WorldError(f"{self.host}: `{command}` fails there with {code}, as it says above")


@contextmanager
def open_door(host: str) -> Iterator[Door]:
    """Connect to a host: a name, USER@NAME, or one of ssh's configuration.

    Raises:
        CallError: it is no such name, or there is no ssh here.
        WorldError: it cannot be reached.
    """
    if not host or host.startswith("-"):
        raise CallError(f"{host!r} is no host; give NAME or USER@NAME, as ssh takes it")
    if shutil.which("ssh") is None:
        raise CallError("there is no ssh here; install it (Debian: openssh-client)")
    with tempfile.TemporaryDirectory() as folder:
        options = [f"ConnectTimeout={_CONNECT_S}", "ControlMaster=auto", "ControlPersist=yes"]
        options.append(f"ControlPath={folder}/ssh")
        if not sys.stdin.isatty():
            options.append("BatchMode=yes")  # there is nobody to ask
        door = Door(host, tuple(word for option in options for word in ("-o", option)))
        try:
            door.run("true")
            yield door
        finally:
            door.hang_up()


def as_root(command: str) -> str:
    """A line of the shell that runs another one as root, by sudo or su where need be."""
    return _AS_ROOT.format(shlex.join(["sh", "-c", command]), shlex.quote(command))


def _packed(files: Mapping[str, Path]) -> bytes:
    """A tar archive of the files, for their owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, arcname=name, recursive=False, filter=_private)
    return packed.getvalue()


def _private(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode &= 0o700  # root's tar keeps the modes, whatever the umask there
    return info
