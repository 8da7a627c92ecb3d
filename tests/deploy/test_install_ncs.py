"""The installer of the stick's runtime, run as a process against a web server of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.runtimes import (
    FIRMWARE,
    PLUGIN,
    SCRIPT,
    WHEEL,
    Place,
    Web,
    archive,
    runtime_archive,
    runtime_wheel,
    serve,
    standalone_python,
)

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
RULE = "97-headcount-ncs.rules"


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """A web server with the wheel that is tried first."""
    with serve() as web:
        web.pages[f"/{WHEEL}"] = runtime_wheel()
        web.pages["/plain.tgz"] = runtime_archive(OURS, "libopenvino.so", FIRMWARE)
        web.pages["/toolkit.tgz"] = runtime_archive(OURS, PLUGIN, FIRMWARE)
        yield web


@pytest.fixture
def place(tmp_path: Path, web: Web) -> Place:
    """An empty corner of a machine."""
    return Place(tmp_path, web)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Place:
    """A corner with the wheel installed; its tests leave it as they found it."""
    place = Place(tmp_path_factory.mktemp("installed"), web)
    done = place.install()
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "no stick is plugged in; all else is there" in done.stdout
    return place


def ask(place: Place, code: str) -> str:
    """What the installed interpreter prints, called from one whose modules would mislead it."""
    command = [str(place.prefix / "bin" / "python"), "-c", code]
    foreign = place.folder / "foreign"
    foreign.mkdir(exist_ok=True)
    (foreign / "numpy.py").write_text("raise ImportError('made for another Python')")
    environment = {"PATH": "/nonexistent", "PYTHONPATH": str(foreign)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def sourced(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run functions of the script, which is sourced."""
    return subprocess.run(
        ["bash", "-c", f'source "{SCRIPT}"; set +e; {code}'],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# ---- what goes well


def test_the_interpreter_has_the_runtime_and_its_numpy(installed: Place) -> None:
    """PREFIX/bin/python is one that imports the runtime and the NumPy that fits it."""
    told = ask(installed, "import numpy, openvino.runtime, sys; print(numpy.__version__)")

    assert "1.23.5" == told
    assert ask(installed, "import sys; print(sys.prefix)").startswith(
        f"{installed.prefix}/runtime-"
    )


def test_the_rule_is_installed_and_udev_is_told(installed: Place) -> None:
    """The udev rule lies where it was asked to, readable by all, and udev has loaded it."""
    rule = installed.rules / RULE

    assert (SCRIPT.parent / "udev" / RULE).read_bytes() == rule.read_bytes()
    assert 0o644 == rule.stat().st_mode & 0o777
    assert "udevadm control --reload-rules" in installed.called()


def test_the_systems_python_is_left_alone(installed: Place) -> None:
    """Neither python3, pip nor apt-get of the system is called, and the base gains no package."""
    assert {"udevadm"} == {call.split()[0] for call in installed.called()}

    packages = Path(sys.prefix) / "lib" / f"python{OURS}" / "site-packages"
    assert not (packages / "openvino-2022.3.1.dist-info").exists()


def test_everybody_can_use_what_is_installed(installed: Place) -> None:
    """The service's user, who is not the installer's, can read all of it."""
    for path in [installed.prefix, *installed.prefix.rglob("*")]:
        assert path.is_symlink() or path.stat().st_mode & 0o004, path


def test_a_second_run_downloads_and_changes_nothing(installed: Place, web: Web) -> None:
    """What is there and works is left as it is."""
    asked, tree = len(web.asked), installed.tree()
    done = installed.install()
    changed = {path for path, time in installed.tree().items() if tree.get(path) != time}

    assert 0 == done.returncode, done.stderr
    assert asked == len(web.asked)
    assert changed <= {f"{installed.prefix}/{name}" for name in ("README", "lock")}
    assert "already there" in done.stdout


def test_a_stick_that_is_seen_is_told(installed: Place) -> None:
    """Where MYRIAD lists a stick, the last line says so."""
    done = installed.install(FAKE_STICK=1)

    assert "a stick is plugged in, and MYRIAD sees it" in done.stdout


def test_a_stick_that_is_not_seen_is_told(installed: Place) -> None:
    """A stick on the bus that MYRIAD does not list is to be taken out and put in again."""
    device = installed.usb / "1-1"
    device.mkdir()
    (device / "idVendor").write_text("03e7\n")
    done = installed.install()
    shutil.rmtree(device)

    assert 0 == done.returncode, done.stderr
    assert "take it out and put it in again" in done.stdout


def test_an_archive_is_used_where_it_is_unpacked(place: Place, web: Web) -> None:
    """The second way: an archive's libraries and bindings, once the wheel cannot be had."""
    source = f"{web.url}/toolkit.tgz"
    done = place.install(
        HEADCOUNT_NCS_WHEEL=f"{web.url}/gone.whl", HEADCOUNT_NCS_ARCHIVES=f"{source}"
    )

    assert 0 == done.returncode, done.stderr
    assert "gone.whl: curl: (22) The requested URL returned error: 404" in done.stderr
    assert "True" == ask(place, "import openvino.runtime as r; print(r.Core().known)")
    assert not (place.prefix / "downloads").exists()
    assert re.fullmatch(rf"[0-9a-f]{{64}} {source}\n", (place.prefix / "checksums.txt").read_text())


def test_a_python_is_brought_where_none_fits(place: Place, web: Web) -> None:
    """With no interpreter on PATH, a standalone one is unpacked below the prefix."""
    web.pages["/cpython.tar.gz"] = standalone_python()
    done = place.install(python=None, HEADCOUNT_NCS_CPYTHON=f"{web.url}/cpython.tar.gz")

    assert 0 == done.returncode, done.stderr
    assert (place.prefix / "python" / "bin" / "python3").exists()
    assert "1.23.5" == ask(place, "import numpy; print(numpy.__version__)")


def test_a_dry_run_changes_nothing(place: Place, web: Web) -> None:
    """`--dry-run` names what it would do, and neither writes nor downloads."""
    asked = len(web.asked)
    done = place.install("--dry-run", python=None, HEADCOUNT_NCS_INDEX="openvino==2021.4.2")

    assert 0 == done.returncode, done.stderr
    assert asked == len(web.asked)
    assert {} == place.tree()
    assert not place.prefix.exists()
    assert re.search(rf"wheel {web.url}/{WHEEL}\n.*index openvino==2021.4.2", done.stdout)


def test_the_rule_can_come_alone(place: Place, web: Web) -> None:
    """`--rule-only` is for a stick that may come: the rule, no runtime, and nothing is fetched."""
    asked = len(web.asked)
    rehearsed = place.install("--rule-only", "--dry-run")
    assert f"would install {place.rules / RULE}" in rehearsed.stdout
    assert {} == place.tree()

    done = place.install("--rule-only")
    assert 0 == done.returncode, done.stderr
    assert [place.rules / RULE] == list(place.rules.iterdir())
    assert not place.prefix.exists()
    assert asked == len(web.asked)


def test_uninstall_removes_prefix_and_rule(place: Place) -> None:
    """`--uninstall` removes what the script made, and says what is not there."""
    place.prefix.mkdir()
    (place.prefix / "README").touch()
    shutil.copy(SCRIPT.parent / "udev" / RULE, place.rules)
    rehearsed = place.install("--uninstall", "--dry-run")

    assert f"would remove {place.prefix}" in rehearsed.stdout
    assert place.prefix.exists()

    done = place.install("--uninstall")

    assert 0 == done.returncode, done.stderr
    assert not place.prefix.exists()
    assert [] == list(place.rules.iterdir())
    assert "not there" in place.install("--uninstall").stdout


# ---- what goes wrong: one line that names the step and how to go on


def failed(done: subprocess.CompletedProcess[str], *words: str, code: int = 1) -> None:
    """Assert that it failed, and that one line has all words."""
    assert code == done.returncode, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert any(all(word in line for word in words) for line in lines), done.stderr
    assert all(line.startswith("install-ncs: ") for line in lines), done.stderr


def test_a_runtime_that_broke_is_brought_again(installed: Place, web: Web) -> None:
    """A runtime without its plugin is replaced, and a download that changed since is refused."""
    (plugin,) = installed.prefix.rglob(PLUGIN)
    kept = plugin.rename(plugin.with_suffix(".kept"))
    good = web.pages[f"/{WHEEL}"]
    web.pages[f"/{WHEEL}"] = good + b"\0"
    done = installed.install()
    web.pages[f"/{WHEEL}"] = good
    kept.rename(plugin)

    failed(done, "plugin: this runtime has no MYRIAD plugin")
    failed(done, "does not work any more; it is brought again")
    failed(done, "checksum:", "is not what it was", "--accept-new")
    assert 0 == installed.install().returncode


def test_what_a_cut_run_left_is_swept(installed: Place) -> None:
    """Half a runtime of a run that was killed goes, and the one in service stays."""
    before = set(installed.prefix.iterdir())
    half = installed.prefix / "runtime-killed" / "venv"
    half.mkdir(parents=True)
    done = installed.install()

    assert 0 == done.returncode, done.stderr
    assert before == set(installed.prefix.iterdir())


def test_a_changed_download_is_taken_where_it_is_wanted(place: Place, web: Web) -> None:
    """`--accept-new` believes another checksum and remembers it."""
    place.prefix.mkdir()
    (place.prefix / "README").touch()
    (place.prefix / "checksums.txt").write_text(f"{'0' * 64} {web.url}/plain.tgz\n")
    call = ("--runtime", f"{web.url}/plain.tgz")

    failed(place.install(*call), "checksum:", "known is 0000")
    failed(place.install(*call, "--accept-new"), "plugin:")
    assert not (place.prefix / "checksums.txt").read_text().startswith("0000")


def test_a_truncated_download_is_told_and_not_kept(place: Place, web: Web) -> None:
    """A download that ends early leaves nothing that a later run would take for whole."""
    web.pages["/short.tgz"], web.short = web.pages["/toolkit.tgz"], {"/short.tgz"}
    done = place.install("--runtime", f"{web.url}/short.tgz")

    failed(done, "download:", "short.tgz", "bytes")
    failed(done, "no way led", "--runtime FILE")
    assert [] == list((place.prefix / "downloads").iterdir())
    assert not (place.prefix / "checksums.txt").exists()


def test_wget_serves_where_curl_is_missing(place: Place, web: Web) -> None:
    """A minimal Debian has at most one of the two; with neither, the line has the command."""
    (place.bin / "curl").unlink()
    call = ("--runtime", f"{web.url}/plain.tgz")

    failed(place.install(*call), "download:", "sudo apt-get install curl")
    wget = shutil.which("wget")
    if wget is None:
        pytest.skip("wget is not installed")
    (place.bin / "wget").symlink_to(wget)
    failed(place.install(*call), "plugin:")
    failed(place.install("--runtime", f"{web.url}/gone.tgz"), "download:", "404")


def test_an_empty_download_is_told(place: Place, web: Web) -> None:
    """A page without content is no runtime."""
    web.pages["/empty.whl"] = b""

    failed(place.install("--runtime", f"{web.url}/empty.whl"), "download:", "is empty")


def test_what_is_no_archive_is_told(place: Place, web: Web) -> None:
    """A page of text under the name of an archive is not unpacked, and not kept."""
    web.pages["/page.tgz"] = b"<html>sign in to go on</html>"

    failed(place.install("--runtime", f"{web.url}/page.tgz"), "unpack:", "page.tgz")
    assert [] == list((place.prefix / "downloads").iterdir())


@pytest.mark.parametrize(
    ("names", "word"),
    [(["libopenvino.so", FIRMWARE], "no MYRIAD plugin"), ([PLUGIN], "no firmware")],
    ids=["plugin", "firmware"],
)
def test_a_runtime_without_the_stick_is_refused(
    place: Place, web: Web, names: list[str], word: str
) -> None:
    """An archive without the plugin, as 2022.3.0 was, or without the firmware leaves no runtime."""
    web.pages["/part.tgz"] = runtime_archive(OURS, *names)
    done = place.install(HEADCOUNT_NCS_WHEEL="", HEADCOUNT_NCS_ARCHIVES=f"{web.url}/part.tgz")

    failed(done, word)
    assert [] == list(place.prefix.glob("runtime-*"))
    assert not (place.prefix / "bin").exists()


def test_an_archive_without_bindings_is_refused(place: Place, web: Web) -> None:
    """Libraries alone are of no use to a Python."""
    files = {f"toolkit/runtime/lib/{name}": name for name in (PLUGIN, FIRMWARE)}
    web.pages["/bare.tgz"] = archive(files)

    failed(place.install("--runtime", f"{web.url}/bare.tgz"), "no Python bindings")


def test_no_interpreter_is_told(place: Place, web: Web) -> None:
    """Bindings for a Python that is neither here nor to be had end in what to give."""
    web.pages["/far.tgz"] = runtime_archive("3.99", PLUGIN, FIRMWARE)
    call = ("--runtime", f"{web.url}/far.tgz")
    done = place.install(*call, python=None, HEADCOUNT_NCS_CPYTHON=f"{web.url}/none.tar.gz")

    failed(done, "python: no Python 3.99 here", "--python FILE", "HEADCOUNT_NCS_CPYTHON")
    failed(place.install(*call), f"python: {sys.executable} is no Python 3.99")
    assert [] == list(place.prefix.glob("runtime-*"))
    assert (place.prefix / "downloads" / "far.tgz").exists()
    assert 1 == web.asked.count("/far.tgz")  # the second run goes on from what is there


def test_a_place_that_cannot_be_written_is_told(place: Place) -> None:
    """A prefix below a file, and a rules folder below one, are told before anything is fetched."""
    place.prefix.touch()
    done = place.install("--prefix", place.prefix / "below")

    failed(done, "prefix:", "Not a directory", "--prefix")
    failed(place.install(HEADCOUNT_NCS_RULES=place.prefix / "below"), "rule:", "sudo")


def test_a_full_disk_is_told(place: Place) -> None:
    """A card without room is told before anything is fetched."""
    place.tool("df", "echo head; echo '/dev/mmcblk0p2 15000 14900 100 99% /'")

    failed(place.install(), "prefix:", "100 MB free", "600 are needed")


def test_a_folder_of_others_is_not_touched(place: Place) -> None:
    """A folder with content of others is neither filled nor removed."""
    place.prefix.mkdir()
    (place.prefix / "thesis.tex").touch()

    failed(place.install(), "prefix:", "not from this script")
    failed(place.install("--uninstall"), "uninstall:", "nothing was removed")
    assert [place.prefix / "thesis.tex"] == list(place.prefix.iterdir())


def test_a_missing_library_is_told_with_its_package(installed: Place) -> None:
    """The library that MYRIAD links comes from Debian, and the line has the command."""
    installed.tool("ldd", "echo 'libusb-1.0.so.0 => not found'")
    done = installed.install()
    (installed.bin / "ldd").unlink()
    (installed.bin / "ldd").symlink_to(shutil.which("ldd") or "")

    failed(done, "libraries:", "sudo apt-get install libusb-1.0-0")


def test_a_32_bit_system_is_told(place: Place) -> None:
    """A 64-bit kernel under a 32-bit Raspberry Pi OS is no place for any of the runtimes."""
    place.tool("uname", "echo aarch64")
    place.tool("getconf", "echo 32")

    failed(place.install(), "machine: aarch64, 32 bits", "64-bit Raspberry Pi OS")


@pytest.mark.parametrize(
    "call",
    [
        ("--what",),
        ("--runtime",),
        ("--runtime", "openvino.zip"),
        ("--prefix", "here"),
        ("--prefix", "/opt/../etc"),
        ("--prefix", "/opt/a b"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_told(place: Place, call: tuple[str, ...]) -> None:
    """A call that cannot be meant ends with code 2 and one line."""
    failed(place.install(*call), "--help", code=2)


def test_two_runs_at_once_are_told(installed: Place) -> None:
    """Of two runs in one place the second leaves the first alone."""
    with subprocess.Popen(
        ["flock", str(installed.prefix / "lock"), "sh", "-c", "echo held; read wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert b"held\n" == holder.stdout.readline()
        done = installed.install()
        holder.communicate(b"\n")

    failed(done, "prefix: another run is at work")


# ---- functions, sourced


def test_sourcing_does_nothing(tmp_path: Path) -> None:
    """The script can be sourced for its functions."""
    done = sourced("numpy_for 2021.4.2; numpy_for 2022.3.1")

    assert "numpy==1.19.5\nnumpy==1.23.5\n" == done.stdout


def test_a_python_on_path_is_found(place: Place) -> None:
    """An interpreter is taken at its word, not at its file's name."""
    place.tool("python3.99", f'exec {sys.executable} "$@"')
    place.tool(f"python{OURS}", f'exec {sys.executable} "$@"')
    code = f'prefix=/home/pi/ncs; find_python 3.99 {OURS} && echo "$REPLY"'

    assert f"{sys.executable}\n" == sourced(code, PATH=str(place.bin)).stdout


def test_a_python_in_a_home_is_passed_over() -> None:
    """What lies in a home, where a service may not look, is for a prefix in a home only."""
    code = "for path in /home/pi/.pyenv/bin/python /root/x /usr/bin/python3.9 /homestead/x; do "

    assert (
        "in in out out"
        == sourced(code + "in_home $path && echo in || echo out; done")
        .stdout.replace("\n", " ")
        .strip()
    )


def test_the_default_ways_of_a_pi(place: Place) -> None:
    """On ARM the custom wheel is first, then Intel's archives, newest first, and no index."""
    place.tool("uname", "echo aarch64")
    done = sourced(
        "prefix=/opt/ncs runtime=; know_machine; ways; echo $cpython", PATH=str(place.bin)
    )

    assert ["wheel", "archive", "archive"] == [
        line.split()[0] for line in done.stdout.split("\n")[:3]
    ]
    assert "cp39-linux_aarch64.whl" in done.stdout.split()[1]
    assert ["2", "1"] == re.findall(r"/2022\.3\.(\d)/linux", done.stdout)
    assert "aarch64-unknown-linux-gnu" in done.stdout.splitlines()[-1]


def test_shellcheck_has_no_complaint() -> None:
    """The script is clean for shellcheck."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck (a Debian package) is not installed")
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout


def test_the_rule_names_every_stick() -> None:
    """One rule for the ids of Myriad 2, of Myriad X before its firmware is loaded and after."""
    (rule,) = [
        line
        for line in (SCRIPT.parent / "udev" / RULE).read_text().splitlines()
        if not line.startswith("#")
    ]

    assert {"2150", "2485", "f63b"} == set(
        re.findall(r'ATTR\{idProduct\}=="([^"]*)"', rule)[0].split("|")
    )
    for part in ('ATTR{idVendor}=="03e7"', 'GROUP="video"', 'MODE="0660"', 'TAG+="systemd"'):
        assert part in rule


# ---- for real


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_the_runtime_of_the_index_is_installed_for_real(tmp_path: Path) -> None:
    """On x86-64, OpenVINO 2021.4.2 from the index ends in an interpreter that loads MYRIAD."""
    python = real_python("3.9")
    rules, prefix = tmp_path / "rules.d", tmp_path / "ncs"
    environment = {**os.environ, "HEADCOUNT_NCS_WHEEL": "", "HEADCOUNT_NCS_RULES": str(rules)}
    environment |= {"HEADCOUNT_NCS_USB": str(tmp_path), "PATH": f"{os.environ['PATH']}:/sbin"}
    command = ["bash", str(SCRIPT), "--prefix", str(prefix), "--python", str(python)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for missing in ("pip download: ", "libusb-1.0.so.0 is missing"):
        if missing in done.stderr:
            pytest.skip(done.stderr.strip().splitlines()[0])
    print(done.stdout)

    assert 0 == done.returncode, done.stdout + done.stderr
    code = (
        "import numpy, openvino.inference_engine as e; c = e.IECore(); "
        "print(numpy.__version__, c.get_versions('MYRIAD')['MYRIAD'].build_number)"
    )
    told = subprocess.run(
        [str(prefix / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True
    ).stdout
    print(told)
    assert told.startswith("1.19.5 2021.4.2")


def real_python(version: str) -> Path:
    """An interpreter of this machine, or a skipped test."""
    if os.uname().machine != "x86_64":
        pytest.skip("the index has a runtime with MYRIAD for x86-64 only")
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = shutil.which(f"python{version}")
    if not kept and found is None:
        pytest.skip(f"Python {version}, which OpenVINO 2021.4.2 needs, is not on this machine")
    return kept[-1] if kept else Path(str(found))
