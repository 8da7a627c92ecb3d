"""The walk of somebody who prunes for their own device, from first training to a counted door."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
import shutil
from pathlib import Path

from edge.contract.bundle import read_bundle
from tests.training.kit import write_heads, write_recipe
from training.checkpoint import restore
from training.cli import main
from training.prune.plan import read_plan

pytestmark = [pytest.mark.training, pytest.mark.timeout(180)]

PRUNE = """
[model]
width = 0.5
start = "r"
[prune]
method = "{method}"
criterion = "{criterion}"
latency = 0.7
tolerance = 0.3
rounds = 2
round_steps = 2
batches = 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, a dense network after two steps, and a quick profile of this machine."""
    place = tmp_path_factory.mktemp("walk")
    write_heads(place / "discs", count=8)
    write_recipe(place / "r.toml")
    text = (place / "r.toml").read_text().replace("width = 0.25", "width = 0.5")
    (place / "r.toml").write_text(text)
    (place / "p.toml").write_text(recipe_text(place, "cluster", "taylor"))
    folders = ["--data", str(place), "--cache", str(place / "cache")]
    assert 0 == main(["fit", str(place / "r.toml"), *folders, "--out", str(place / "dense")])
    dense, out = str(place / "dense" / "last.pt"), str(place / "profile")
    assert 0 == main(["profile", dense, "--quick", "--out", out])
    return place


def recipe_text(place: Path, method: str, criterion: str) -> str:
    return f'base = "{place / "r.toml"}"\n' + PRUNE.format(method=method, criterion=criterion)


def prune(place: Path, out: str, *more: str) -> list[str]:
    """The arguments of a pruning."""
    return [
        "prune", str(place / "p.toml"), "--start", str(place / "dense" / "last.pt"),
        "--profile", str(place / "profile" / "profile.json"), "--data", str(place),
        "--cache", str(place / "cache"), "--out", str(place / out), *more,
    ]  # fmt: skip


def test_prune_compare_and_bundle(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pruned in two rounds, called again without harm, bundled with its plan, seen by the door."""
    assert 0 == main(prune(place, "small"))
    first = (place / "small" / "last.pt").read_bytes()
    assert 0 == main(prune(place, "small"))
    small, dense = restore(place / "small" / "last.pt"), restore(place / "dense" / "last.pt")
    assert 0 == main(["bundle", str(place / "small" / "last.pt"), "--out", str(place / "bundle")])
    assert 0 == main(
        ["evaluate", str(place / "bundle"), "--data", str(place), "--set", "discs:val"]
    )
    plan = read_bundle(place / "bundle").manifest.plan

    assert small.plan is not None
    assert plan == small.plan.to_json()
    assert read_plan(place / "small" / "plan.json") == small.plan
    assert count(small.net) < count(dense.net)
    assert first == (place / "small" / "last.pt").read_bytes()
    assert "of the dense latency" in capsys.readouterr().out


def test_a_bundle_can_carry_int8_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both forms are in the bundle, and the int8 one finds what it is asked for by name."""
    pytest.importorskip("nncf", reason="needs the [int8] extra: nncf is missing")
    data = ["--data", str(place)]
    start, out = str(place / "dense" / "last.pt"), str(place / "both")
    cache = ["--cache", str(place / "cache")]

    assert 0 == main(["bundle", start, "--int8", *data, *cache, "--out", out])
    variants = read_bundle(Path(out)).manifest.variants
    assert ["fp16", "int8"] == [variant.precision for variant in variants]
    assert 0 == main(["evaluate", out, "--precision", "int8", *data, "--set", "discs:val"])
    assert "discs:val" in capsys.readouterr().out


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_a_dry_run_tells_what_would_be_cut(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Channels, MACs, parameters and latency before and after; a plan, and nothing trained."""
    assert 0 == main(prune(place, "dry", "--dry-run"))
    told = capsys.readouterr().out

    assert ["plan.json"] == [file.name for file in (place / "dry").iterdir()]
    for word in ("MACs", "parameters", "predicted", "measured", "backbone.block3"):
        assert word in told


def test_a_network_is_pruned_at_another_input_size(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cheaper at a smaller size; with other priors it would be another network."""
    recipe = (place / "p.toml").read_text()
    smaller, other = place / "smaller.toml", place / "other.toml"
    smaller.write_text(f"{recipe}[input]\nwidth = 64\nheight = 64\n")
    other.write_text(f"{recipe}[[prior]]\nstride = 16\nsizes = [20.0]\n")
    call = prune(place, "at64", "--dry-run")
    call[call.index("--profile") + 1] = "myriad"
    call[1] = str(smaller)
    assert 0 == main(call)
    call[1] = str(other)
    assert 2 == main(call)
    assert "its priors are not the recipe's" in capsys.readouterr().err


def test_a_plan_can_be_cut_again(place: Path) -> None:
    """The plan's file gives the same widths from a fresh start, without choosing."""
    assert 0 == main(prune(place, "once", "--dry-run"))
    plan = place / "once" / "plan.json"
    assert 0 == main(prune(place, "again", "--plan", str(plan)))

    assert read_plan(plan) == restore(place / "again" / "last.pt").plan


def test_a_pruning_that_was_stopped_goes_on_to_the_same_network(place: Path) -> None:
    """For a stick nothing is measured, so chance and clock have no say: weights are equal."""
    call = prune(place, "whole")
    call[call.index("--profile") + 1] = "myriad"
    assert 0 == main(call)
    shutil.copytree(place / "whole" / "round1", place / "stopped" / "round1")
    again = [str(place / "stopped") if word == str(place / "whole") else word for word in call]
    assert 0 == main(again)
    nets = [restore(place / name / "last.pt").net.state_dict() for name in ("whole", "stopped")]

    assert nets[0].keys() == nets[1].keys()
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])


def test_squeezenet_can_be_profiled_and_cut(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second network walks the same way, concatenations and all."""
    recipe = place / "s.toml"
    text = recipe_text(place, "cluster", "taylor")
    recipe.write_text(text.replace("[model]", '[model]\nbackbone = "squeezenet"'))
    folders = ["--data", str(place), "--cache", str(place / "cache")]
    dense = str(place / "squeeze" / "last.pt")
    base = place / "sb.toml"
    base.write_text(f'base = "{place / "r.toml"}"\n[model]\nbackbone = "squeezenet"\n')
    assert 0 == main(["fit", str(base), *folders, "--out", str(place / "squeeze")])
    call = prune(place, "squeezed", "--dry-run")
    call[1], call[call.index("--start") + 1] = str(recipe), dense
    call[call.index("--profile") + 1] = "myriad"

    assert 0 == main(call)
    assert "backbone.fire5" in capsys.readouterr().out


def test_a_round_below_the_floor_is_undone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A floor that no network reaches leaves the dense one, and says so."""
    recipe = place / "floor.toml"
    recipe.write_text(recipe_text(place, "cluster", "taylor") + "floor = 0.999\n")
    call = [word if word != str(place / "p.toml") else str(recipe) for word in prune(place, "high")]

    assert 0 == main(call)
    assert "round 1 ended below the floor" in capsys.readouterr().out
    plan = read_plan(place / "high" / "plan.json")
    assert dict(plan.sizes) == {name: plan.width(name) for name in plan.sizes}


def test_arms_side_by_side(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Some arms run, the others are said to be not run; a second call runs nothing again."""
    arms = ["dense", "width", "cluster", "filter", "hybrid"]
    call = [
        "bench", str(place / "p.toml"), "--start", str(place / "dense" / "last.pt"),
        "--profile", str(place / "profile" / "profile.json"), "--data", str(place),
        "--cache", str(place / "cache"), "--out", str(place / "arms"),
        "--arms", ",".join(arms), "--seeds", "1", "--test", "discs:val", "--sweeps", "1",
    ]  # fmt: skip
    assert 0 == main(call)
    assert 0 == main(call)
    told = capsys.readouterr().out
    said = json.loads((place / "arms" / "comparison.json").read_text())
    rows = {row["name"]: row for row in said["rows"]}

    assert set(arms) == {name for name, row in rows.items() if "ap50" in row}
    assert 1 == told.count("filter 1: begins")
    assert "| random clusters | not run |" in told
    assert max(rows["cluster"]["latencies"]) < 1
    assert "discs:val" in said["setting"]["test pictures"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("latency = 0.7", "latency = 0.001"), "cannot be reached"),
        (('method = "cluster"', 'method = ""'), "does not prune"),
        (('criterion = "taylor"', 'criterion = "beauty"'), "beauty"),
        (("rounds = 2", "rounds = 0"), "rounds"),
        (('method = "cluster"', 'method = "uniform"'), "cuts once"),
    ],
)
def test_faults_are_one_line(
    place: Path, change: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target out of reach, a recipe that does not prune, a wrong name: exit 1 or 2, one line."""
    recipe = place / "bad.toml"
    recipe.write_text(recipe_text(place, "cluster", "taylor").replace(*change))
    out = f"bad-{told.split(maxsplit=1)[0]}"  # a run is not gone on with by another recipe
    call = [word if word != str(place / "p.toml") else str(recipe) for word in prune(place, out)]

    assert main(call) in (1, 2)
    assert told in capsys.readouterr().err


def test_a_profile_of_another_network_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the layer that was not measured, and how to mend it."""
    text = (place / "profile" / "profile.json").read_text()
    data = json.loads(text)
    data["lattices"] = data["lattices"][1:]
    (place / "other.json").write_text(json.dumps(data))
    call = prune(place, "other")
    call[call.index("--profile") + 1] = str(place / "other.json")

    assert 1 == main(call)
    assert "profile" in capsys.readouterr().err
