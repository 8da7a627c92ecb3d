"""headcount-train from the outside: a whole walk, and errors in one line."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
from pathlib import Path

from edge.contract.bundle import read_bundle
from tests.training.kit import write_heads, write_recipe
from training.cli import main

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, a recipe and a run of two steps."""
    place = tmp_path_factory.mktemp("place")
    write_heads(place / "discs")
    write_recipe(place / "r.toml")
    assert 0 == main(fit(place))
    return place


def fit(place: Path, *more: str) -> list[str]:
    """The arguments of a run."""
    folders = ["--data", str(place), "--out", str(place / "run"), "--cache", str(place / "cache")]
    return ["fit", str(place / "r.toml"), *folders, *more]


def test_from_pictures_to_a_bundle(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """check, priors, fit, evaluate, export, bundle, evaluate the bundle: file in, file out."""
    best, bundle = str(place / "run" / "last.pt"), str(place / "bundle")
    figures, data = str(place / "figures.json"), ["--data", str(place), "--set", "discs:val"]

    assert 0 == main(["data", "check", str(place / "discs")])
    assert 0 == main(["data", "priors", str(place / "r.toml"), "--data", str(place)])
    assert 0 == main(["evaluate", best, *data, "--json", figures])
    assert 0 == main(["export", best, "--out", str(place / "ir")])
    assert 0 == main(["bundle", best, "--out", bundle, "--metrics", figures, "--licence", "own"])
    assert 0 == main(["evaluate", bundle, *data])
    assert json.loads(Path(figures).read_text())["discs:val"]["heads"] == 2
    assert read_bundle(Path(bundle)).manifest.licences == ("own",)
    assert (place / "ir" / "model.xml").is_file()
    assert "4 pictures, 4 heads" in capsys.readouterr().out


def test_a_finished_run_is_not_overwritten_but_can_go_on(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --resume an old run is safe; with it, more steps are added."""
    assert 1 == main(fit(place))
    assert 0 == main(fit(place, "--resume", "--steps", "3"))
    assert "step 3/3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["fit", "none.toml"], 2, "none.toml: cannot be read"),
        (["fit", "{recipe}", "--data", "/nowhere"], 2, "no such data folder"),
        (["fit", "{recipe}", "--steps", "0"], 2, "--steps 0"),
        (["evaluate", "none.pt", "--data", "{data}"], 2, "neither a checkpoint nor"),
        (["evaluate", "{recipe}", "--data", "{data}"], 1, "cannot be read as a checkpoint"),
        (["evaluate", "{data}", "--data", "{data}"], 1, "is no bundle"),
        (["evaluate", "{run}", "--data", "{data}", "--set", "none"], 1, "no such folder"),
        (["export", "none.pt", "--out", "x"], 1, "none.pt"),
        (["bundle", "{run}", "--out", "x", "--version", "one"], 2, "version must be like"),
        (["bundle", "{run}", "--out", "x", "--metrics", "none.json"], 1, "none.json"),
        (["data", "check", "/nowhere"], 1, "no such folder"),
        (["data", "check", "{data}/discs", "--split", "x"], 1, "known are train, val"),
    ],
)
def test_a_foreseeable_fault_is_one_line(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    """What, where and how to mend it; 1 for the world, 2 for the call; no file is left behind."""
    monkeypatch.chdir(place)
    known = {"recipe": place / "r.toml", "data": place, "run": place / "run" / "last.pt"}
    before = sorted(place.iterdir())

    assert code == main([argument.format(**known) for argument in arguments])
    error = capsys.readouterr().err
    assert told in error
    assert 1 == error.count("\n")
    assert before == sorted(place.iterdir())


def test_a_run_begins_with_the_result_of_another(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe that goes on from another one asks for its checkpoint, and begins with it."""
    recipe = (place / "r.toml").read_text().replace("[model]", '[model]\nstart = "first"', 1)
    (place / "second.toml").write_text(recipe)
    arguments = ["fit", str(place / "second.toml"), "--data", str(place), "--out"]
    more = ["--cache", str(place / "cache"), "--steps", "1"]

    assert 2 == main([*arguments, str(place / "no"), *more])
    assert "--start" in capsys.readouterr().err

    start = ["--start", str(place / "run" / "last.pt")]

    assert 0 == main([*arguments, str(place / "second"), *more, *start])

    def weights(run: str) -> torch.Tensor:
        return torch.load(place / run / "last.pt", weights_only=True)["ema"]["head0.loc.weight"]

    before, after = weights("run"), weights("second")

    assert torch.allclose(before, after, atol=1e-2)
