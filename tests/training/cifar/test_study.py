"""A study: what runs when, and the whole command on a tiny case."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
import tarfile
from pathlib import Path

from tests.training.cifar.kit import recipe, write_zips
from training.cifar.arms import BASE
from training.cifar.recipe import load_classifier_recipe
from training.cifar.running import RESULT
from training.cifar.study import EPOCHS, Plan, epochs_for, jobs_of, pack
from training.cli import main

pytestmark = pytest.mark.training

TINY = """
[net]
name = "resnet56"
width = 0.25
blocks = 2
[base]
epochs = 1
batch = 16
lr = 0.01
[arms]
epochs = 1
batch = 16
lr = 0.01
[data]
held_out = 10
[cut]
batches = 1
"""


def plan(out: Path, **recipes: str) -> Plan:
    made = {name: recipe(net) for name, net in recipes.items()}
    return Plan(made, (), (1, 2), bases_s=10, total_s=100, jobs=2, out=out, passed=())


def test_bases_come_first_and_what_is_done_does_not_come(tmp_path: Path) -> None:
    """The slowest network's base begins, as its arms wait for it."""
    done = tmp_path / "resnet56" / "l1-s2" / RESULT
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    jobs = [
        (job.net, job.arm, job.seed) for job in jobs_of(plan(tmp_path, a="resnet56", b="vgg16"))
    ]

    assert [("vgg16", BASE, 1), ("resnet56", BASE, 1), ("resnet56", "dense", 1)] == jobs[:3]
    assert ("resnet56", "l1", 1) in jobs
    assert ("resnet56", "l1", 2) not in jobs


def test_arms_get_the_epochs_that_there_is_time_for() -> None:
    """In proportion to the time; a teacher costs; between half a one and the recipe's."""

    def epochs(arm: str, *, images_per_s: float = 30, seconds: float = 100) -> float:
        return epochs_for(
            recipe(), [arm, arm], images_per_s=images_per_s, seconds=seconds, count=2000
        )

    assert 0.5 < epochs("l1-kt") < epochs("l1") < 1
    assert epochs("l1", seconds=75) == pytest.approx(0.75 * epochs("l1"), abs=0.01)
    assert 0.5 == epochs("l1", images_per_s=1)
    assert 1 == epochs("l1", images_per_s=1e6)


def test_what_is_small_is_packed(tmp_path: Path) -> None:
    """Results and logs go into archives under their folders' names; large weights stay."""
    arm = tmp_path / "vgg16" / "l1-s1"
    arm.mkdir(parents=True)
    (arm / RESULT).write_text("{}")
    (arm / "weights.pt").write_bytes(b"0" * 4_000_000)
    (path,) = pack(tmp_path, tmp_path / "packed")

    with tarfile.open(path) as archive:
        assert ["vgg16/l1-s1/result.json"] == archive.getnames()


@pytest.mark.parametrize("name", ["resnet56", "vgg16", "googlenet"])
def test_the_shipped_recipes_can_be_read(name: str) -> None:
    """By their names; their arms are known."""
    assert name == load_classifier_recipe(Path(name)).net.name
    assert jobs_of(Plan({name: load_classifier_recipe(Path(name))}, (), (1,), 1, 2, 1, Path(), ()))


def test_a_study_runs_its_arms_in_processes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """From zips to a table with one command; a second call finds all done."""
    write_zips(tmp_path / "data" / "cifar10", each=4)
    (tmp_path / "tiny.toml").write_text(TINY)
    call = [
        "cifar", "study", str(tmp_path / "tiny.toml"), "--data", str(tmp_path / "data"),
        "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out"), "--arms", "l1,icp-kt",
        "--seconds", "80", "--bases", "40", "--jobs", "1",
    ]  # fmt: skip
    assert 0 == main(call), capfd.readouterr().out
    told = capfd.readouterr().out
    assert "| ICP, ours | 1 |" in told
    assert "| L1, uniform | 1 |" in told
    log = tmp_path / "out/resnet56/base-s1/metrics.jsonl"
    assert {"epoch", "loss", "lr"} == set(json.loads(log.read_text().splitlines()[0]))

    assert 0 == main(call)
    assert "begins" not in capfd.readouterr().out


def test_arms_of_a_later_study_get_the_epochs_of_those_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With ten times the time, and one arm in place of three, they are the same."""
    write_zips(tmp_path / "data" / "cifar10", each=4)
    (tmp_path / "tiny.toml").write_text(TINY)
    settled = tmp_path / "out" / "resnet56" / EPOCHS
    settled.parent.mkdir(parents=True)
    settled.write_text("0.25")
    call = [
        "cifar", "study", str(tmp_path / "tiny.toml"), "--data", str(tmp_path / "data"),
        "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out"), "--arms", "dense",
        "--seconds", "80", "--bases", "40", "--jobs", "1",
    ]  # fmt: skip
    assert 0 == main(call), capfd.readouterr().out
    result = json.loads((settled.parent / "dense-s1" / RESULT).read_text())

    assert 0 < result["planned"] < 0.5
