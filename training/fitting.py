"""The composition of one training run: recipe, pictures, network, loop, progress."""

from __future__ import annotations

import math
from pathlib import Path

from edge.errors import CallError, DataError
from training.checkpoint import State, blank, build, load, load_weights, new_state, restore
from training.config import Recipe
from training.engine import fit
from training.evaluate import torch_detector
from training.gallery import write_samples
from training.keeper import LAST
from training.materials import Materials, load_materials
from training.models.ssd import SSD
from training.overrides import Overrides
from training.progress import progress
from training.prune.plan import PruningPlan
from training.ranks import ALONE, Ranks, check_batch
from training.resuming import go_on, with_own_length
from training.schedule import ended


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
    overrides: Overrides = Overrides(),  # noqa: B008 - frozen
    ranks: Ranks = ALONE,
) -> Materials:
    """Train after a recipe: from `out`/last.pt, from the checkpoint `start`, or from the backbone.

    Args:
        recipe: how.
        data: the folder to which the recipe's paths are relative.
        out: the run's folder.
        cache: for rendered pictures.
        start: a checkpoint or bundle whose weights to begin with.
        teacher: for a recipe that distils.
        resuming: go on from `out`/last.pt.
        minutes: stop then; resumable.
        overrides: values in place of the recipe's. A run that goes on keeps its own length and
            patience unless they are overridden.
        ranks: the processes that train together.

    Returns:
        What was trained and judged on; the result lies in `out`.

    Raises:
        CallError: the recipe goes on from another one's result, and `start` does not give it; it
            distils, and there is no `teacher`; the batch is too small for so many processes.
        DataError: pictures, weights or checkpoint are missing or wrong.
    """
    check_batch(recipe.fit.batch, ranks)
    recipe = overrides.here(recipe)
    last = out / LAST
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
        recipe = with_own_length(recipe, last)
    else:
        net, plan = begin(recipe, data, start)
    with ranks.chief_first():
        materials = load_materials(recipe, data, cache)
    if not materials.counts()["validation"]["heads"]:
        raise DataError(f"{data / recipe.validation.path}: no head to judge by in [validation]")
    recipe = overrides.over(recipe, materials.pools)
    if ranks.chief:
        materials.write_counts(out)
    state = train(
        net, recipe, materials,
        plan=plan, out=out, teacher=taught_by, minutes=minutes, ranks=ranks,
    )  # fmt: skip
    if ranks.chief and (why := ended(state, recipe.fit)):
        print(f"step {state.step}: {why}")
    return materials


def train(
    net: SSD,
    recipe: Recipe,
    materials: Materials,
    *,
    plan: PruningPlan | None,
    out: Path,
    teacher: SSD | None = None,
    minutes: float = math.inf,
    ranks: Ranks = ALONE,
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
        ranks: the processes that train together.

    Raises:
        CallError: the run in `out` is of another recipe.
        DataError: its checkpoint is wrong; or see `training.engine.fit`.
    """
    state = new_state(net, recipe.fit, recipe.model.frozen, plan)
    if (out / LAST).exists():
        go_on(state, recipe, out / LAST)

    def show(ema: SSD, step: int) -> None:
        write_samples(torch_detector(ema), materials.validation, out, step)

    with progress(recipe.fit.steps, shown=ranks.chief) as report:
        return fit(
            state, materials.pools, recipe, out=out, validate=materials.validate, report=report,
            minutes=minutes, teacher=None if teacher is None else teacher.to(state.device),
            show=show, ranks=ranks,
        )  # fmt: skip


def load_teacher(recipe: Recipe, path: Path | None) -> SSD | None:
    """The network that teaches, at the recipe's input size; none if the recipe does not distil.

    Raises:
        CallError: the recipe distils, and no checkpoint is given; or its priors are others.
    """
    if not recipe.distil.on:
        return None
    if path is None:
        raise CallError("the recipe distils: give the teacher's checkpoint with --teacher")
    trained = restore(path, recipe.input)
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
