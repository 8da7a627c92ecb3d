"""Recipes take their pictures from sets of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from tests.training.kit import recipe, write_heads, write_recipe
from tests.training.sets import add_voc, voc_object, write_coco, write_csv, write_yolo
from training.config import KINDS, PHOTOS, Recipe, Source, load_recipe
from training.data.cache import Picture, Renderer
from training.data.sampler import load_pools

RENDERER: Renderer = lambda rng, width, height: pytest.fail("nothing is to be drawn")  # noqa: E731


def of_source(kind: str, path: str, split: str = "") -> Recipe:
    """A recipe of one source."""
    plan = recipe()
    return Recipe(
        plan.input, plan.prior, plan.model, (Source("photos", kind, 1.0, path, split),),
        plan.validation, plan.fit,
    )  # fmt: skip


def pictures_of(place: Path, kind: str, path: str, split: str = "") -> list[Picture]:
    """The pictures that a recipe loads."""
    (pool,) = load_pools(of_source(kind, path, split), place, place / "cache", RENDERER)
    return list(pool.pictures)


def test_a_source_is_of_any_kind_or_finds_out_itself(tmp_path: Path) -> None:
    """The kind by its name or auto; a COCO source may be one file."""
    write_csv(tmp_path / "csv")
    add_voc(tmp_path / "voc", "a.jpg", voc_object())
    (tmp_path / "coco").mkdir()
    write_coco(tmp_path / "coco" / "a.json", [{}], "a.jpg")
    write_yolo(tmp_path / "yolo", {"train/a": "0 0.5 0.5 0.1 0.1\n"})
    for kind in PHOTOS[1:]:
        for told in (kind, "auto"):
            assert 1 == len(pictures_of(tmp_path, told, kind)[0].boxes)

    assert 1 == len(pictures_of(tmp_path, "auto", "coco/a.json"))
    assert 1 == len(pictures_of(tmp_path, "yolo", "yolo", "train"))
    assert any((tmp_path / "cache" / "shrunk").rglob("*.raw"))


def test_a_recipe_with_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """The message names those that there are."""
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace('kind = "csv"', 'kind = "xls"'))

    with pytest.raises(ConfigError, match=f"'discs': kind must be one of {', '.join(KINDS)}"):
        load_recipe(path)


@pytest.mark.training
def test_fit_and_evaluate_take_a_set_of_another_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained on YOLO, judged on COCO; a photo that is in both is kept once."""
    pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")
    from training.cli import main  # noqa: PLC0415 - torch, or a skip that says so

    write_heads(tmp_path / "discs")
    write_yolo(tmp_path / "yolo", {f"train/{k}": "0 0.5 0.5 0.2 0.3\n" for k in range(3)})
    write_coco(tmp_path / "judge.json", [{}], "a.jpg")
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace('kind = "csv"\npath = "discs"',
                                             'kind = "auto"\npath = "yolo"'))  # fmt: skip
    folders = ["--data", str(tmp_path), "--cache", str(tmp_path / "cache")]

    assert 0 == main(["fit", str(path), *folders, "--out", str(tmp_path / "run")])
    model = str(tmp_path / "run" / "last.pt")
    assert 0 == main(["evaluate", model, *folders, "--set", "judge.json"])
    assert "judge.json" in capsys.readouterr().out
    assert 3 + 2 == len(list((tmp_path / "cache" / "shrunk").rglob("*.raw")))
