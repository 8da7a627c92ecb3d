"""The composition of one training run: recipe, pictures, network, loop, progress."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError, DataError
from edge.scene.pictures import render_training_picture
from training.checkpoint import (
    State,
    blank,
    build,
    load,
    load_weights,
    new_state,
    restore,
    resume,
)
from training.config import Recipe
from training.data.cache import SHRUNK, Picture, load_pictures
from training.data.heads import read_heads
from training.data.sampler import Pool, load_pools
from training.engine import Report, fit
from training.evaluate import quick, torch_detector
from training.models.ssd import SSD
from training.prune.plan import PruningPlan


@dataclass(frozen=True, slots=True)
class Materials:
    """What every training of a recipe's pictures needs: pools to learn from, pictures to judge."""

    pools: Sequence[Pool]
    validation: Sequence[Picture]

    def validate(self, net: SSD) -> dict[str, float]:
        """AP50 of a network on the validation pictures."""
        return quick(torch_detector(net), self.validation)


def load_materials(recipe: Recipe, data: Path, cache: Path) -> Materials:
    """Read and render the pictures of a recipe.

    Raises:
        DataError: pictures are missing or wrong.
    """
    judged_on = read_heads(data / recipe.validation.path, recipe.validation.split)
    validation = load_pictures(judged_on, cache=cache / SHRUNK)
    return Materials(load_pools(recipe, data, cache, render_training_picture), validation)


def run_fit(
    recipe: Recipe,
    *,
    data: Path,
    out: Path,
    cache: Path,
    start: Path | None = None,
    teacher: Path | None = None,
    resuming: bool = False,
    minutes: float = math.inf,
) -> State:
    """Train after a recipe: from `out`/last.pt, from the checkpoint `start`, or from the backbone.

    Raises:
        CallError: the recipe goes on from another one's result, and `start` does not give it; it
            distils, and there is no `teacher`.
        DataError: pictures, weights or checkpoint are missing or wrong.
    """
    last = out / "last.pt"
    if last.exists() and not resuming:
        raise DataError(f"{last}: a run is here already; go on with --resume or give another --out")
    if recipe.model.start and start is None and not resuming:
        raise CallError(
            f"the recipe goes on from the result of {recipe.model.start!r}: fit that one first "
            "and give its best.pt with --start"
        )
    taught_by = load_teacher(recipe, teacher)
    if resuming:
        net, plan = blank(load(last), recipe, last)
    else:
        net, plan = begin(recipe, data, start)
    materials = load_materials(recipe, data, cache)
    return train(net, recipe, materials, plan=plan, out=out, teacher=taught_by, minutes=minutes)


def train(
    net: SSD,
    recipe: Recipe,
    materials: Materials,
    *,
    plan: PruningPlan | None,
    out: Path,
    teacher: SSD | None = None,
    minutes: float = math.inf,
) -> State:
    """Fit a network into the folder `out`, from where a run that lies there has stopped.

    Args:
        net: trained in place; its weights are replaced by those of the run in `out`, if any.
        recipe: how.
        materials: on what.
        plan: what made `net` out of the recipe's network.
        out: the run's folder.
        teacher: for the recipe's distillation.
        minutes: stop earlier.
    """
    state = new_state(net, recipe.fit, recipe.model.frozen, plan)
    if (out / "last.pt").exists():
        resume(state, out / "last.pt")
    with progress(recipe.fit.steps) as report:
        return fit(
            state, materials.pools, recipe, out=out, validate=materials.validate, report=report,
            minutes=minutes, teacher=teacher,
        )  # fmt: skip


def load_teacher(recipe: Recipe, path: Path | None) -> SSD | None:
    """The network that teaches, none if the recipe does not distil.

    Raises:
        CallError: the recipe distils, and no checkpoint is given; or its priors are others.
    """
    if not recipe.distil.on:
        return None
    if path is None:
        raise CallError("the recipe distils: give the teacher's checkpoint with --teacher")
    trained = restore(path)
    if trained.recipe.spec != recipe.spec:
        raise CallError(f"{path}: the teacher has other priors than the recipe")
    return trained.net.requires_grad_(False)


def begin(recipe: Recipe, data: Path, start: Path | None) -> tuple[SSD, PruningPlan | None]:
    """The network that a run begins with, and what was cut from the recipe's to make it.

    Args:
        recipe: of the run.
        data: where its backbone's weights are.
        start: a checkpoint or bundle to go on from; none: the backbone's weights, if any.

    Raises:
        DataError: there are no such weights, or they are of another network.
    """
    if start is not None:
        kept = load(start)
        net, plan = blank(kept, recipe, start)
        load_weights(net, kept, start)
        return net, plan
    net = build(recipe)
    if recipe.model.init:
        net.backbone.load_npz(data / recipe.model.init)
    return net, None


@contextmanager
def progress(steps: int) -> Iterator[Report]:
    """A bar on a terminal, plain lines elsewhere."""
    if not sys.stdout.isatty():
        yield lambda figures: print(_line(figures, steps), flush=True)
        return
    from rich.progress import Progress  # noqa: PLC0415 - only a terminal needs it

    with Progress() as bar:
        task = bar.add_task("fit", total=steps)

        def report(figures: dict[str, float]) -> None:
            bar.update(task, completed=figures["step"], description=_line(figures, steps))

        yield report


def _line(figures: dict[str, float], steps: int) -> str:
    parts = [f"{key} {value:.4g}" for key, value in figures.items() if key != "step"]
    return f"step {int(figures['step'])}/{steps}  {'  '.join(parts)}"
