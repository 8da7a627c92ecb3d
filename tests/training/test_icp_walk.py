"""The walk of iterative clustering pruning: cut by clusters, merge, learn from the dense network.

For a stick nothing is measured, so that chance and clock have no say.
"""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import shutil
from pathlib import Path

from tests.training.kit import write_heads, write_recipe
from training.checkpoint import restore
from training.cli import main
from training.prune.plan import read_plan
from training.prune.surgery import apply
from training.runlog import read_metrics

pytestmark = [pytest.mark.training, pytest.mark.timeout(180)]

PRUNE = """
[model]
start = "r"
[distil]
weight_conf = 1.0
weight_loc = 0.5
weight_attention = 1000.0
[prune]
method = "icp"
criterion = "taylor"
latency = 0.8
tolerance = 0.1
rounds = 2
round_steps = 2
batches = 2
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, and a dense network after two steps."""
    place = tmp_path_factory.mktemp("icp")
    write_heads(place / "discs", count=8)
    recipe = write_recipe(place / "r.toml")
    recipe.write_text(recipe.read_text().replace("width = 0.25", "width = 0.5"))
    folders = ["--data", str(place), "--cache", str(place / "cache")]
    assert 0 == main(["fit", str(recipe), *folders, "--out", str(place / "dense")])
    return place


def prune(place: Path, out: str, text: str = PRUNE, *more: str) -> int:
    """Prune after a recipe's text, into the folder `out`."""
    recipe, dense = place / f"{out}.toml", str(place / "dense" / "last.pt")
    recipe.write_text(f'base = "{place / "r.toml"}"\n{text}')
    return main(
        [
            "prune", str(recipe), "--start", dense, "--profile", "myriad", "--data", str(place),
            "--cache", str(place / "cache"), "--out", str(place / out), "--teacher", dense, *more,
        ]
    )  # fmt: skip


def test_a_teacher_of_another_input_size_teaches(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks at the pupil's pictures as they are; with other priors it has nothing to say."""
    larger = "[input]\nwidth = 128\nheight = 96\n[distil]\nweight_conf = 1.0\n"

    assert 0 == fit(place, "larger", larger)
    assert 2 == fit(place, "other", f"{larger}[[prior]]\nstride = 16\nsizes = [20.0]\n")
    assert "the teacher has other priors" in capsys.readouterr().err


def fit(place: Path, out: str, text: str) -> int:
    """Fit after a recipe's text, taught by the dense network."""
    recipe = place / f"{out}.toml"
    recipe.write_text(f'base = "{place / "r.toml"}"\n{text}')
    return main(
        [
            "fit", str(recipe), "--teacher", str(place / "dense" / "last.pt"), "--data", str(place),
            "--cache", str(place / "cache"), "--out", str(place / out),
        ]
    )  # fmt: skip


def test_prune_and_transfer_alternate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In each round clusters are sought anew, cuts are deeper, and the dense network teaches."""
    assert 0 == prune(place, "small")
    first = read_plan(place / "small" / "round1" / "plan.json")
    plan = restore(place / "small" / "last.pt").plan
    logs = [read_metrics(place / "small" / part / "metrics.jsonl") for part in ("round1", "")]
    told = capsys.readouterr().out

    assert plan is not None
    assert all(set(plan.kept[name]) <= set(first.kept[name]) for name in plan.sizes)
    assert sum(map(len, plan.kept.values())) < sum(map(len, first.kept.values()))
    assert 2 <= told.count("clusters of radius")
    for log in logs:
        assert log[0]["loss_attention"] > 0
        assert log[0]["loss_teacher"] > 0


def test_a_pruning_that_was_stopped_merges_the_same_again(place: Path) -> None:
    """The plan is read, the maps are looked at once more, and weights are equal to the last bit."""
    assert 0 == prune(place, "whole")
    for part in ("round1", "round2"):
        (place / "stopped" / part).mkdir(parents=True)
        shutil.copy(place / "whole" / part / "plan.json", place / "stopped" / part)
    assert 0 == prune(place, "stopped")
    nets = [restore(place / name / "last.pt").net.state_dict() for name in ("whole", "stopped")]

    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])


def test_what_goes_is_merged_unless_the_recipe_says_no(place: Path) -> None:
    """After no step of training: plainly cut weights are the dense network's, merged ones not."""
    text = PRUNE.replace("rounds = 2", "rounds = 1") + "[fit]\nlr_heads = 0.0\nlr_backbone = 0.0\n"
    assert 0 == prune(place, "merged", text)
    assert 0 == prune(place, "plain", text.replace("batches = 2", "batches = 2\nmerge = false"))
    dense = restore(place / "dense" / "last.pt").net
    found = {name: restore(place / name / "last.pt") for name in ("merged", "plain")}
    cut = apply(dense, read_plan(place / "plain" / "plan.json")).state_dict()
    same = {
        name: all(torch.equal(cut[key], value) for key, value in each.net.state_dict().items())
        for name, each in found.items()
    }

    assert found["merged"].plan == found["plain"].plan
    assert {"merged": False, "plain": True} == same


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            ('criterion = "taylor"', 'criterion = "l1"\npublished = true'), id="published"
        ),
        pytest.param(("batches = 2", 'batches = 2\nkeep = "medoid"'), id="medoids"),
    ],
)
def test_other_rules_look_at_the_same_target(
    place: Path, change: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As published to the very channel, ours in the device's steps."""
    out = change[1].split()[-1].strip('"')
    assert 0 == prune(place, out, PRUNE.replace(*change), "--dry-run")
    widths = [len(kept) for kept in read_plan(place / out / "plan.json").kept.values()]

    assert "clusters of radius" in capsys.readouterr().out
    assert (out == "true") == any(width % 8 for width in widths)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("latency = 0.8", "latency = 0.001"), "cannot be reached"),
        (("batches = 2", "published = true"), 'criterion "l1"'),
        (("batches = 2", 'keep = "all"'), "keep must be one of"),
        (("weight_attention = 1000.0", "weight_attention = -1.0"), "weight_attention"),
    ],
)
def test_faults_are_one_line(
    place: Path, change: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target out of reach, rules that contradict each other, a wrong name."""
    assert prune(place, "bad", PRUNE.replace(*change)) in (1, 2)
    assert told in capsys.readouterr().err
