"""Recipes: read once, checked to the last key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from tests.training.kit import write_recipe
from training.config import load_recipe, read_recipe

SHIPPED = Path(__file__).parents[2] / "training" / "recipes"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.name)
def test_a_shipped_recipe_is_sound_and_survives_a_checkpoint(path: Path) -> None:
    """Each recipe that travels with the package loads, and reads back from its JSON."""
    recipe = load_recipe(path)

    assert recipe == read_recipe(recipe.to_json())


def test_a_folder_is_no_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody whose pictures lie in `own` can fit after the recipe `own` all the same."""
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)

    assert load_recipe(SHIPPED / "own.toml") == load_recipe(Path("own"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("steps = 2", "steps = 2\nstepz = 3", "fit.stepz: unknown key"),
        ("steps = 2", 'steps = "2"', "fit.steps: must be int"),
        ("batch = 2", "batch = true", "fit.batch: must be int"),
        ("sizes = [28.0]", "sizes = 28.0", "prior.sizes: must be a list"),
        ("sizes = [28.0]", "sizes = [-1.0]", "above 0"),
        ("[validation]", "[validatoin]", "validatoin: unknown key"),
        ("steps = 2\n", "", "fit.steps is missing"),
        ("share = 0.5", "share = 0.4", "add up to 0.8"),
        ('kind = "csv"', 'kind = "xls"', "kind must be"),
        ("[fit]", "[fit", "line"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    """The message names the file and what is wrong in it."""
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(ConfigError) as caught:
        load_recipe(path)

    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_told_with_its_line(tmp_path: Path) -> None:
    """file:line, so that an editor jumps there."""
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace("batch = 2", "batchsize = 2"))
    number = path.read_text().splitlines().index("batchsize = 2") + 1

    with pytest.raises(ConfigError, match=f"r.toml:{number}: fit.batchsize"):
        load_recipe(path)


def test_no_such_recipe_is_told(tmp_path: Path) -> None:
    """A missing file is an error of the call."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
