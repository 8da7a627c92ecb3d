"""An evaluation from the outside: runtimes agree, sets and views, audits, wrong calls."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
import json
from pathlib import Path
from typing import Any

from tests.training.kit import pools, recipe, write_heads
from training.checkpoint import build, new_state
from training.cli import main
from training.config import Augment
from training.engine import fit
from training.judging import DataSet

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of discs, a net that half knows them, and its bundle."""
    place = tmp_path_factory.mktemp("place")
    write_heads(place / "discs", count=24)
    plan = dataclasses.replace(
        recipe(steps=80, batch=8, ema=0.9, lr_backbone=3e-3, lr_heads=3e-3, check_every=1000),
        augment=Augment(zoom=0, zoom_out=0, grey=0, dark=0, blur=0, noise=0, jpeg=0),
    )
    state = new_state(build(plan), plan.fit, plan.model.frozen)
    fit(
        state, pools(plan), plan, out=place / "run",
        validate=lambda _: {"ap50": 0.0}, report=lambda _: None,
    )  # fmt: skip
    bundle = ["bundle", str(place / "run" / "last.pt"), "--out", str(place / "bundle")]
    assert 0 == main([*bundle, "--licence", "own", "--score", "0.3"])
    return place


def evaluate(place: Path, model: str, *more: str) -> dict[str, Any]:
    """The JSON of `headcount-train evaluate`."""
    out = place / "figures.json"
    arguments = ["evaluate", str(place / model), "--data", str(place), "--json", str(out), *more]
    assert 0 == main(arguments)
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures


@pytest.mark.parametrize("model", ["run/last.pt", "bundle"])
def test_torch_and_openvino_agree(place: Path, model: str) -> None:
    """AP50 and AP of the network and of the file that a door takes, to a thousandth."""
    torch_said, openvino_said = (
        evaluate(place, model, "--set", "discs", "--runtime", runtime)["discs"]
        for runtime in ("torch", "openvino")
    )

    assert 0.2 < torch_said["ap50"]
    for key in ("ap50", "big_ap50", "ap", "ar100"):
        assert 1e-3 >= abs(torch_said[key] - openvino_said[key]), key


def test_the_working_score_is_the_bundles_or_what_is_asked_for(place: Path) -> None:
    """A higher score finds less and makes up less; the ranking is the same."""
    own = evaluate(place, "bundle", "--set", "discs")["discs"]
    high = evaluate(place, "bundle", "--set", "discs", "--score", "0.9")["discs"]

    assert (0.3, 0.9) == (own["threshold"], high["threshold"])
    assert own["recall"] > high["recall"]
    assert own["false_per_picture"] >= high["false_per_picture"]
    assert own["ap50"] == high["ap50"]
    assert own["recall_03"] == own["recall"]  # of every bundle, at the score of 0.3


def test_views_join_the_pictures_of_their_sets(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sets from above and one without a view: one more row, of both sets' heads."""
    sets = ["--set", "discs:train@above", "--set", "discs:val@above", "--set", "discs"]
    figures = evaluate(place, "run/last.pt", *sets)
    both, all_of_it = figures["views"]["above"], figures["discs"]

    assert {"discs:train", "discs:val", "discs", "views"} == set(figures)
    assert 24 == both["heads"] == all_of_it["heads"]
    assert both["ap50"] == pytest.approx(all_of_it["ap50"])
    assert "all above" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", DataSet("a/b", "", "")),
        ("a/b:val", DataSet("a/b", "val", "")),
        ("a/b:val@above", DataSet("a/b", "val", "above")),
        ("a/b@above", DataSet("a/b", "", "above")),
        ("me@home/b:val", DataSet("me@home/b", "val", "")),
    ],
)
def test_a_set_is_read(text: str, expected: DataSet) -> None:
    """A view comes last; an @ in a folder's name is none."""
    assert expected == DataSet.parse(text)


def test_audits_stand_beside_the_pictures(
    place: Path, scene_video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording is counted by `headcount audit` with the bundle that the checkpoint gives."""
    audit = f"{scene_video}={scene_video.with_suffix('.json')}"
    figures = evaluate(place, "run/last.pt", "--set", "discs:val", "--audit", audit)
    report = figures["audits"]["door"]
    events = scene_video.with_name("door_events.csv").read_text().splitlines()[1:]

    assert len(events) == report["tp"] + report["fn"] > 0
    assert {"precision", "recall", "missed", "false", "fps"} <= set(report)
    assert "door" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--audit", "door.mp4"], 2, "VIDEO=TRUTH.json"),
        (["--audit", "none.mp4=none.json"], 2, "no file none.mp4"),
        (["--audit", "{data}/discs/heads.csv={data}/discs/split.csv"], 1, "split.csv"),
        (["--score", "1.5"], 2, "--score 1.5"),
        (["--runtime", "torch", "--precision", "int8"], 2, "int8"),
    ],
)
def test_a_wrong_evaluation_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, told: str
) -> None:
    """What, where, how to mend it."""
    arguments = [part.format(data=place) for part in more]
    data = ["--data", str(place), "--set", "discs:val"]

    assert code == main(["evaluate", str(place / "bundle"), *data, *arguments])
    error = capsys.readouterr().err
    assert told in error
    assert 1 == error.count("\n")
