"""A detector is fitted to one site, forgets nothing for it, and tells what that did."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.bundle import read_bundle
from edge.errors import CallError, DataError
from tests.training.kit import recipe, write_heads
from training.adapting import BATCH, Wanted, adapt
from training.auditing import Recording, errors_by_score
from training.blending import ALLOWED, blend, choose_blend
from training.bundle import Label, make_bundle
from training.checkpoint import build, load, restore
from training.cli import main
from training.config import Source
from training.export import export
from training.matching import Judged
from training.models.ssd import SSD
from training.quickstart import MANY, Order, Step, follow, plan
from training.threshold import SCORES, middle_of_best, nearest_of_good
from training.threshold import errors_by_score as errors_on_pictures

pytestmark = pytest.mark.training

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEFAULT = Path(__file__).parents[2] / "edge" / "models" / "default"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector of discs, with the score 0.4."""
    drawn = Source("drawn", "scene", 1.0, count=2, width=96, height=64)
    made = dataclasses.replace(recipe(), source=(drawn,))
    label = Label("discs", "1.2.0", 7, licences=("drawn here",))
    out = tmp_path_factory.mktemp("bundle") / "b"
    return make_bundle(export(build(made).eval()), made, label, created=NOW, out=out).folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_is_fitted_to_a_site(bundle: Path, tmp_path: Path) -> None:
    """It finds the site's discs afterwards, the old bundle is as it was, and the new one tells."""
    site, before = write_heads(tmp_path / "site", 12), contents(bundle)
    done = adapt(
        bundle, site, tmp_path / "out", wanted=Wanted(steps=60, share=0.9, rendered=2, shown=4),
        data=tmp_path, cache=tmp_path / "cache", now=NOW,
    )  # fmt: skip
    manifest = read_bundle(tmp_path / "out" / "bundle").manifest

    assert before == contents(bundle)
    assert done.after.site > done.before.site
    assert done.after.general >= done.before.general - ALLOWED
    assert (9, 3) == (done.learnt, done.held)
    assert ("discs-site", "1.2.0", 8) == (manifest.name, manifest.version, manifest.counter)
    assert manifest.score == done.score in SCORES
    assert json.loads(json.dumps(done.to_json())) == manifest.metrics["adapt"]
    assert ("drawn here", "pictures of the site: its owner's") == manifest.licences
    assert (tmp_path / "out" / "after.jpg").is_file()


@pytest.mark.parametrize(("count", "told"), [(2, "must be 4 at least"), (8, "show heads")])
def test_too_little_to_learn_from_is_told(
    bundle: Path, tmp_path: Path, count: int, told: str
) -> None:
    """Few pictures, or none with a head: one line that says what to do."""
    site = write_heads(tmp_path / "site", count)
    if count == 8:
        rows = (site / "heads.csv").read_text().replace(",head,", ",ignore,")
        (site / "heads.csv").write_text(rows)

    with pytest.raises(DataError, match=f"{told}.*data autolabel"):
        adapt(
            bundle, site, tmp_path / "out", wanted=Wanted(), data=tmp_path, cache=tmp_path, now=NOW
        )


def weight(net: SSD) -> float:
    """By which blends can be told from each other."""
    return float(next(net.parameters()).detach().flatten()[0])


@pytest.mark.parametrize(
    ("general", "site", "share"),
    [
        ((0.8, 0.8, 0.8, 0.8, 0.8), (0.5, 0.9, 0.8, 0.7, 0.6), 1.0),
        ((0.8, 0.7, 0.795, 0.8, 0.8), (0.5, 0.9, 0.8, 0.7, 0.6), 0.75),
        ((0.8, 0.7, 0.7, 0.7, 0.7), (0.5, 0.9, 0.8, 0.7, 0.6), 0.0),
        ((0.8, 0.8, 0.8, 0.8, 0.8), (0.5, 0.4, 0.4, 0.4, 0.6), 0.25),
    ],
    ids=["all that is new", "less of it", "nothing", "little"],
)
def test_as_much_is_taken_as_nothing_is_forgotten(
    general: Sequence[float], site: Sequence[float], share: float
) -> None:
    """Of the old weights, then all, 75, 50 and 25 % of the new ones, by AP50 elsewhere and here."""
    old, new = build(recipe()), build(recipe())
    with torch.no_grad():
        next(old.parameters()).fill_(0.0)
        next(new.parameters()).fill_(1.0)
    order = [0.0, 1.0, 0.75, 0.5, 0.25]
    before, after = choose_blend(
        old, new,
        lambda net: general[order.index(weight(net))], lambda net: site[order.index(weight(net))],
    )  # fmt: skip

    assert (0.0, share) == (before.share, after.share)
    assert share == weight(after.net)
    assert 0.5 == weight(blend(old, new, 0.5))


def test_a_blend_is_what_its_file_will_hold() -> None:
    """A weight between two that FP16 can hold is one of them, whatever the share."""
    old, new = build(recipe()), build(recipe())
    with torch.no_grad():
        next(old.parameters()).fill_(1000.0)
        next(new.parameters()).fill_(1000.5)

    assert weight(blend(old, new, 0.75)) in (1000.0, 1000.5)


@given(st.lists(st.integers(0, 5), min_size=len(SCORES), max_size=len(SCORES)))
def test_the_score_lies_in_the_longest_run_of_fewest_errors(errors: list[int]) -> None:
    """No other score has fewer, and to both sides there are about equally many good ones."""
    table = dict(zip(SCORES, errors, strict=True))
    chosen = SCORES.index(middle_of_best(table))
    same = [error == min(errors) for error in errors]
    left = next((k for k in range(chosen, -1, -1) if not same[k]), -1)
    right = next((k for k in range(chosen, len(same)) if not same[k]), len(same))

    assert same[chosen]
    assert (right - chosen) - (chosen - left) in (0, 1)


def test_pictures_move_the_score_no_further_than_they_must() -> None:
    """One error more than the fewest says nothing; of two as near the lower one is taken."""
    errors = dict(zip(SCORES, [9, 8, 7, 6, 4, 3, 2, 1, 1, 0, 1], strict=True))

    assert 0.55 == nearest_of_good(errors, 0.4)
    assert 0.65 == nearest_of_good(errors, 0.65)
    assert 0.4 == nearest_of_good(errors, 0.4, slack=4)
    assert 0.3 == nearest_of_good(dict.fromkeys((0.3, 0.5), 2), 0.4)


def test_errors_of_a_score_are_missed_and_false() -> None:
    """One head is found at 0.6, one is not, and a false box has 0.3."""
    judged = [Judged(np.array([0.6, 0.3], np.float32), np.array([True, False]), 2)]
    errors = errors_on_pictures(judged)

    assert (2, 1, 2) == (errors[0.3], errors[0.5], errors[0.7])


def test_the_score_is_chosen_by_counts(scene_video: Path) -> None:
    """Audits of a recorded door at some scores: a moderate one counts right, too high a one not."""
    recording = Recording(scene_video, scene_video.with_suffix(".json"))
    errors = errors_by_score(DEFAULT, [recording], (0.3, 0.99))

    assert 0 == errors[0.3]
    assert errors[0.99] > 0


def test_quickstart_leads_from_few_pictures_to_a_bundle(bundle: Path, tmp_path: Path) -> None:
    """The commands are told; called again, it takes none of them again."""
    site, out = write_heads(tmp_path / "site", 8), tmp_path / "out"
    (tmp_path / "none").mkdir()
    command = ["quickstart", str(site), "--start", str(bundle), "--out", str(out), "--steps", "2"]

    assert 0 == main(command)
    assert "discs-site" == read_bundle(out / "bundle").manifest.name
    made = contents(out / "bundle")
    assert 0 == main(command)
    assert made == contents(out / "bundle")


def test_quickstart_chooses_by_what_is_there(tmp_path: Path) -> None:
    """Recordings are labelled, pictures of several clips are split and fitted on."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "b.MP4").touch()
    (tmp_path / "videos" / "a.mp4").touch()
    many = write_heads(tmp_path / "many", MANY)
    rows = (many / "heads.csv").read_text()
    for number in range(MANY):
        name = f"clip{number % 3}_{number:05d}.png"
        (many / "images" / f"{number}.png").rename(many / "images" / name)
        rows = rows.replace(f"\n{number}.png", f"\n{name}")
    (many / "heads.csv").write_text(rows)
    verbs = [
        [step.command[:2] for step in plan(Order(source, DEFAULT, tmp_path / "out"))]
        for source in (tmp_path / "videos", many)
    ]

    assert [("data", "autolabel"), ("adapt", str(DEFAULT))] == verbs[0]
    assert ["data import", "data split", "fit own"] == [" ".join(v) for v in verbs[1][:3]]
    with pytest.raises(CallError, match="no such file"):
        plan(Order(tmp_path / "nothing", DEFAULT, tmp_path / "out"))


def test_quickstart_stops_at_a_step_that_fails(tmp_path: Path) -> None:
    """The first is there already, the second fails, the third is not tried."""
    run: list[str] = []
    steps = [Step((name,), tmp_path / name) for name in ("one", "two", "three")]
    (tmp_path / "one").touch()

    with pytest.raises(DataError, match="call again: two"):
        follow(steps, lambda command: run.append(command[0]) or 1)
    assert ["two"] == run


def test_where_a_bundle_was_made_says_nothing_of_where_it_is_fitted(tmp_path: Path) -> None:
    """One from a GPU, with its large batches and many workers, is fitted on a CPU as any other."""
    drawn = Source("drawn", "scene", 1.0, count=2, width=96, height=64)
    made = dataclasses.replace(recipe(), source=(drawn,))
    far = dataclasses.replace(made.fit, device="cuda", workers=15, batch=512)
    made = dataclasses.replace(made, fit=far)
    label = Label("discs", "1.2.0", 7, licences=("drawn here",))
    folder = tmp_path / "b"
    make_bundle(export(build(made).eval()), made, label, created=NOW, out=folder)
    site, run = write_heads(tmp_path / "site", 8), tmp_path / "run"
    adapt(
        folder, site, run, wanted=Wanted(steps=2, rendered=2, shown=2),
        data=tmp_path, cache=tmp_path / "cache", now=NOW,
    )  # fmt: skip
    trained = restore(run / "run" / "last.pt").recipe
    fit = load(run / "run" / "last.pt")["recipe"]["fit"]

    assert ("cpu", 0, BATCH) == (fit["device"], fit["workers"], fit["batch"])
    assert ("site", str(site)) == (trained.source[-1].name, trained.source[-1].path)


def test_it_can_be_called_again_after_pictures_were_struck_out(
    bundle: Path, tmp_path: Path
) -> None:
    """Into the same folder: it begins anew, with the pictures that are there by now."""
    site, out = write_heads(tmp_path / "site", 12), tmp_path / "out"
    wanted = Wanted(steps=2, rendered=2, shown=2)
    cache = tmp_path / "cache"
    first = adapt(bundle, site, out, wanted=wanted, data=tmp_path, cache=cache, now=NOW)
    (site / "split.csv").unlink()
    rows = (site / "heads.csv").read_text().splitlines()
    (site / "heads.csv").write_text("\n".join(rows[:-4]) + "\n")
    for row in rows[-4:]:
        (site / "images" / row.split(",")[0]).unlink()
    again = adapt(bundle, site, out, wanted=wanted, data=tmp_path, cache=cache, now=NOW)

    assert (9, 3) == (first.learnt, first.held)
    assert (6, 2) == (again.learnt, again.held)


def test_the_shipped_detector_can_be_fitted() -> None:
    """Its bundle holds all that `adapt` goes on from."""
    assert restore(DEFAULT).recipe.source
