"""headcount-train data synthesize, and rendered pictures as a source of a recipe."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError
from edge.types import Image
from tests.training.kit import disc, recipe, write_recipe
from training import synth
from training.cli import main
from training.config import Source, load_recipe
from training.data.cache import rendered_pool
from training.data.headcsv import COLUMNS
from training.data.heads import read_heads
from training.data.sampler import load_pools


def order(out: Path, *more: str) -> list[str]:
    """The arguments of a small set."""
    return ["data", "synthesize", "--out", str(out), "--count", "21", "--size", "96x72", *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set drawn by the command."""
    out = tmp_path_factory.mktemp("place") / "set"
    assert 0 == main(order(out, "--seed", "4"))
    return out


def test_the_set_reads_as_any_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data check` finds nothing wrong, and every split has pictures."""
    assert 0 == main(["data", "check", str(folder)])
    assert "21 pictures" in capsys.readouterr().out
    assert [16, 3, 2] == [len(read_heads(folder, s)) for s in ("train", "val", "test")]
    assert sum(len(sample.boxes) for sample in read_heads(folder)) > 15


def test_the_picture_is_the_rendered_one_and_its_heads_are_cut_at_the_edge(folder: Path) -> None:
    """Picture k comes from the seed (seed, k); boxes lie within it."""
    with (folder / "heads.csv").open() as file:
        rows = list(csv.DictReader(file))
    image, _, _ = synth.render(np.random.default_rng((4, 7)), 96, 72)
    kept = cv2.imread(str(folder / "images" / "000007.jpg")).astype(int)

    assert set(COLUMNS) == set(rows[0])
    assert all(0 <= float(r["xmin"]) < float(r["xmax"]) <= 96 for r in rows)
    assert all(0 <= float(r["ymin"]) < float(r["ymax"]) <= 72 for r in rows)
    assert np.abs(kept - image).mean() < 6  # compressed, as pictures are


def test_the_contact_sheet_shows_the_pictures(folder: Path) -> None:
    """Six across, 200 pixels wide each."""
    assert (150 * 4, 200 * 6, 3) == cv2.imread(str(folder / "contact.png")).shape


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--count", "0"], 2, "--count 0"),
        (["--seed", "-1"], 2, "--seed -1"),
        (["--size", "400"], 2, "--size '400': must be like 400x300"),
        (["--size", "4x3"], 2, "each side from 32"),
        (["--tilt", "steep"], 2, "--tilt 'steep': must be like 0-60"),
        (["--tilt", "10-90"], 2, "two degrees from 0 to 60"),
        (["--want", "wings"], 2, "no such feature: 'wings'"),
        (["--out", "{full}"], 1, "is there already and not empty"),
        (["--out", "{full}/heads.csv/x"], 1, "cannot be written"),
    ],
)
def test_a_wrong_order_is_told_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    more: list[str], code: int, told: str,
) -> None:  # fmt: skip
    """What, where and how to mend it; nothing is drawn."""
    out = tmp_path / "new"

    assert code == main(order(out, *(word.format(full=folder) for word in more)))
    error = capsys.readouterr().err
    assert told in error
    assert 1 == error.count("\n")
    assert not out.exists()


def test_a_recipe_takes_rendered_pictures_as_a_source(tmp_path: Path) -> None:
    """They are drawn once, into a file that is named after renderer, version and preset."""
    source = Source("doors", "synth", 1.0, count=3, seed=5, width=96, height=72, preset="oblique")
    plan = dataclasses.replace(recipe(), source=(source,))
    first, again = (load_pools(plan, tmp_path, tmp_path / "cache", disc)[0] for _ in range(2))
    (file,) = (tmp_path / "cache").iterdir()
    alone, _, _ = synth.render(np.random.default_rng((5, 2)), 96, 72, synth.Wish(preset="oblique"))

    assert f"synth-{synth.VERSION}-oblique-3-5-96x72.npz" == file.name
    assert np.array_equal(alone, first.pictures[2].image)
    assert np.array_equal(first.pictures[2].image, again.pictures[2].image)


def test_another_renderer_draws_the_pool_anew(tmp_path: Path) -> None:
    """A pool file of another version is not taken for this one's."""
    calls = 0

    def draw(rng: np.random.Generator, width: int, height: int) -> tuple[Image, ...]:
        nonlocal calls
        calls += 1
        return disc(rng, width, height)

    def pool(maker: str) -> None:
        rendered_pool(draw, count=2, seed=1, size=(64, 48), file=tmp_path / "p.npz", maker=maker)

    pool("synth 1")
    pool("synth 1")
    pool("synth 2")

    assert 4 == calls


def test_a_recipe_with_an_unknown_preset_is_told(tmp_path: Path) -> None:
    """The message names the source and what there is."""
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace('"scene"', '"synth"\npreset = "under"'))

    with pytest.raises(ConfigError, match="source 'drawn': preset must be one of overhead"):
        load_recipe(path)
