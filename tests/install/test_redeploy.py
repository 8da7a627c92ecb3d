"""docs/updates.md, walked by the owner of a door: from a training to what counts, and back.

They train and prune at their own computer, which is this one; the door is a machine that install.sh
has made, reached by ssh. Each test follows on the last.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.assembly import DEFAULT_BUNDLE
from edge.contract.bundle import read_bundle
from tests import graphs
from tests.conftest import ROOT
from tests.install.container import Machine
from tests.install.ear import Ear
from tests.install.owner import USER, Owner, typed
from tests.install.page import commands
from tests.install.service import Service, install
from training.cli import main

pytestmark = [pytest.mark.install, pytest.mark.training, pytest.mark.timeout(1800)]

PAGE = (ROOT / "docs" / "updates.md").read_text(encoding="utf-8")
SHIPPED = "headcount-default 0.1.0"
PRUNED = "door 2.0.0"
# A machine that is busy with other tests takes longer than a door, which has nothing else to do.
PATIENCE = "\n[update]\nself_test_s = 120\nmax_ms = 5000\n"
RECIPE = """
base = "heads"
[model]
start = "the shipped detector"
init = ""
[[source]]
name = "simulated"
kind = "scene"
count = 8
seed = 1
share = 1.0
overhead = true
[validation]
path = "drawn"
[fit]
steps = 2
batch = 2
warmup = 1
lr_heads = 1e-5 # two steps teach nothing: they must not harm either
lr_backbone = 1e-5
check_every = 2
[prune]
method = "cluster"
criterion = "taylor"
latency = 0.97
tolerance = 0.02
rounds = 1
round_steps = 1
batches = 1
"""


@dataclass(frozen=True)
class Owned:
    """A door that counts, its owner, and somebody who listens to its broker all the time."""

    machine: Machine
    owner: Owner
    ear: Ear

    def at_the_door(self, heading: str) -> list[str]:
        """Type the page's commands there, as a user with sudo; what each has said."""
        return [typed(self.machine, command) for command in commands(PAGE, heading)]


@pytest.fixture(scope="module")
def owned(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owned]:
    """The door as docs/install.md leaves it, and a folder in which its owner works."""
    done = install(machine, "--source", "scene:1", "--id", "front-door")
    assert 0 == done.returncode, done.stdout
    machine.tell("sh", "-c", f"printf '{PATIENCE}' >>/etc/headcount/headcount.toml")
    machine.tell("systemctl", "restart", "headcount")
    owner = Owner(machine, tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("desk"))
    with Ear(machine) as ear:
        yield Owned(machine, owner, ear)


@pytest.fixture(scope="module")
def pruned(owned: Owned) -> Path:
    """`runs/door/bundle`: the shipped detector, trained on for two steps, pruned and bundled."""
    place = owned.owner.folder
    (place / "door.toml").write_text(RECIPE)
    given = ["--data", str(place), "--cache", str(place / "cache")]
    dense, small = place / "runs" / "dense", place / "runs" / "small"
    start = ["--start", str(dense / "last.pt"), "--profile", "myriad"]
    recipe, bundle = str(place / "door.toml"), place / "runs" / "door" / "bundle"
    label = ["--name", "door", "--version", "2.0.0", "--counter", "2"]
    for call in (
        ["data", "synthesize", "--out", str(place / "drawn"), "--count", "4"],
        [
            "fit",
            str(place / "door.toml"),
            "--start",
            str(DEFAULT_BUNDLE),
            *given,
            "--out",
            str(dense),
        ],
        ["prune", recipe, *start, *given, "--out", str(small)],
        ["bundle", str(small / "last.pt"), *label, "--out", str(bundle)],
    ):
        assert 0 == main(call)
    return bundle


def test_a_key_is_made_and_trusted(owned: Owned) -> None:
    """The private one stays, for its owner alone; the door has the public one, for all to read."""
    for command in commands(PAGE, "Once: a key"):
        code, shown = owned.owner.type(command)

        assert 0 == code, shown
    trusted = "/etc/headcount/trusted/anna.pub"

    assert (owned.owner.folder / "anna").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (owned.owner.folder / "anna").read_bytes()
    assert (owned.owner.folder / "anna.pub").read_text() == owned.machine.tell(
        "cat", trusted
    ) + "\n"
    assert "644 root" == owned.machine.tell("stat", "-c", "%a %U", trusted)


def test_a_clip_is_recorded(owned: Owned) -> None:
    """Who passed is not what was said, so there is a draft; its owner looks it through."""
    begun = time.monotonic()
    _, said, _ = owned.at_the_door("Once for each door: a clip")
    accepted = owned.machine.run("headcount", "record", "--accept", timeout=300)

    assert "headcount record --accept" in said
    assert "new models are tested with that" in accepted.stdout
    clip = "/var/lib/headcount/models/clip/clip.mp4"
    assert "600" == owned.machine.tell("stat", "-c", "%a", clip)
    owned.ear.goes_on(begun)


def test_a_pruned_model_comes_into_service(owned: Owned, pruned: Path) -> None:
    """Signed and pushed as printed: its new name is told over MQTT, and it counts on."""
    sign, push, *_ = commands(PAGE, "Each time: sign and push")
    begun = time.monotonic()
    signed, pushed = owned.owner.type(sign), owned.owner.type(push)

    assert (0, 0) == (signed[0], pushed[0]), signed[1] + pushed[1]
    assert f"{PRUNED} is in service" in pushed[1]
    assert dict(read_bundle(pruned).manifest.plan)
    owned.ear.goes_on(owned.ear.hears_model(PRUNED, "committed", begun))


def test_a_spoilt_model_goes_back(owned: Owned) -> None:
    """One that counts nobody on the clip: exit 1 and the reason, and the pruned one counts on."""
    sign, push, *_ = commands(PAGE, "Each time: sign and push")
    begun = time.monotonic()
    graphs.sees_nobody(owned.owner.folder / "runs" / "spoilt", counter=3)
    spoilt = "runs/spoilt"
    signed = owned.owner.type(sign.replace("runs/door/bundle", spoilt))
    code, shown = owned.owner.type(push.replace("runs/door/bundle", spoilt))

    assert 0 == signed[0], signed[1]
    assert (1, True) == (code, "errors on the recorded clip" in shown)
    owned.ear.goes_on(owned.ear.hears_model(PRUNED, "back", begun))
    assert {PRUNED} == {health.model for health in owned.ear.healths(begun)}


def test_the_doors_own_commands(owned: Owned, pruned: Path) -> None:
    """The same at the door itself: what counts, who vouches for a bundle, in service and back."""
    brought, _ = owned.owner.type(f"tar -c runs/door/bundle | ssh {USER}@front-door tar -x")
    begun = time.monotonic()
    status, verified, activated, back = owned.at_the_door("On the door")

    assert 0 == brought
    assert f"update   {PRUNED[:4]} 1 back" in status
    assert f"{PRUNED} ({read_bundle(pruned).sha256[:12]}): signed by " in verified
    assert f"{PRUNED} is in service" in activated
    assert f"{SHIPPED} is in service" in back
    owned.ear.goes_on(owned.ear.hears_model(SHIPPED, "committed", begun))


def test_it_is_told_of_and_rolled_back(owned: Owned) -> None:
    """The owner sees what counts, at each door; a second rollback has the newer one again."""
    *_, status, rollback = commands(PAGE, "Each time: sign and push")
    begun = time.monotonic()
    told, back = owned.owner.type(status), owned.owner.type(rollback)

    assert (0, 0) == (told[0], back[0])
    assert 2 == told[1].count(f"model    {SHIPPED} (counter 1), packaged")
    assert f"{PRUNED} is in service" in back[1]
    owned.ear.goes_on(owned.ear.hears_model(PRUNED, "committed", begun))
    assert Service(owned.machine).is_active
