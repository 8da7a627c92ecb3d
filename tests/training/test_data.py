"""Pictures with head boxes in memory: read, rendered, sampled, and what they look like."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge.types import Image
from tests.training.kit import HEIGHT, WIDTH, disc, pictures, recipe, write_heads
from training.config import Source
from training.data.cache import Picture, rendered_pool
from training.data.heads import Sample, read_heads
from training.data.report import prior_report
from training.data.sampler import Pool, batch
from training.data.statistics import histogram, prior_recall, sides_at_300


def test_csv_folder_is_read_by_split(tmp_path: Path) -> None:
    """A split gives its pictures, no split all of them, with boxes in pixels."""
    folder = write_heads(tmp_path / "set")
    train, every = read_heads(folder, "train"), read_heads(folder)

    assert ["1.png", "3.png"] == [sample.path.name for sample in train]
    assert 4 == len(every)
    assert np.array_equal(pictures(4)[1].boxes.astype(int), train[0].boxes)


def test_pictures_without_a_row_have_no_heads(tmp_path: Path) -> None:
    """An empty door is a picture to learn from."""
    folder = write_heads(tmp_path / "set")
    rows = (folder / "heads.csv").read_text().splitlines()
    (folder / "heads.csv").write_text("\n".join(rows[:-1]) + "\n")

    assert 0 == len(read_heads(folder)[3].boxes)


def test_rendered_pool_is_drawn_once(tmp_path: Path) -> None:
    """The second call reads the file; another seed or count draws anew."""
    calls = 0

    def render(
        rng: np.random.Generator, width: int, height: int
    ) -> tuple[Image, np.ndarray, np.ndarray]:
        nonlocal calls
        calls += 1
        return disc(rng, width, height)

    def pool(seed: int) -> list[Picture]:
        return rendered_pool(render, count=3, seed=seed, size=(64, 48), file=tmp_path / "p.npz")

    first, again, other = pool(1), pool(1), pool(2)

    assert 6 == calls
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].image, other[0].image)
    assert (1, 4) == first[2].boxes.shape


def test_workers_draw_the_same_pool(tmp_path: Path) -> None:
    """Two processes draw the pictures that one draws, in the same order."""
    alone, helped = (
        rendered_pool(
            disc, count=20, seed=1, size=(64, 48), file=tmp_path / f"{n}.npz", workers=n
        )
        for n in (0, 2)
    )  # fmt: skip

    assert 20 == len(alone) == len(helped)
    for one, other in zip(alone, helped, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.boxes, other.boxes)


def test_hidden_rendered_heads_are_ignored(tmp_path: Path) -> None:
    """A head that hardly shows is neither right nor wrong to find."""

    def hidden(
        rng: np.random.Generator, width: int, height: int
    ) -> tuple[Image, np.ndarray, np.ndarray]:
        image, boxes, visible = disc(rng, width, height)
        return image, boxes, visible * 0.1

    (picture,) = rendered_pool(hidden, count=1, seed=1, size=(64, 48), file=tmp_path / "p.npz")

    assert [True] == picture.ignore.tolist()


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    """Step k shows the same views whichever steps went before; another step shows others."""
    plan = recipe(batch=6)
    pool = [Pool(plan.source[0], pictures(5))]
    one, same, other = batch(pool, plan, 3), batch(pool, plan, 3), batch(pool, plan, 4)

    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))


def test_sources_get_their_share() -> None:
    """Over many batches, a source with share 0.75 fills about three quarters."""
    plan = recipe(batch=16)
    sources = (Source("a", "scene", 0.75), Source("b", "scene", 0.25))
    renamed = [dataclasses.replace(p, name="b") for p in pictures(3)]
    pool = [Pool(sources[0], pictures(3)), Pool(sources[1], renamed)]
    names = [view.name for step in range(25) for view in batch(pool, plan, step)]

    assert 0.7 < 1 - names.count("b") / len(names) < 0.8


def test_statistics_of_known_heads(tmp_path: Path) -> None:
    """A head of a tenth of the picture is 30 px at 300; a matching prior reaches it."""
    spec = recipe().spec
    size = np.array([20 / WIDTH, 20 / HEIGHT])
    centre = np.array([44 / WIDTH, 28 / HEIGHT])
    box = np.concatenate([centre - size / 2, centre + size / 2])[None].astype(np.float32)
    tiny = np.array([[0.5, 0.5, 0.51, 0.51]], np.float32)
    sides = sides_at_300(np.array([[0, 0, 0.1, 0.1]], np.float32))

    assert [pytest.approx(30)] == sides.tolist()
    assert 1.0 == dict(histogram(sides))["24-32"]
    assert [True, False] == prior_recall([box, tiny], spec).tolist()
    assert "4 heads" in prior_report(read_heads(write_heads(tmp_path / "set")), spec)


def test_arrays_of_a_sample_fit_together() -> None:
    """No rows give empty arrays of the right shape."""
    sample = Sample.of(Path("a.png"), [])

    assert (0, 4) == sample.boxes.shape
    assert (0,) == sample.ignore.shape
