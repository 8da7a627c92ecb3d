"""`headcount-deploy install HOST`, over a real ssh to a server of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers import free_port, wait_until
from tests.conftest import Outcome

SSHD = Path("/usr/sbin/sshd")
# What stands in for install.sh's effects: the script tells what it is and what it was given.
SHOW = r"""#!/bin/sh
echo "as $(id -un) in $PWD: $*"
ls -R
for file; do
    [ -f "$file" ] || continue
    printf '%s:\n%s\n' "$file" "$(stat -c %a "$file")"
    head -c 20 "$file" | tr -dc '[:print:]'
done
exit "${CODE:-0}"
"""


@dataclass
class Host:
    """A door that this machine's own ssh server plays."""

    folder: Path
    port: int

    def deploy(self, *arguments: object, host: str = "door", verb: str = "install") -> Outcome:
        """Run `headcount-deploy`, with an ssh on PATH that knows where the door is.

        Args:
            arguments: of the verb; `install` is given `host` before them.
        """
        given = [host, *arguments] if verb == "install" else [*arguments]
        environment = {**os.environ, "PATH": f"{self.folder / 'here'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli", verb, *map(str, given)],
            env=environment, capture_output=True, text=True, timeout=160, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def left(self) -> list[str]:
        """Folders that were made there and not removed."""
        return [path.name for path in (self.folder / "tmp").iterdir()]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """An ssh server with keys of its own; who logs in finds a `bash` that only shows its call."""
    if not SSHD.exists() or shutil.which("ssh") is None:
        pytest.skip("no ssh server or client here (Debian: openssh-server, openssh-client)")
    folder = tmp_path_factory.mktemp("host")
    for name in ("host", "mine"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    port = free_port()
    _write_there(folder)
    _write_here(folder, port)
    with (folder / "log").open("w") as log, _server(folder, port, log.fileno()) as server:
        wait_until(lambda: _answers(port), "the ssh server", 10)
        yield Host(folder, port)
        server.terminate()
        server.wait()


def _write_there(folder: Path) -> None:
    """Programs that the door has in front of the machine's."""
    (folder / "tmp").mkdir()
    there = folder / "there"
    there.mkdir()
    (there / "bash").write_text(SHOW)
    (there / "sudo").write_text('#!/bin/sh\necho "by sudo"\nexec "$@"\n')
    for program in there.iterdir():
        program.chmod(0o755)


def _write_here(folder: Path, port: int) -> None:
    """An ssh that reads a configuration of the test's."""
    here = folder / "here"
    here.mkdir()
    config = (
        f"Host door\nHostName 127.0.0.1\nPort {port}\nIdentityFile {folder}/mine\n"
        f"StrictHostKeyChecking no\nUserKnownHostsFile {folder}/known\nLogLevel ERROR\n"
    )
    (folder / "config").write_text(config)
    (here / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    (here / "ssh").chmod(0o755)


def _server(folder: Path, port: int, log: int) -> subprocess.Popen[bytes]:
    settings = (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/mine.pub\nStrictModes no\nUsePAM no\n"
        f"SetEnv PATH={folder}/there:/usr/bin:/bin TMPDIR={folder}/tmp HOME={folder}/tmp\n"
    )
    (folder / "sshd_config").write_text(settings)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    return subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_installer_and_its_files_arrive(host: Host, tmp_path: Path) -> None:
    """Scripts, udev rule, wheel and password lie there for their user alone, and are gone after."""
    wheel, password = tmp_path / "headcount-1-py3-none-any.whl", tmp_path / "secret"
    wheel.write_text("a wheel")
    password.write_text("pass word")
    password.chmod(0o644)
    given = ("--source", "scene:1", "--name", "Front door's")
    done = host.deploy("--program", wheel, "--password-file", password, *given)

    assert 0 == done.code, done.err
    assert {"install.sh", "install-ncs.sh", "97-headcount-ncs.rules", wheel.name} <= set(
        done.out.split()
    )
    call = f"install.sh --program {wheel.name} --password-file password {' '.join(given)}"
    assert call in done.out
    assert f"{wheel.name}:\n" in done.out
    assert "password:\n600\npass word" in done.out
    assert [] == host.left()


def test_who_is_no_root_becomes_it(host: Host) -> None:
    """Root runs the installer at once, anybody else by sudo."""
    done = host.deploy("--program", "headcount==9")

    assert ("by sudo" in done.out) == (os.geteuid() != 0)
    assert "install.sh --program headcount==9\n" in done.out


def test_the_installers_exit_code_is_ours(host: Host) -> None:
    """What install.sh could not do is not done; its own words have told why."""
    failing = host.folder / "there" / "bash"
    failing.write_text(SHOW.replace("${CODE:-0}", "1"))
    done = host.deploy("--program", "headcount==9")
    failing.write_text(SHOW)

    assert 1 == done.code
    assert "Traceback" not in done.err
    assert [] == host.left()


def test_the_checkout_is_what_is_installed(host: Host) -> None:
    """Without --program, a wheel of the checkout that the command runs in."""
    done = host.deploy("--dry-run")

    assert 0 == done.code, done.err
    assert re.search(
        r"install\.sh --program headcount-[\d.]+-py3-none-any\.whl --dry-run", done.out
    )


def test_who_uninstalls_needs_no_program(host: Host) -> None:
    """Nothing is built or copied for it, so it works without an index, too."""
    done = host.deploy("--uninstall")

    assert 0 == done.code, done.err
    assert "install.sh --uninstall\n" in done.out
    assert ".whl" not in done.out


def test_a_door_that_is_away_is_told(host: Host) -> None:
    """No such host, nobody who listens, a host that is an option: one line each, exit 1 or 2."""
    for name, code, line in (
        ("nowhere.invalid", 1, "nowhere.invalid: not reached, as ssh says above"),
        ("", 2, "'' is no host"),
        ("-oProxyCommand=true", 2, "unrecognized arguments: -oProxyCommand=true"),
    ):
        done = host.deploy("--program", "headcount==9", host=name)

        assert code == done.code
        assert line in done.err.splitlines()[-1]


@pytest.mark.parametrize("flag", ["--program", "--password-file"])
def test_a_file_that_is_missing_is_told_before_anything_is_done(host: Host, flag: str) -> None:
    """A wheel or a password that is not here: exit 2, and the door is not asked."""
    done = host.deploy(flag, "missing.whl", host="nowhere.invalid")

    assert 2 == done.code
    assert "missing.whl: no such file, or it cannot be read" in done.err


def test_without_ssh_it_says_what_to_install(tmp_path: Path) -> None:
    """No ssh on PATH: exit 2 and the package's name."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "install", "door", "--program", "headcount==9"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 2 == done.returncode
    assert "openssh-client" in done.stderr
