"""The composition of one training run: recipe, pictures, network, loop, progress."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import CallError, DataError
from edge.scene.pictures import render_training_picture
from training.config import Recipe
from training.data.cache import load_pictures
from training.data.heads import read_heads
from training.data.sampler import load_pools
from training.engine import Report, State, build, fit, load, load_weights, new_state, resume
from training.evaluate import quick, torch_detector
from training.models.mobilenet import load_npz
from training.models.ssd import SSD


def run_fit(
    recipe: Recipe,
    *,
    data: Path,
    out: Path,
    cache: Path,
    start: Path | None = None,
    resuming: bool = False,
    minutes: float = math.inf,
) -> State:
    """Train after a recipe: from `out`/last.pt, from the checkpoint `start`, or from the backbone.

    Raises:
        CallError: the recipe goes on from another one's result, and `start` does not give it.
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
    net = build(recipe)
    if not resuming:
        _begin(net, recipe, data, start)
    state = new_state(net, recipe.fit, recipe.model.frozen)
    if resuming:
        resume(state, last)
    validation = load_pictures(read_heads(data / recipe.validation.path, recipe.validation.split))
    pools = load_pools(recipe, data, cache, render_training_picture)

    def validate(ema: SSD) -> dict[str, float]:
        return quick(torch_detector(ema), validation)

    with progress(recipe.fit.steps) as report:
        return fit(state, pools, recipe, out=out, validate=validate, report=report, minutes=minutes)


def _begin(net: SSD, recipe: Recipe, data: Path, start: Path | None) -> None:
    if start is not None:
        load_weights(net, load(start), start)
    elif recipe.model.init:
        load_npz(net.backbone, data / recipe.model.init)


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
