"""A run that is stopped in every way there is, and goes on; what it leaves for people."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import csv
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from tests.training.kit import write_heads, write_recipe
from training.checkpoint import load
from training.cli import main

pytestmark = pytest.mark.training

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, a recipe of 40 steps with a checkpoint every 4, and its run to the end."""
    place = tmp_path_factory.mktemp("place")
    write_heads(place / "discs")
    recipe = write_recipe(place / "r.toml")
    text = recipe.read_text().replace("steps = 2\n", "steps = 40\nwarmup = 4\n")
    text = text.replace("check_every = 2", "check_every = 4").replace(
        "log_every = 1", "log_every = 3"
    )
    recipe.write_text(text)
    assert 0 == main(fit(place, "whole"))
    return place


def fit(place: Path, out: str, *more: str) -> list[str]:
    """The arguments of a run."""
    folders = ["--data", str(place), "--out", str(place / out), "--cache", str(place / "cache")]
    return ["fit", str(place / "r.toml"), *folders, *more]


def process(arguments: list[str], program: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A real `headcount-train` of its own, or what `program` makes of it."""
    return subprocess.Popen(
        [sys.executable, *program, "-m", "training.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def metrics(folder: Path) -> list[dict[str, float]]:
    """The lines of a log without what tells of the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in ln.items() if k not in ("seconds", "images_per_s")} for ln in lines]


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, average, optimizer, best and log are the same to the last bit."""
    a, b = load(one / "last.pt"), load(other / "last.pt")
    for part in ("model", "ema"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part]), part
    for key, values in a["optimizer"]["state"].items():
        assert all(torch.equal(v, b["optimizer"]["state"][key][k]) for k, v in values.items())
    for key in ("step", "best", "stale", "leg", "window", "recipe"):
        assert a[key] == b[key], key
    assert metrics(one) == metrics(other)


def test_a_killed_fit_resumed_is_an_uninterrupted_one(place: Path) -> None:
    """After kill -9 of the process at its work, the rest brings the same weights and log."""
    with process(fit(place, "killed")) as child:
        while not (place / "killed" / "last.pt").exists():
            assert child.poll() is None, child.stderr.read() if child.stderr else ""
            time.sleep(0.005)
        child.kill()
    reached = load(place / "killed" / "last.pt")["step"]

    assert 0 < reached < 40
    assert 0 == main(fit(place, "killed", "--resume"))
    assert_same_run(place / "whole", place / "killed")
    assert load(place / "whole" / "best.pt")["step"] == load(place / "killed" / "best.pt")["step"]


def test_what_a_killed_fit_wrote_last_is_taken_back(place: Path) -> None:
    """Lines after the checkpoint, and one that is cut, are not in the log of the resumed run."""
    assert 0 == main(fit(place, "cut", "--steps", "8"))
    with (place / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "loss_conf": 1.0, "lr": 1.0}\n{"step": 12, "ap')

    assert 0 == main(fit(place, "cut", "--resume", "--steps", "10"))
    assert [3, 4, 6, 8, 9, 10] == [line["step"] for line in metrics(place / "cut")]


def test_a_stop_by_the_clock_leaves_no_trace(place: Path) -> None:
    """A run of no minutes, again and again: off the usual checkpoints, and yet the same run."""
    kept = []
    for _ in range(3):
        assert 0 == main(fit(place, "minutes", "--minutes", "0", *resumed(place / "minutes")))
        kept.append(load(place / "minutes" / "best.pt")["ap50"])

    assert sorted(kept) == kept
    assert 3 == load(place / "minutes" / "last.pt")["step"]
    assert 0 == main(fit(place, "minutes", "--resume"))
    assert_same_run(place / "whole", place / "minutes")
    assert max(kept) <= load(place / "minutes" / "best.pt")["ap50"]


def resumed(out: Path) -> list[str]:
    """The option to go on, where there is something to go on from."""
    return ["--resume"] if (out / "last.pt").exists() else []


def test_a_full_disk_leaves_the_last_good_checkpoint(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file may grow: one line says so, what was saved before is whole, and the run goes on."""
    out = place / "full"
    assert 0 == main(fit(place, "full", "--steps", "20", "--minutes", "0"))
    before = (out / "last.pt").read_bytes()
    limit = len(before) // 2  # no checkpoint fits, all else does

    capsys.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        code = main(fit(place, "full", "--resume"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capsys.readouterr().err

    assert 1 == code
    assert 1 == error.count("\n"), error
    assert "cannot be written" in error
    assert "--resume" in error
    assert before == (out / "last.pt").read_bytes()
    assert [] == list(out.glob(".*.part"))
    assert 0 == main(fit(place, "full", "--resume"))
    assert 20 == load(out / "last.pt")["step"]


def test_a_run_goes_on_beyond_its_end(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More epochs: the rate rises from nothing to the longer cosine; the log goes on."""
    assert 0 == main(fit(place, "longer", "--steps", "8"))
    assert 0 == main(fit(place, "longer", "--resume"))
    assert "all 8 steps are done" in capsys.readouterr().out

    # an epoch is the 4 pictures of the two pools, in batches of 2
    assert 0 == main(fit(place, "longer", "--resume", "--epochs", "8"))
    rates = {line["step"]: line["lr"] for line in metrics(place / "longer") if "lr" in line}

    assert 16 == load(place / "longer" / "last.pt")["step"]
    assert [8, 0] == [load(place / "longer" / "last.pt")["leg"][0], 0]
    assert rates[6] > rates[9] < rates[12] > rates[15] > 0
    assert 0 == main(fit(place, "longer", "--resume"))
    assert 16 == load(place / "longer" / "last.pt")["step"]


def test_a_run_without_progress_stops_and_can_be_given_patience(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is learnt, so nothing gets better; best.pt stays, and more patience goes on."""
    still = place / "still.toml"
    text = (
        (place / "r.toml").read_text().replace("[fit]", "[fit]\nlr_heads = 0.0\nlr_backbone = 0.0")
    )
    still.write_text(text)
    out = place / "still"
    arguments = [still.name if part.endswith("r.toml") else part for part in fit(place, "still")]
    arguments[1] = str(still)

    assert 0 == main([*arguments, "--patience", "2"])
    assert "no better AP50" in capsys.readouterr().out
    best = (out / "best.pt").read_bytes()

    assert 12 == load(out / "last.pt")["step"]  # the first checkpoint is the best, two are not
    assert 4 == load(out / "best.pt")["step"]
    assert 0 == main([*arguments, "--resume"])
    assert 12 == load(out / "last.pt")["step"]
    assert 0 == main([*arguments, "--resume", "--patience", "4"])
    assert 20 == load(out / "last.pt")["step"]
    assert best == (out / "best.pt").read_bytes()


def test_another_recipe_does_not_go_on_with_a_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate that was changed in between is told by its name; what may change is not."""
    assert 0 == main(fit(place, "other", "--minutes", "0"))
    text = (place / "r.toml").read_text()
    try:
        (place / "r.toml").write_text(text.replace("[fit]", "[fit]\nlr_heads = 0.5"))
        assert 2 == main(fit(place, "other", "--resume"))
        assert "[fit] lr_heads" in capsys.readouterr().err
        (place / "r.toml").write_text(text.replace("check_every = 4", "check_every = 20"))
        assert 0 == main(fit(place, "other", "--resume", "--minutes", "0"))
    finally:
        (place / "r.toml").write_text(text)


def test_a_run_tells_of_itself(place: Path) -> None:
    """results.csv has a row for each checkpoint, samples/ pictures, the report stands alone."""
    out = place / "whole"
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    page = (out / "report.html").read_text()

    assert [str(step) for step in range(4, 41, 4)] == [row["step"] for row in rows]
    assert all(float(row["loss_conf"]) > 0 and row["ap50"] and row["seconds"] for row in rows[1:])
    assert [16, 32, 40] == [int(p.stem[5:]) for p in sorted((out / "samples").glob("*.jpg"))]
    assert page.count("<svg") == 4
    for told in ("Worst misses", "Worst false positives", "discs", "drawn", "minutes of training"):
        assert told in page
    for foreign in ("http://", "https://", "<script", "<link", 'src="/'):
        assert foreign not in page
    assert "data:image/jpeg;base64," in page


def test_a_report_is_written_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same run gives the same page; where no run is, one line says so."""
    page = place / "whole" / "report.html"
    before = page.read_bytes()
    page.unlink()

    assert 0 == main(["report", str(place / "whole"), "--data", str(place)])
    assert before == page.read_bytes()
    assert 1 == main(["report", str(place / "discs"), "--data", str(place)])
    assert "no run is here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--steps", "3", "--epochs", "1"], "give one"),
        (["--epochs", "0"], "--epochs 0"),
        (["--patience", "-1"], "--patience -1"),
        pytest.param(
            ["--device", "cuda"], "--device cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)  # fmt: skip
def test_a_wrong_wish_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    """The call is wrong, and nothing is begun."""
    assert 2 == main(fit(place, "wrong", *more))
    error = capsys.readouterr().err

    assert told in error
    assert 1 == error.count("\n")
    assert not (place / "wrong").exists()
