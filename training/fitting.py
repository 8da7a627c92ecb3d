"""The composition of one training run: recipe, pictures, network, loop, progress."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import DataError
from edge.scene.pictures import render_training_picture
from training.config import Recipe
from training.data.cache import load_pictures
from training.data.heads import read_heads
from training.data.sampler import load_pools
from training.engine import Report, State, build, fit, new_state, resume
from training.evaluate import quick, torch_detector
from training.models.mobilenet import load_npz
from training.models.ssd import SSD


def run_fit(
    recipe: Recipe,
    *,
    data: Path,
    out: Path,
    cache: Path,
    resuming: bool = False,
    minutes: float = math.inf,
) -> State:
    """Train after a recipe, from the start or from `out`/last.pt.

    Raises:
        DataError: pictures, weights or checkpoint are missing or wrong.
    """
    last = out / "last.pt"
    if last.exists() and not resuming:
        raise DataError(f"{last}: a run is here already; go on with --resume or give another --out")
    net = build(recipe)
    if recipe.model.init and not resuming:
        load_npz(net.backbone, data / recipe.model.init)
    state = new_state(net, recipe.fit, recipe.model.frozen)
    if resuming:
        resume(state, last)
    validation = load_pictures(read_heads(data / recipe.validation.path, recipe.validation.split))
    pools = load_pools(recipe, data, cache, render_training_picture)

    def validate(ema: SSD) -> dict[str, float]:
        return quick(torch_detector(ema), validation)

    with progress(recipe.fit.steps) as report:
        return fit(state, pools, recipe, out=out, validate=validate, report=report, minutes=minutes)


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
