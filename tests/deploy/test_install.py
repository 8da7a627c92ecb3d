"""The installer of a door, run as a process on a machine's corner with stand-ins for its tools.

The same on a real Debian with systemd, in a container, is in tests/install.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import termios
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config import read_config
from tests.conftest import ROOT
from tests.deploy.bare import MORE_UNITS, SCRIPT, UNIT, WATCH, Bare, program

Done = subprocess.CompletedProcess[str]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Programs: 1.0, a newer one, and a newer one whose service ends at once."""
    folder = tmp_path_factory.mktemp("wheels")
    return {
        "old": program(folder, "1.0"),
        "new": program(folder, "2.0", unit="# of 2.0\n"),
        "broken": program(folder, "3.0", ends=True, unit="# of 3.0\n"),
    }


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A bare machine."""
    return Bare(tmp_path)


@pytest.fixture
def door(bare: Bare, wheels: dict[str, Path]) -> Bare:
    """A machine with program 1.0 in service."""
    done = bare.install(wheels["old"])
    assert 0 == done.returncode, done.stdout + done.stderr
    bare.calls()
    return bare


def failed(done: Done, *words: str, code: int = 1) -> None:
    """Assert that it failed, and that one line has all words."""
    assert code == done.returncode, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert any(all(word in line for word in words) for line in lines), done.stderr
    assert "install.sh: line" not in done.stderr, "bash itself has complained: " + done.stderr


# ---- what goes well


def test_a_bare_machine_becomes_a_door(bare: Bare, wheels: dict[str, Path]) -> None:
    """One command: packages, program, configuration, rule, unit, broker, check, service."""
    done = bare.install(wheels["old"], "--name", 'Tür "1"', REAL_PIP=bare.pip)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    assert [str(step) for step in range(1, 10)] == sorted(
        set(re.findall(r"^install: \[(\d)/9\] \w+: ", done.stdout, re.MULTILINE))
    )
    config = read_config(bare.config)
    assert ("pi", 'Tür "1"') == (config.device.id, config.device.name)
    assert ("scene:1", "mqtt://localhost:1883") == (config.source.uri, config.mqtt.url)
    assert ((0, 0.5), (1, 0.5), (0.5, 0.9)) == (
        config.lines[0].a, config.lines[0].b, config.lines[0].in_side,
    )  # fmt: skip
    assert "headcount 1.0" == bare.version()
    assert bare.is_active() and bare.is_active("mosquitto.service")
    assert "headcount watch --broker mqtt://localhost:1883" in done.stdout


def test_the_service_is_started_after_the_check(bare: Bare, wheels: dict[str, Path]) -> None:
    """Doctor has the camera for itself, as the service's own drop-in, which is gone afterwards."""
    bare.install(wheels["old"])
    verbs = ("stop", "start", "enable", "restart")
    calls = bare.calls(*(f"systemctl {verb}" for verb in verbs))

    assert [
        "systemctl enable -q --now mosquitto",
        f"systemctl stop {UNIT}",
        f"systemctl start {UNIT}",
        f"systemctl enable -q {UNIT}",
        f"systemctl enable -q {WATCH}",
        f"systemctl restart {WATCH}",
        f"systemctl restart {UNIT}",
    ] == calls
    assert not list(bare.path("/run").rglob("*headcount*"))


def test_the_fetcher_of_models_comes_and_goes(bare: Bare, wheels: dict[str, Path]) -> None:
    """Its units are installed and the path is watched; without them in the program they go."""
    units = [bare.path(f"/etc/systemd/system/{name}") for name in MORE_UNITS]
    assert 0 == bare.install(wheels["old"]).returncode
    assert all(path.exists() for path in units) and bare.is_active(WATCH)
    without = program(bare.folder, "2.5", more=False)
    assert 0 == bare.call("--program", without).returncode
    assert not any(path.exists() for path in units)
    assert not bare.is_active(WATCH)
    assert 0 == bare.call("--program", wheels["new"]).returncode
    assert 0 == bare.call("--uninstall").returncode
    assert not any(path.exists() for path in units)
    assert not bare.is_active(WATCH)


def test_files_are_readable_and_owned_by_the_right(bare: Bare, wheels: dict[str, Path]) -> None:
    """All can read the program and the configuration, and none the broker's password."""
    secret = bare.folder / "given"
    secret.write_text("öffne dich\nnot this\n")
    done = bare.install(
        wheels["old"], "--broker", "mqtts://hub", "--user", "me", "--password-file", secret
    )
    config = read_config(bare.config)
    kept = bare.path("/etc/headcount/mqtt-password")

    assert 0 == done.returncode, done.stderr
    assert "öffne dich\n" == kept.read_text()
    assert (0o600, 0o644) == (kept.stat().st_mode & 0o777, bare.config.stat().st_mode & 0o777)
    assert ("mqtts://hub", "me") == (config.mqtt.url, config.mqtt.user)
    assert Path(f"/run/credentials/{UNIT}/mqtt-password") == config.mqtt.password_file
    assert "öffne" not in done.stdout + done.stderr + bare.config.read_text()
    for path in bare.path("/opt").rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o004, path
    assert "mosquitto" not in (bare.folder / "packages").read_text()


def test_a_second_run_changes_nothing(door: Bare, wheels: dict[str, Path]) -> None:
    """What is there stays as it is, says so, and the service is not disturbed."""
    before = door.tree()
    done = door.install(wheels["old"], "--line", "0,0.50,1.0,0.5")

    assert 0 == done.returncode, done.stderr
    assert before == door.tree()
    assert 8 <= done.stdout.count("already")
    assert [] == door.calls("apt-get", "systemctl stop", "systemctl start", "systemctl restart")


@pytest.mark.parametrize("what", ["configuration", "drop-in", "runtime of a stick"])
def test_what_is_newer_is_checked_and_started(
    door: Bare, wheels: dict[str, Path], what: str
) -> None:
    """What has changed since the service started is a reason to start it again."""
    if what == "configuration":
        door.config.write_text(door.config.read_text() + "[ledger]\nmax_mb = 64\n")
    elif what == "drop-in":
        door.path(f"/etc/systemd/system/{UNIT}.d").mkdir()
        door.path(f"/etc/systemd/system/{UNIT}.d/my.conf").write_text("[Service]\nNice=5\n")
    else:
        door.path("/opt/headcount-ncs/bin").mkdir(parents=True)
        door.path("/opt/headcount-ncs/bin/python").symlink_to("../runtime-AbCdEf/python")
    done = door.call("--program", wheels["old"])

    assert 0 == done.returncode, done.stderr
    assert [f"systemctl restart {UNIT}"] == door.calls("systemctl restart")


def test_an_upgrade_takes_over(door: Bare, wheels: dict[str, Path]) -> None:
    """A newer wheel: its program and its unit are in service, and the old program is gone."""
    before = door.config.read_bytes()
    done = door.call("--program", wheels["new"])

    assert 0 == done.returncode, done.stderr
    assert "headcount 2.0" == door.version()
    assert door.path(f"/etc/systemd/system/{UNIT}").read_text().endswith("# of 2.0\n")
    assert 1 == len(list(door.path("/opt/headcount").glob("venv-*")))
    assert before == door.config.read_bytes()
    assert door.is_active()


def test_a_dry_run_changes_nothing(bare: Bare, wheels: dict[str, Path]) -> None:
    """`--dry-run` names every step, needs no root, and neither writes nor calls."""
    before = bare.tree()
    done = bare.install(wheels["old"], "--dry-run", FAKE_USER=1000)

    assert 0 == done.returncode, done.stderr
    assert before == bare.tree()
    assert 6 <= done.stdout.count("would ")
    assert 'uri = "scene:1"' in done.stdout
    assert [] == bare.calls("apt-get", "systemctl stop", "systemctl start", "systemctl enable")


def test_an_image_is_made_without_a_running_system(bare: Bare, wheels: dict[str, Path]) -> None:
    """`--no-start` installs and enables; nothing is started, stopped or reloaded."""
    bare.path("/run/systemd/system").rmdir()
    done = bare.install(wheels["old"], "--no-start")
    calls = bare.calls("systemctl")

    assert 0 == done.returncode, done.stderr
    assert f"systemctl enable -q {UNIT}" in calls and "systemctl enable -q mosquitto" in calls
    assert {"--version", "enable"} == {call.split()[1] for call in calls}
    assert "[8/9] check: left out" in done.stdout


def test_a_checkout_is_the_program_that_it_is(bare: Bare) -> None:
    """Without `--program`, a script in a checkout takes that, and one in a package its version."""
    done = bare.call("--dry-run", "--yes", "--source", "scene:1")
    assert f"would install {ROOT} to" in done.stdout

    packages = bare.folder / "packages.d"
    (packages / "edge").mkdir(parents=True)
    (packages / "edge" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    shutil.copytree(SCRIPT.parent, packages / "deploy", symlinks=True)
    copy = str(packages / "deploy" / "install.sh")
    told = subprocess.run(
        ["bash", "-c", f'source "{copy}"; choose_program; echo "$program"'],
        env=bare.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "headcount==1.2.3\n" == told.stdout


def test_a_stick_that_does_not_work_is_no_obstacle(bare: Bare, wheels: dict[str, Path]) -> None:
    """With a stick on USB its runtime is brought; where that fails, the CPU counts."""
    device = bare.path("/sys/bus/usb/devices/1-1")
    device.mkdir(parents=True)
    (device / "idVendor").write_text("03e7\n")
    done = bare.install(wheels["old"])

    assert 0 == done.returncode, done.stderr
    assert "install-ncs: " in done.stderr
    assert "[5/9] stick: a stick cannot be used yet" in done.stderr
    packages = (bare.folder / "packages").read_text().split()
    assert {"libusb-1.0-0", "curl"} <= set(packages)
    assert bare.is_active()


# ---- what goes wrong, and the run after it

KILLS = (
    "apt-get",
    "mv -T */opt/headcount/bin.new",
    "sync -f */opt/headcount",
    "mv -T */headcount.toml.new",
    "mv -T */headcount.service.new",
    "systemctl daemon-reload",
    f"systemctl start {UNIT}",
    f"systemctl restart {UNIT}",
)


@pytest.mark.parametrize("moment", KILLS)
def test_a_run_that_is_killed_is_mended_by_the_next(
    bare: Bare, wheels: dict[str, Path], moment: str
) -> None:
    """After kill -9 at any step the same command ends as if nothing had been."""
    killed = bare.install(wheels["old"], FAKE_KILL=moment)
    assert -9 == killed.returncode, killed.stdout + killed.stderr
    done = bare.install(wheels["old"])

    assert 0 == done.returncode, done.stdout + done.stderr
    assert bare.is_active()
    assert "headcount 1.0" == bare.version()
    assert 1 == len(list(bare.path("/opt/headcount").glob("venv-*")))
    assert not [name for name in bare.names() if name.endswith(".new") or "doctor" in name]


@pytest.mark.parametrize("moment", KILLS[1:2] + KILLS[4:])
def test_an_upgrade_that_is_killed_can_still_go_back(
    door: Bare, wheels: dict[str, Path], moment: str
) -> None:
    """The program that counted is kept over a kill -9, for a next run that fails."""
    killed = door.call("--program", wheels["new"], FAKE_KILL=moment)
    assert -9 == killed.returncode, killed.stdout + killed.stderr
    done = door.call("--program", wheels["new"], FAKE_DOCTOR=1)

    failed(done, "mend what is marked FAIL")
    failed(done, "headcount 1.0 counts again, as before")
    assert "headcount 1.0" == door.version()
    assert "# of 2.0" not in door.path(f"/etc/systemd/system/{UNIT}").read_text()
    assert door.is_active()


def test_a_door_that_fails_the_check_is_not_started(bare: Bare, wheels: dict[str, Path]) -> None:
    """A vital finding ends a first installation before the service; mended, the next goes on."""
    done = bare.install(wheels["old"], FAKE_DOCTOR=1)

    failed(done, "[8/9] check: mend what is marked FAIL, then run this again")
    assert "    ok    or not\n" in done.stdout
    assert [] == [call for call in bare.calls("systemctl enable") if UNIT in call]
    assert not list(bare.path("/run").rglob("*headcount*"))
    assert 0 == bare.install(wheels["old"]).returncode
    assert bare.is_active()


def test_a_door_that_counted_goes_on_where_the_check_fails(
    door: Bare, wheels: dict[str, Path]
) -> None:
    """With the same program and a camera that is gone, the service is left to try by itself."""
    door.config.touch()
    failed(door.call("--program", wheels["old"], FAKE_DOCTOR=1), "mend what is marked FAIL")

    assert f"systemctl start --no-block {UNIT}" in door.calls("systemctl start")


def test_a_program_that_does_not_start_gives_way(door: Bare, wheels: dict[str, Path]) -> None:
    """An upgrade to a program that ends at once goes back, and shows what the service said."""
    done = door.call("--program", wheels["broken"])

    failed(done, f"[9/9] service: {UNIT} does not start")
    failed(done, "what the service said last")
    failed(done, "headcount 1.0 counts again, as before")
    assert "headcount 1.0" == door.version()
    assert "# of 3.0" not in door.path(f"/etc/systemd/system/{UNIT}").read_text()
    assert 1 == len(list(door.path("/opt/headcount").glob("venv-*")))


def test_going_back_by_hand_leaves_nothing_of_a_cut_upgrade(
    door: Bare, wheels: dict[str, Path]
) -> None:
    """An upgrade that was killed and is not wanted any more: the old program, and no other."""
    door.call("--program", wheels["new"], FAKE_KILL="mv -T */opt/headcount/bin.new")
    assert 2 == len(list(door.path("/opt/headcount").glob("venv-*")))
    done = door.call("--program", wheels["old"])

    assert 0 == done.returncode, done.stderr
    assert "counts already" in done.stdout
    assert {"README", "bin"} == {
        path.name for path in door.path("/opt/headcount").iterdir() if "venv-" not in path.name
    }
    assert 1 == len(list(door.path("/opt/headcount").glob("venv-*")))


def test_a_configuration_of_the_owners_is_not_changed(door: Bare, wheels: dict[str, Path]) -> None:
    """Options that differ from the configuration that is there are refused, by their names."""
    before = door.config.read_bytes()
    for option, value in (("--broker", "mqtt://hub"), ("--line", "0,0.4,1,0.4"), ("--id", "b")):
        done = door.call("--program", wheels["old"], option, value)
        failed(done, option, "headcount.toml", "--reconfigure", code=2)

    assert before == door.config.read_bytes()


def test_a_new_configuration_keeps_the_old(door: Bare, wheels: dict[str, Path]) -> None:
    """`--reconfigure` changes what is given, keeps the other answers, and the old file beside."""
    before = door.config.read_bytes()
    done = door.call("--yes", "--program", wheels["old"], "--reconfigure", "--id", "back-door")
    config = read_config(door.config)

    assert 0 == done.returncode, done.stderr
    assert ("back-door", "scene:1") == (config.device.id, config.source.uri)
    assert before == door.config.with_name("headcount.toml.bak-1").read_bytes()
    again = door.call("--yes", "--program", wheels["old"], "--reconfigure", "--id", "back-door")
    assert 0 == again.returncode, again.stderr
    assert not door.config.with_name("headcount.toml.bak-2").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[device\n", ("answers: ", "is not TOML", "line 1", "--reconfigure")),
        ("[source]\nurl = 'x'\n", ("[4/9] configuration: ", "headcount.toml", "url")),
    ],
    ids=["half a file", "unknown key"],
)
def test_a_broken_configuration_is_told(
    door: Bare, wheels: dict[str, Path], text: str, words: tuple[str, ...]
) -> None:
    """A configuration that was broken by hand is told with its place, and stays."""
    door.config.write_text(text)

    failed(door.call("--program", wheels["old"]), *words, code=2)
    assert text == door.config.read_text()


@pytest.mark.parametrize(
    ("fails", "calls"),
    [(1, ["mosquitto", "-a", "mosquitto"]), (2, ["mosquitto", "-a", "mosquitto", "update"])],
    ids=["cut off", "old list"],
)
def test_packages_are_asked_for_again(
    bare: Bare, wheels: dict[str, Path], fails: int, calls: list[str]
) -> None:
    """Where they cannot be had, dpkg is put right first, then the mirror's list is fetched."""
    (bare.folder / "apt-fails").write_text("E: dpkg was interrupted\n" * fails)
    done = bare.install(wheels["old"])
    made = [call.split()[-1] for call in bare.calls("dpkg --configure", "apt-get")]

    assert 0 == done.returncode, done.stderr
    assert calls == made[: len(calls)]
    assert "mosquitto" == made[-1]


def test_packages_that_cannot_be_had_are_told(bare: Bare, wheels: dict[str, Path]) -> None:
    """apt-get's own last word is in the line, and nothing else was begun."""
    (bare.folder / "apt-fails").write_text("E: 404  Not Found\n" * 5)

    failed(bare.install(wheels["old"]), "[2/9] packages: apt-get install", "404  Not Found")
    assert not bare.path("/opt/headcount").exists()


def test_no_program_is_told(bare: Bare, wheels: dict[str, Path]) -> None:
    """A requirement that no index has ends in what to do, and leaves no half program."""
    call = ("--yes", "--source", "scene:1", "--program", "headcount==9.9")
    done = bare.call(*call, REAL_PIP=bare.pip)

    failed(done, "[3/9] program: pip install headcount==9.9", "PIP_FIND_LINKS=FOLDER")
    assert [] == list(bare.path("/opt/headcount").glob("venv-*"))


def test_a_full_card_is_told(bare: Bare, wheels: dict[str, Path]) -> None:
    """Before a program is made there must be room for it."""
    bare.tool("df", "echo head; echo '/dev/mmcblk0p2 15000 14900 100 99% /'")

    failed(bare.install(wheels["old"]), "[3/9] program: ", "100 MB free", "700 are needed")


def test_a_folder_of_others_is_not_touched(bare: Bare, wheels: dict[str, Path]) -> None:
    """A prefix and a command that are not ours stay as they are."""
    thesis = bare.path("/opt/headcount/thesis.tex")
    thesis.parent.mkdir()
    thesis.touch()
    failed(bare.install(wheels["old"]), "[3/9] program: ", "not from this script")
    failed(bare.call("--uninstall"), "uninstall: ", "nothing was removed")
    assert thesis.exists()

    thesis.unlink()
    command = bare.path("/usr/local/bin/headcount")
    command.parent.mkdir(parents=True)
    command.write_text("another's")
    done = bare.install(wheels["old"])
    assert 0 == done.returncode
    assert "not from this script and stays" in done.stderr
    assert "another's" == command.read_text()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ({"FAKE_ARCHITECTURE": "armhf"}, ("armhf", "64-bit Raspberry Pi OS")),
        ({"FAKE_USER": 1000}, ("root", "sudo")),
        ({"FAKE_SYSTEMD": 247}, ("systemd is 247", "252")),
        ({"ID": "ubuntu"}, ("this is Ubuntu", "Debian")),
        ({"VERSION_ID": "11"}, ("this is Debian GNU/Linux 11", "bookworm")),
        ({"running": False}, ("systemd does not run here", "--no-start")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_machine_that_will_not_do_is_refused(
    bare: Bare, wheels: dict[str, Path], harm: dict[str, object], words: tuple[str, ...]
) -> None:
    """A wrong system, user or place is told in the first step, before anything is changed."""
    release = {"ID": "debian", "VERSION_ID": "12", **harm}
    name = (
        f"{'Ubuntu' if release['ID'] == 'ubuntu' else 'Debian'} GNU/Linux {release['VERSION_ID']}"
    )
    bare.path("/etc/os-release").write_text(
        f'ID={release["ID"]}\nVERSION_ID="{release["VERSION_ID"]}"\nPRETTY_NAME="{name}"\n'
    )
    if "running" in harm:
        bare.path("/run/systemd/system").rmdir()
    before = bare.tree()

    failed(bare.install(wheels["old"], **harm), "[1/9] machine: ", *words)
    assert before == bare.tree()


def test_a_newer_debian_is_a_warning(bare: Bare, wheels: dict[str, Path]) -> None:
    """What comes after trixie is tried, and told."""
    bare.path("/etc/os-release").write_text("ID=debian\nPRETTY_NAME='Debian GNU/Linux forky/sid'\n")
    done = bare.install(wheels["old"], "--dry-run")

    assert 0 == done.returncode, done.stderr
    assert "forky/sid is newer" in done.stderr


def test_two_runs_at_once_are_told(bare: Bare, wheels: dict[str, Path]) -> None:
    """Of two runs the second leaves the first alone."""
    with subprocess.Popen(
        ["flock", str(bare.path("/etc")), "sh", "-c", "echo held; read wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert b"held\n" == holder.stdout.readline()
        done = bare.install(wheels["old"])
        holder.communicate(b"\n")

    failed(done, "[1/9] machine: another run is at work")


@pytest.mark.parametrize(
    "call",
    [
        ("--what",),
        ("--id",),
        ("--id", "front door"),
        ("--name", "two\nlines"),
        ("--line", "0,0.5,1"),
        ("--line", "0,0.5,1,1.5"),
        ("--in-side", ".5,.9"),
        ("--broker", "hub:1883"),
        ("--broker", "mqtt://me:secret@hub"),
        ("--source", "webcam"),
        ("--program", "--editable"),
        ("--id", "a", "--id", "b"),
        ("--purge",),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_told(bare: Bare, call: tuple[str, ...]) -> None:
    """A call that cannot be meant ends with code 2 and one line."""
    failed(bare.call(*call), "--help", code=2)
    assert [] == bare.calls()


@pytest.mark.parametrize(
    ("call", "option"),
    [
        ((), "--source"),
        (("--source", "scene:1", "--line", "0,0.4,1,0.4"), "--in-side"),
        (("--source", "scene:1", "--user", "me"), "--broker"),
        (("--source", "scene:1", "--broker", "mqtt://b", "--password-file", SCRIPT), "--user"),
    ],
    ids=["no camera", "a line without its side", "a user, no broker", "a password, no user"],
)
def test_what_nobody_can_guess_is_asked_for(
    bare: Bare, wheels: dict[str, Path], call: tuple[str, ...], option: str
) -> None:
    """Without a terminal, what has no default and is not given is named."""
    failed(bare.call("--program", wheels["old"], *call), option, "--help", code=2)


# ---- the questions, and what they are asked about


def typed(bare: Bare, answers: list[str], *arguments: object) -> str:
    """Run the script on a terminal, type an answer at each question; what the terminal shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = ["bash", str(SCRIPT), *map(str, arguments)]
        os.execve(shutil.which("bash") or "", command, bare.environment())
    shown, question, until = b"", b"", time.monotonic() + 60
    while time.monotonic() < until:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        shown, question = shown + piece, question + piece
        if answers and question.rstrip().endswith((b"]:", b"none:", b"machine:")):
            wait_for_silence(terminal)
            os.write(terminal, answers.pop(0).encode() + b"\n")
            shown, question = shown + b"\n", b""  # what is left of this question asks nothing
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode()


def wait_for_silence(terminal: int) -> None:
    """Wait until the shell has switched the terminal's echo off, after it has asked."""
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        time.sleep(0.001)


def test_a_terminal_is_asked(bare: Bare, wheels: dict[str, Path]) -> None:
    """Each answer is checked at once; an empty one is the proposed; a password is not shown."""
    (bare.folder / "cameras").write_text("Available cameras\n-----------------\n0 : imx708 [...]\n")
    answers = ["front door", "front", "scene:1", "", "0.5,0.1", "mqtt://hub", "me", "hidden"]
    shown = typed(bare, answers, "--program", wheels["old"])
    config = read_config(bare.config)

    assert "give letters, digits" in shown
    assert "[picamera2:]: " in shown
    assert "hidden" not in shown
    assert ("front", "scene:1") == (config.device.id, config.source.uri)
    assert ((0.5, 0.1), "me") == (config.lines[0].in_side, config.mqtt.user)
    assert config.mqtt.plain_text  # asked for by its mqtt:// to another machine
    assert "hidden\n" == bare.path("/etc/headcount/mqtt-password").read_text()


def camera(bare: Bare, number: int, name: str, bus: str, index: int) -> None:
    """Plug a video device in."""
    node = bare.path(f"/sys/class/video4linux/video{number}")
    subsystem = bare.path(f"/sys/bus/{bus}")
    subsystem.mkdir(parents=True, exist_ok=True)
    (node / "device").mkdir(parents=True)
    (node / "device" / "subsystem").symlink_to(subsystem)
    (node / "name").write_text(f"{name}\n")
    (node / "index").write_text(f"{index}\n")


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([], ""),
        ([("bcm2835-isp", "platform", 0), ("bcm2835-codec", "platform", 0)], ""),
        ([("bcm2835-isp", "platform", 0), ("cam", "usb", 1), ("cam", "usb", 0)], "v4l2:2"),
        ([("cam", "usb", 0), ("unicam-image", "platform", 0)], "picamera2:"),
        ([("rp1-cfe-csi2_ch0", "platform", 0)], "picamera2:"),
    ],
    ids=["none", "a Pi without one", "USB, behind its metadata", "Pi 4, first", "Pi 5"],
)
def test_the_camera_that_is_there_is_proposed(
    bare: Bare, nodes: list[tuple[str, str, int]], found: str
) -> None:
    """The Pi's own before a USB camera; codecs and nodes of metadata are no cameras."""
    for number, node in enumerate(nodes):
        camera(bare, number, *node)

    assert f"{found}\n" == bare.sourced('find_camera && echo "$REPLY" || echo').stdout


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TEXT, min_size=1, max_size=20))
def test_every_text_comes_back_from_the_configuration(bare: Bare, texts: list[str]) -> None:
    """Whatever is answered stands in the file so that TOML gives it back."""
    done = bare.sourced('for text; do echo "[[held]]"; echo "is = $(quoted "$text")"; done', *texts)

    assert texts == [held["is"] for held in tomllib.loads(done.stdout)["held"]]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(answers=st.tuples(*[TEXT.filter(str.isprintable)] * 3))
def test_every_answer_comes_back_from_the_program(
    bare: Bare, answers: tuple[str, str, str]
) -> None:
    """Name, source and user are read by the program as they were given."""
    name, source, user = (f"x{answer}" for answer in answers)
    code = (
        "answer=([id]=a [name]=$1 [source]=$2 [user]=$3 [broker]=mqtt://b [line]=0,0,1,1 "
        "[in-side]=0,1); print_configuration"
    )
    path = bare.folder / "written.toml"
    path.write_text(bare.sourced(code, name, source, user).stdout, encoding="utf-8")
    config = read_config(path)

    assert (name, source, user) == (config.device.name, config.source.uri, config.mqtt.user)


# ---- away with it


def test_uninstall_keeps_the_counts(door: Bare) -> None:
    """Service, program, unit and rule go; counts and configuration stay until `--purge`."""
    counts = door.path("/var/lib/private/headcount/ledger.db")
    counts.parent.mkdir(parents=True)
    counts.touch()
    door.path("/var/lib/headcount").symlink_to("private/headcount")
    rehearsed = door.call("--uninstall", "--dry-run")
    assert "would remove" in rehearsed.stdout
    assert door.is_active()

    done = door.call("--uninstall")
    assert 0 == done.returncode, done.stderr
    assert "kept: " in done.stdout
    assert not door.is_active()
    kept = {"etc/headcount/headcount.toml", "var/lib/private/headcount/ledger.db"}
    assert kept <= door.names()
    assert (
        set() == {name for name in door.names() if "headcount." in name or "opt/h" in name} - kept
    )

    assert 0 == door.call("--uninstall", "--purge").returncode
    assert set() == {name for name in door.names() if "headcount" in name}
    assert 0 == door.call("--uninstall", "--purge").returncode


def test_a_removal_that_is_killed_is_mended_by_the_next(door: Bare) -> None:
    """The file that says whose the prefix is goes last."""
    shutil.rmtree(next(door.path("/opt/headcount").glob("venv-*")) / "lib")
    (door.path("/opt/headcount") / "bin").unlink()

    assert 0 == door.call("--uninstall").returncode
    assert not door.path("/opt/headcount").exists()


# ---- the script itself


def test_sourcing_does_nothing(bare: Bare) -> None:
    """The script can be sourced for its functions."""
    done = bare.sourced(
        "same_numbers 0.50,1 0.5,1.0 && echo same; same_numbers 1,2 2,1 || echo not"
    )

    assert "same\nnot\n" == done.stdout


def test_shellcheck_has_no_complaint() -> None:
    """The script is clean for shellcheck."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck (a Debian package) is not installed")
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout


def test_the_page_names_the_scripts_options(bare: Bare) -> None:
    """Every option of the script that the page names is one, and each step stands in its table."""
    page = (ROOT / "docs" / "install.md").read_text()
    known = set(re.findall(r"--[a-z-]+", bare.call("--help").stdout))
    lines = [line for line in page.splitlines() if "install.sh" in line]

    assert set(re.findall(r" (--[a-z-]+)", "\n".join(lines))) <= known
    steps = re.findall(r"begin (\d) (\w+)", SCRIPT.read_text())
    assert 9 == len(steps)
    for number, name in steps:
        assert f"| {number} {name} |" in page
