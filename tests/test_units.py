"""The systemd units: whole, as closed as promised, and true to the program that they start."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.cli import build_parser
from edge.config import Config
from edge.source.picamera import Patience
from edge.upkeep import OFFER
from tests.conftest import ROOT

UNIT = ROOT / "systemd" / "headcount.service"
UPDATE = ROOT / "systemd" / "headcount-update.service"
WATCH = ROOT / "systemd" / "headcount-update.path"
DEBUG = ROOT / "systemd" / "headcount-debug.conf"
COLLECT = ROOT / "systemd" / "headcount-collect.service"
PROGRAM = "/opt/headcount/bin/headcount"


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze without a systemd that runs."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on PATH (Debian: systemd)")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def setting(name: str) -> str:
    """The last value that the unit gives to a setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)[-1]


def test_the_sandbox_is_closed() -> None:
    """By systemd's own measure it is at 1.8 of 10 or below; what is open is named in the unit."""
    done = analyze("security", "--offline=true", "--threshold=18", UNIT)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_collector_has_a_network_and_little_else() -> None:
    """By systemd's own measure it is at 1.3 of 10 or below."""
    done = analyze("security", "--offline=true", "--threshold=13", COLLECT)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_collector_is_started_as_the_program_takes_it(tmp_path: Path) -> None:
    """No line is unknown to systemd; without a file of options it is a broker here, and SQLite."""
    text = COLLECT.read_text()
    unit = tmp_path / COLLECT.name
    unit.write_text(text.replace(PROGRAM, str(shutil.which("true"))))
    done = analyze("verify", unit)
    (defaults,) = re.findall(r'^Environment="COLLECT=(.*)"$', text, re.MULTILINE)
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    program, *arguments = shlex.split(command.replace("$COLLECT", defaults))
    options = build_parser().parse_args(arguments)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)
    assert PROGRAM == program
    assert "mqtt://localhost" == options.broker
    assert options.store.startswith("sqlite:/var/lib/headcount-collect/")


def test_the_fetcher_is_closed_further() -> None:
    """It reaches the network and no device: at 1.5 of 10 or below."""
    done = analyze("security", "--offline=true", "--threshold=15", UPDATE)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_fetcher_is_started_by_what_the_service_writes() -> None:
    """The path that is watched is that of an offer in the service's state directory."""
    (watched,) = re.findall(r"^PathExists=(.+)$", WATCH.read_text(), re.MULTILINE)
    state = f"/var/lib/{setting('StateDirectory')}"

    assert f"{state}/{Config().models}/{OFFER}" == watched
    for name in ("User", "DynamicUser", "StateDirectory", "WorkingDirectory"):
        assert f"\n{name}={setting(name)}\n" in UPDATE.read_text()
    command = re.findall(r"^ExecStart=(.+)$", UPDATE.read_text(), re.MULTILINE)[-1]
    program, *arguments = shlex.split(command)
    assert PROGRAM == program
    assert Path("/etc/headcount/headcount.toml") == build_parser().parse_args(arguments).config


@pytest.mark.parametrize("unit", [UPDATE, WATCH], ids=lambda path: path.name)
def test_systemd_understands_the_others_too(tmp_path: Path, unit: Path) -> None:
    """No setting is unknown or ignored."""
    for path in (UPDATE, WATCH):
        text = path.read_text().replace(PROGRAM, str(shutil.which("true")))
        (tmp_path / path.name).write_text(text)
    done = analyze("verify", tmp_path / unit.name)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_the_gate_can_fail() -> None:
    """The same question with a threshold that this unit cannot meet is answered with no."""
    assert 0 != analyze("security", "--offline=true", "--threshold=10", UNIT).returncode


@pytest.mark.parametrize("loosened", [False, True], ids=["as it is", "with the debug drop-in"])
def test_systemd_understands_every_line(tmp_path: Path, loosened: bool) -> None:
    """No setting is unknown or ignored; the program stands in for one that is installed."""
    program = shutil.which("true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, str(program)))
    if loosened:
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir()
        (folder / DEBUG.name).write_text(DEBUG.read_text().replace(PROGRAM, str(program)))
    done = analyze("verify", unit)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("path", [UNIT, DEBUG], ids=lambda path: path.name)
def test_the_command_is_one_that_exists(path: Path) -> None:
    """What the unit starts is `headcount run` with a configuration, as the program takes it."""
    command = re.findall(r"^ExecStart=(.+)$", path.read_text(), re.MULTILINE)[-1]
    program, *arguments = shlex.split(command)
    options = build_parser().parse_args(arguments)

    assert PROGRAM == program
    assert Path("/etc/headcount/headcount.toml") == options.config


def test_the_watchdog_is_more_patient_than_the_camera() -> None:
    """A camera that is started again ends the service with its own words, before systemd does."""
    assert 3 / 4 * float(setting("WatchdogSec")) > Patience().give_up
    assert float(setting("TimeoutStartSec")) > Patience().hello + Patience().first


def test_a_door_never_gives_up() -> None:
    """It is started again after every end but that of a wrong configuration, however often."""
    assert "always" == setting("Restart")
    assert "0" == setting("StartLimitIntervalSec")
    assert "2" == setting("RestartPreventExitStatus")
