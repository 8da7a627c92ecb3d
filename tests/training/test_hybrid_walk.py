"""Blocks and channels of a detector go: one command, one report, to latency or to MACs.

For a stick nothing is measured: its compiler's cost has neither clock nor chance.
"""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.contract.bundle import read_bundle
from tests.training.kit import write_heads, write_recipe
from training.account import read_account
from training.checkpoint import restore
from training.choosing import Job
from training.cli import main
from training.config import load_recipe
from training.layering import cut_hybrid, handed_over
from training.overrides import Aim
from training.profile.shapes import cost
from training.prune.bridge import bridges
from training.prune.plan import read_plan
from training.prune.surgery import apply
from training.prune.widths import layout
from training.pruning import open_job

pytestmark = [pytest.mark.training, pytest.mark.timeout(180)]

PRUNE = """
[model]
width = 0.5
start = "r"
[prune]
rounds = 3
round_steps = 1
batches = 1
tolerance = 0.05
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, and a dense network after two steps."""
    place = tmp_path_factory.mktemp("hybrid")
    write_heads(place / "discs", count=8)
    write_recipe(place / "r.toml")
    text = (place / "r.toml").read_text().replace("width = 0.25", "width = 0.5")
    (place / "r.toml").write_text(text)
    for order in ("layers", "channels"):
        text = f'base = "{place / "r.toml"}"\n{PRUNE}order = "{order}"\n'
        (place / f"{order}.toml").write_text(text)
    folders = ["--data", str(place), "--cache", str(place / "cache")]
    assert 0 == main(["fit", str(place / "r.toml"), *folders, "--out", str(place / "dense")])
    return place


def prune(place: Path, recipe: str, out: str, *more: str) -> list[str]:
    """The arguments of a hybrid pruning to half of the MACs."""
    return [
        "prune", str(place / f"{recipe}.toml"), "--start", str(place / "dense" / "last.pt"),
        "--profile", "myriad", "--data", str(place), "--cache", str(place / "cache"),
        "--method", "hybrid", "--latency", "50%", "--target", "macs",
        "--out", str(place / out), *more,
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["layers", "channels"])
def test_both_orders_end_at_the_target(place: Path, order: str) -> None:
    """Blocks and channels are gone, half of the MACs is left, and a bundle can be made of it."""
    assert 0 == main(prune(place, order, order))
    small, dense = (restore(place / name / "last.pt") for name in (order, "dense"))
    first = [read_plan(place / order / f"round{number}" / "plan.json") for number in (1, 3)]
    bundle = str(place / f"{order}-bundle")
    assert 0 == main(["bundle", str(place / order / "last.pt"), "--out", bundle])

    assert small.plan is not None
    assert small.plan == first[1] == read_plan(place / order / "plan.json")
    assert small.plan.removed
    assert bool(first[0].removed) == (order == "layers")
    assert 0.5 == pytest.approx(cost(small.net).macs / cost(dense.net).macs, rel=0.05)
    assert small.plan.to_json() == read_bundle(Path(bundle)).manifest.plan


def test_a_pruned_run_accounts_for_what_was_cut(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Block by block, with shares predicted and measured, and AP50 at each stage."""
    assert 0 == main(prune(place, "layers", "told"))
    told = capsys.readouterr().out
    account = read_account(place / "told")
    page = (place / "told" / "report.html").read_text()
    gone = read_plan(place / "told" / "plan.json").removed

    assert account is not None
    assert {"dense", "cut", "fitted"} == set(account.ap50)
    assert 0.5 == pytest.approx(account.measured, rel=0.05)
    assert list(gone) == [part.name for part in account.parts if not part.widths[1]]
    for text in (told, page):
        assert "AP50, after the last cut" in text
        assert "measured MACs" in text
        assert gone[0] in text
    assert "<h2>Pruning</h2>" in page


def test_channels_behind_a_bridge_are_worth_what_they_were_in_the_block(place: Path) -> None:
    """The layer before gives the block's channels now, and is ranked by their scores."""
    job = opened(place)
    plan = layout(job.dense, ("backbone.block8",)).plan()
    ranking = {group.name: np.zeros(group.size) for group in job.layout.groups}
    lost, taker = (f"backbone.block{number}.pw.conv" for number in (8, 7))
    handed = handed_over(job, ranking, bridges(job.dense, plan))

    assert handed[taker] is ranking[lost]
    assert {taker} == {name for name in ranking if handed[name] is not ranking[name]}


def opened(place: Path, **rule: object) -> Job:
    """A job to half of the MACs."""
    recipe = Aim("hybrid", "50%", "macs").over(load_recipe(place / "layers.toml"))
    return open_job(
        replace(recipe, prune=replace(recipe.prune, **rule)),
        start=place / "dense" / "last.pt", profile="myriad", data=place,
        cache=place / "cache", out=place / "never",
    )  # fmt: skip


@pytest.mark.parametrize("bridge", [True, False])
def test_bridges_are_built_where_the_rule_wants_them(place: Path, bridge: bool) -> None:
    """The layer before a block that goes learns what the block gave; nothing else changes."""
    job = opened(place, bridge=bridge)
    plan = layout(job.dense, ("backbone.block8",)).plan()
    small, plain = (
        cut_hybrid(job, 1, job.dense, plan, job.layout.plan()).state_dict(),
        apply(job.dense, plan).state_dict(),
    )
    changed = {key for key in plain if not torch.equal(plain[key], small[key])}

    assert changed == (
        {f"backbone.block7.pw.conv.{kind}" for kind in ("weight", "bias")} if bridge else set()
    )


def test_a_stopped_run_goes_on_to_the_same_network(place: Path) -> None:
    """From what the first round left, in which blocks were cut, to the very same weights."""
    assert 0 == main(prune(place, "layers", "whole"))
    shutil.copytree(place / "whole" / "round1", place / "stopped" / "round1")
    assert 0 == main(prune(place, "layers", "stopped"))
    nets = [restore(place / name / "last.pt").net.state_dict() for name in ("whole", "stopped")]

    assert nets[0].keys() == nets[1].keys()
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])


def test_probes_settle_the_split(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mild cuts without and with blocks gone are fitted, and the best one is scaled."""
    recipe = place / "probing.toml"
    recipe.write_text((place / "layers.toml").read_text() + "probe = 0.8\nprobe_steps = 1\n")
    assert 0 == main(prune(place, "probing", "probed"))
    probes = json.loads((place / "probed" / "probes.json").read_text())

    assert 0 == len(probes[0]["removed"])
    assert 1 < len(probes)
    assert all(
        0.8 == pytest.approx(probe["depth"] * probe["width"]) and probe["depth"] >= 0.8
        for probe in probes
    )
    assert "of the saving: a = " in capsys.readouterr().out


def test_squeezenet_loses_fire_modules(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At once, and nothing is trained: the second network is hybrid, too."""
    base, recipe = place / "sb.toml", place / "squeeze.toml"
    base.write_text(f'base = "{place / "r.toml"}"\n[model]\nbackbone = "squeezenet"\n')
    text = (place / "layers.toml").read_text()
    recipe.write_text(text.replace("[model]", '[model]\nbackbone = "squeezenet"'))
    folders = ["--data", str(place), "--cache", str(place / "cache")]
    assert 0 == main(["fit", str(base), *folders, "--out", str(place / "fires")])
    call = prune(place, "squeeze", "burnt", "--dry-run")
    call[3] = str(place / "fires" / "last.pt")

    assert 0 == main(call)
    assert "gone" in capsys.readouterr().out
    assert ["plan.json"] == [file.name for file in (place / "burnt").iterdir()]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--latency", "45 percent"), "is no share"),
        (("--latency", "145%"), "between 0% and 100%"),
        (("--latency", "1%"), "cannot be reached"),
        (("--method", "uniform"), "cuts once"),
    ],
)
def test_faults_are_one_line(
    place: Path, more: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was given, and what would do; nothing is begun."""
    assert main(prune(place, "layers", "bad", "--dry-run", *more)) in (1, 2)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('order = "sideways"', "order must be one of layers, channels"),
        ('target = "beauty"', "target must be one of latency, predicted, macs"),
        ("layer_criteria = []", "layers need a criterion"),
        ('layer_criteria = ["beauty"]', "beauty"),
        ("depth = 1.5", "depth must lie between 0 and 1"),
    ],
)
def test_a_recipes_faults_are_one_line(
    place: Path, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words that are unknown, and numbers without sense."""
    text = (place / "layers.toml").read_text().replace('order = "layers"\n', "")
    (place / "faulty.toml").write_text(f"{text}{line}\n")

    assert main(prune(place, "faulty", "faulty", "--dry-run")) in (1, 2)
    assert told in capsys.readouterr().err


def test_cells_of_two_aims_are_not_mixed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of cells at half the MACs takes none at 60 %."""
    out = place / "arms"
    call = [
        "bench", str(place / "layers.toml"), "--start", str(place / "dense" / "last.pt"),
        "--profile", "none", "--data", str(place), "--cache", str(place / "cache"),
        "--out", str(out), "--test", "discs:val", "--latency", "60%",
    ]  # fmt: skip
    out.mkdir()
    (out / "aim.json").write_text('{"target": "macs", "share": 0.5}')

    assert 2 == main(call)
    assert "50% of the dense network's MACs" in capsys.readouterr().err
