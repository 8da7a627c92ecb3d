"""Whether and how a run goes on from its last checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge.errors import CallError
from training.checkpoint import State, load, resume
from training.config import Recipe, read_recipe
from training.schedule import lengthen

# what may be another than before where a run goes on: none of it changes what a step does
FREE = {
    f"[fit] {key}"
    for key in (
        "steps", "patience", "check_every", "log_every", "samples_every", "device",
        "threads", "workers",
    )
}  # fmt: skip


def with_own_length(recipe: Recipe, last: Path) -> Recipe:
    """The recipe with the steps and the patience of the run that is to go on.

    Raises:
        DataError: `last` is not a checkpoint.
    """
    own = _recipe_of(last).fit
    fit = dataclasses.replace(recipe.fit, steps=own.steps, patience=own.patience)
    return dataclasses.replace(recipe, fit=fit)


def go_on(state: State, recipe: Recipe, last: Path) -> None:
    """Set a fresh state to where a run stood, which may have been shorter or longer.

    Raises:
        CallError: that run is of another recipe.
        DataError: `last` is not a checkpoint, or one of another network.
    """
    before = _recipe_of(last)
    check_same(recipe, before, last)
    resume(state, last)
    lengthen(state, before.fit, recipe.fit)


def _recipe_of(last: Path) -> Recipe:
    return read_recipe(load(last)["recipe"], str(last))


def check_same(recipe: Recipe, before: Recipe, path: Path) -> None:
    """Refuse to go on with another recipe: what came out would be of neither.

    Raises:
        CallError: they differ in more than `FREE`; names the keys.
    """
    now, then = _flat(recipe), _flat(before)
    differ = [name for name, value in now.items() if value != then[name]]
    if differ:
        raise CallError(
            f"{path}: the run is of another recipe, which differs in {', '.join(differ)}; go on "
            f"with that one, or begin a run in another --out with --start {path}"
        )


def _flat(recipe: Recipe) -> dict[str, object]:
    """A recipe's values by the names that people know them by, but for `FREE`."""
    found: dict[str, object] = {}
    for section, values in recipe.to_json().items():
        if isinstance(values, dict):
            found |= {f"[{section}] {key}": value for key, value in values.items()}
        else:
            found[f"[[{section}]]"] = values
    return {name: value for name, value in found.items() if name not in FREE}
