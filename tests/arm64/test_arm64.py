"""64-bit ARM: installed by install.sh as into an image for a Pi, examined, and counting as here.

QEMU computes what a Cortex-A72 computes, some hundred times slower: right or wrong is seen here,
how fast is not.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge import __version__
from edge.detections_file import RecordedDetections, read_detections
from tests.arm64.emulated import Door, MissingError, emulated_door, require
from tests.conftest import ROOT, headcount
from tests.wheels import build_wheel, download_wheels

pytestmark = [pytest.mark.arm64, pytest.mark.timeout(3600)]

HEADCOUNT = "/opt/headcount/bin/headcount"
SCENE = "scene:101:50"
BROKER = "mqtt://broker.example"
UNIT = "headcount.service"
LEFT = ("opt/headcount", "etc/headcount", f"etc/systemd/system/{UNIT}", "usr/local/bin/headcount")
CONFIG = """
[source]
uri = "scene:101:50"
fps = 0.2
[[line]]
a = [0, 0.5]
b = [1, 0.5]
in_side = [0.5, 0.9]
[ledger]
path = "ledger.db"
"""
# glibc of what a wheel may be built for; bookworm has 2.36
TAGS = [f"manylinux_2_{minor}_aarch64" for minor in range(17, 37)] + ["manylinux2014_aarch64"]
SURE = 0.05  # a score that is nearer to the least one than this may be on either side of it
LIMIT = 1e-3  # of the picture's width and height


@pytest.fixture(scope="module")
def able() -> None:
    """Skip with a reason where no ARM system can be run."""
    try:
        require()
    except MissingError as missing:
        pytest.skip(f"no 64-bit ARM here: {missing}")


@pytest.fixture(scope="module")
def wheels(able: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this checkout's wheel and the ARM wheels that it depends on."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel = build_wheel(tmp_path_factory.mktemp("build"))
    download_wheels(folder, wheel, python="3.11", platforms=TAGS)
    return folder


@pytest.fixture(scope="module")
def door(wheels: Path) -> Iterator[Door]:
    """A door of the Pi's kind with headcount in an environment of its own."""
    try:
        with emulated_door(ROOT / ".venv" / "arm64") as emulated:
            _install(emulated, wheels)
            yield emulated
    except MissingError as missing:
        pytest.skip(f"no 64-bit ARM here: {missing}")


def _install(door: Door, wheels: Path) -> None:
    for source, place in ((wheels, "wheels"), (ROOT / "deploy", "deploy")):
        subprocess.run(["rm", "-rf", door.root / place], check=True)
        subprocess.run(["cp", "-r", "--no-dereference", source, door.root / place], check=True)
    for left in LEFT:  # of an earlier run; the system itself is kept
        subprocess.run(["rm", "-rf", door.root / left], check=True)
    (door.root / "door.toml").write_text(CONFIG)
    (wheel,) = wheels.glob("headcount-*.whl")
    offline = ("env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels")
    what = ("--program", f"/wheels/{wheel.name}", "--source", SCENE, "--broker", BROKER)
    options = ("--no-start", "--yes", "--id", "door", *what)
    done = door.run(*offline, "bash", "/deploy/install.sh", *options, timeout=1800)
    print(done.stdout)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_an_image_is_ready_to_start(door: Door) -> None:
    """`install.sh --no-start` on ARM: program, configuration and a unit that starts at boot."""
    units = Path("etc/systemd/system")

    assert (
        f"headcount {__version__}"
        == door.run("/usr/local/bin/headcount", "--version").stdout.strip()
    )
    assert (ROOT / "systemd" / UNIT).read_bytes() == (door.root / units / UNIT).read_bytes()
    assert (door.root / units / "multi-user.target.wants" / UNIT).is_symlink()
    assert BROKER in (door.root / "etc/headcount/headcount.toml").read_text()


def test_doctor_finds_a_door_that_can_count(door: Door) -> None:
    """`headcount doctor` on ARM: model, detector, source and ledger are well, exit 0."""
    done = door.run(HEADCOUNT, "doctor", "-c", "/door.toml", "--json", timeout=1800)
    print(done.stdout)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}

    assert 0 == done.returncode, done.stderr
    assert "aarch64" == door.run("uname", "-m").stdout.strip()
    assert all(finding["well"] for finding in findings.values() if finding["vital"])
    assert "on CPU" in findings["detector"]["seen"]


def test_a_replay_sees_what_is_seen_here(door: Door, tmp_path: Path) -> None:
    """10 frames of the simulated door: the same heads, within a thousandth of the picture."""
    there = ("replay", SCENE, "-c", "/door.toml", "--save-detections", "/boxes.jsonl", "--json")
    done = door.run(HEADCOUNT, *there, timeout=1800)
    (tmp_path / "door.toml").write_text(CONFIG)
    here = ("-c", tmp_path / "door.toml", "--save-detections", tmp_path / "boxes.jsonl")
    outcome = headcount("replay", SCENE, *here, "--json")
    print(done.stdout)

    assert 0 == done.returncode, done.stderr
    assert 0 == outcome.code, outcome.err
    counted = json.loads(done.stdout.splitlines()[-1])
    assert 10 == counted["frames"]
    arm, x86 = read_detections(door.root / "boxes.jsonl"), read_detections(tmp_path / "boxes.jsonl")
    apart = _apart(arm, x86)
    print(f"{len(apart)} comparisons of heads, boxes differ by at most {max(apart):.2g}")
    assert len(apart) >= 10
    assert max(apart) < LIMIT


def _apart(one: RecordedDetections, other: RecordedDetections) -> list[float]:
    """How far each head that one of the two is sure of is from the nearest box of the other."""
    found = []
    least = (one.score or 0.0) + SURE
    for mine, yours in zip(one.sightings(), other.sightings(), strict=True):
        for a, b in ((mine.detections, yours.detections), (yours.detections, mine.detections)):
            for box in a.boxes[a.scores >= least]:
                assert len(b), f"frame {mine.frame.index}: a head that only one machine sees"
                found.append(float(np.abs(b.boxes - box).max(axis=1).min()))
    return found
