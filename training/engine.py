"""The training loop: a plain loop over steps, each a pure function of the recipe's seed.

Writes into the run folder: `metrics.jsonl`, `last.pt` (model, EMA, optimizer, RNG, step, recipe)
and `best.pt` (the same, at the best validation AP50). Files are written beside and moved into
place, so a kill at any moment leaves a run that `resume` continues to the very same weights.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge.errors import DataError
from training.config import Fit, Recipe, read_recipe
from training.data.augment import View
from training.data.sampler import Pool, batch
from training.models.multibox import Target, match, multibox_loss
from training.models.ssd import SSD

Validate = Callable[[SSD], dict[str, float]]  # a model to its metrics; "ap50" chooses the best
Report = Callable[[dict[str, float]], None]

CHECKPOINT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input: pictures (B, 3, H, W) float32 raw BGR, what the priors shall say."""

    pictures: Tensor
    targets: list[Target]
    names: list[str]


@dataclass(slots=True)
class State:
    """What changes from step to step."""

    net: SSD
    ema: SSD
    optimizer: torch.optim.AdamW
    step: int = 0
    best: float = -1.0


def new_state(net: SSD, fit: Fit, frozen: int) -> State:
    """A fresh run of `net`, the first `frozen` convolutions of its backbone held still."""
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    convolutions = net.backbone.convolutions()
    for conv in convolutions[:frozen]:
        conv.requires_grad_(False)
    backbone = [p for conv in convolutions[frozen:] for p in conv.parameters()]
    heads = [p for head in net.heads() for p in head.parameters()]
    groups = [
        {"params": heads, "lr": fit.lr_heads, "peak": fit.lr_heads},
        {"params": backbone, "lr": fit.lr_backbone, "peak": fit.lr_backbone},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=fit.weight_decay)
    ema = copy.deepcopy(net).eval().requires_grad_(False)
    return State(net, ema, optimizer)


def rate(step: int, fit: Fit) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then half a cosine to 0."""
    warm = min(1.0, (step + 1) / max(fit.warmup, 1))
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / fit.steps)))


def collate(views: Sequence[View], recipe: Recipe) -> Batch:
    """Stack the views and match their heads to the priors."""
    stacked = np.stack([view.image for view in views])
    pictures = torch.from_numpy(stacked).permute(0, 3, 1, 2).float()  # (B, 3, H, W), channels last
    targets = [match(view.boxes, view.ignore, recipe.spec, recipe.loss) for view in views]
    return Batch(pictures, targets, [view.name for view in views])


def train_step(state: State, data: Batch, recipe: Recipe) -> dict[str, float]:
    """One update of the weights and their running average; returns the figures of the step."""
    fit = recipe.fit
    share = rate(state.step, fit)
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak"] * share
    with torch.autocast("cpu", torch.bfloat16, enabled=fit.bfloat16):
        loc, conf = state.net(data.pictures)
    loss_conf, loss_loc = multibox_loss(
        loc.float(), conf.float(), data.targets, recipe.loss.negatives, data.names
    )
    state.optimizer.zero_grad(set_to_none=True)
    (loss_conf + loss_loc).backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(state.net.parameters(), fit.clip)
    state.optimizer.step()
    _average(state.ema, state.net, min(fit.ema, (state.step + 1) / (state.step + 10)))
    state.step += 1
    return {
        "loss_conf": float(loss_conf.detach()), "loss_loc": float(loss_loc.detach()),
        "grad": float(norm), "lr": share * fit.lr_heads,
    }  # fmt: skip


def _average(ema: SSD, net: SSD, keep: float) -> None:
    """Young runs average over fewer steps, so that the random start is soon forgotten."""
    with torch.no_grad():
        for slow, fast in zip(ema.parameters(), net.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)


def fit(
    state: State,
    pools: Sequence[Pool],
    recipe: Recipe,
    *,
    out: Path,
    validate: Validate,
    report: Report,
    clock: Callable[[], float] = time.monotonic,
    minutes: float = math.inf,
) -> State:
    """Train until the recipe's steps are done, or for so many minutes.

    Args:
        state: from `new_state` or `resume`; changed in place.
        pools: the pictures.
        recipe: how.
        out: the run folder.
        validate: called at every checkpoint with the averaged weights.
        report: called with the figures of each logged step and each checkpoint.
        clock: seconds, for `minutes` and the speed; never for the schedule.
        minutes: stop earlier; a later `resume` goes on as if nothing had happened.

    Raises:
        DataError: the loss is not finite; the message names the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    start, first = clock(), state.step
    window: list[dict[str, float]] = []
    for data in _batches(pools, recipe, state.step):
        window.append(train_step(state, data, recipe))
        if state.step % recipe.fit.log_every == 0:
            done = (state.step - first) * recipe.fit.batch
            figures = {key: sum(w[key] for w in window) / len(window) for key in window[0]}
            speed = done / max(clock() - start, 1e-9)
            _log(out, report, {"step": state.step, **figures, "images_per_s": speed})
            window = []
        late = clock() - start > minutes * 60
        last = state.step >= recipe.fit.steps
        if state.step % recipe.fit.check_every == 0 or late or last:
            _checkpoint(state, recipe, out, validate, report)
        if late:
            break
    return state


def _batches(pools: Sequence[Pool], recipe: Recipe, start: int) -> Iterator[Batch]:
    """Batches start, start + 1, ...; the next one is made while this one is learnt."""

    def make(step: int) -> Batch:
        return collate(batch(pools, recipe, step), recipe)

    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(make, start)
        for step in range(start, recipe.fit.steps):
            data = ahead.result()
            if step + 1 < recipe.fit.steps:
                ahead = worker.submit(make, step + 1)
            yield data


def _checkpoint(
    state: State, recipe: Recipe, out: Path, validate: Validate, report: Report
) -> None:
    metrics = validate(state.ema)
    better = metrics.get("ap50", 0.0) > state.best
    state.best = max(state.best, metrics.get("ap50", 0.0))
    data = checkpoint(state, recipe)
    save(data, out / "last.pt")
    if better:
        save(data, out / "best.pt")
    _log(out, report, {"step": state.step, **metrics})


def checkpoint(state: State, recipe: Recipe) -> dict[str, Any]:
    """Everything that a later run needs, as tensors and plain values."""
    return {
        "version": CHECKPOINT_VERSION,
        "recipe": recipe.to_json(),
        "step": state.step,
        "best": state.best,
        "model": state.net.state_dict(),
        "ema": state.ema.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }


def save(data: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside and move it into place."""
    beside = path.with_name(path.name + ".part")
    torch.save(data, beside)
    beside.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are unpickled.

    Raises:
        DataError: no such file, or not a checkpoint of this program.
    """
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read as a checkpoint: {error}".split("\n")[0]
        ) from error
    if not isinstance(data, dict) or data.get("version") != CHECKPOINT_VERSION:
        raise DataError(f"{path}: not a checkpoint of version {CHECKPOINT_VERSION}")
    return data


def resume(state: State, path: Path) -> State:
    """Set a fresh state to where a checkpoint stood.

    Raises:
        DataError: the file is not a checkpoint, or one of another network.
    """
    data = load(path)
    try:
        state.net.load_state_dict(data["model"])
        state.ema.load_state_dict(data["ema"])
        state.optimizer.load_state_dict(data["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        text = str(error).split("\n")[0]
        raise DataError(f"{path}: of another network than the recipe's: {text}") from error
    torch.set_rng_state(data["rng"])
    state.step, state.best = int(data["step"]), float(data["best"])
    return state


def build(recipe: Recipe) -> SSD:
    """The network of a recipe, with random weights of the recipe's seed."""
    torch.manual_seed(recipe.fit.seed)
    return SSD(recipe.spec, width=recipe.model.width, neck=recipe.model.neck)


def restore(path: Path) -> tuple[SSD, Recipe]:
    """The averaged network of a checkpoint, and the recipe that made it.

    Raises:
        DataError: the file is not a checkpoint, or its recipe and weights disagree.
    """
    data = load(path)
    recipe = read_recipe(data["recipe"], str(path))
    net = build(recipe)
    load_weights(net, data, path)
    return net.eval(), recipe


def load_weights(net: SSD, data: dict[str, Any], path: Path) -> None:
    """Give a network the averaged weights of a checkpoint.

    Raises:
        DataError: it is a checkpoint of another architecture.
    """
    try:
        net.load_state_dict(data["ema"])
    except RuntimeError as error:
        raise DataError(f"{path}: its weights are not of the recipe's network") from error


def _log(out: Path, report: Report, figures: dict[str, float]) -> None:
    line = {key: round(value, 6) for key, value in figures.items()}
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    report(line)
