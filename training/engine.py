"""The training loop: a plain loop over steps, each a pure function of the recipe's seed.

Writes into the run folder: `metrics.jsonl`, `last.pt` (see `training.checkpoint`) and `best.pt`
(the same, at the best validation AP50). Files are written beside and moved into place, so a kill
at any moment leaves a run that `resume` continues to the very same weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.checkpoint import State, checkpoint, save
from training.config import Fit, Recipe
from training.data.augment import View
from training.data.sampler import Pool, batch
from training.distill import distil_loss
from training.models.multibox import Target, match, multibox_loss
from training.models.ssd import SSD

Validate = Callable[[SSD], dict[str, float]]  # a model to its metrics; "ap50" chooses the best
Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input: pictures (B, 3, H, W) float32 raw BGR, what the priors shall say."""

    pictures: Tensor
    targets: list[Target]
    names: list[str]


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


def train_step(
    state: State, data: Batch, recipe: Recipe, teacher: SSD | None = None
) -> dict[str, float]:
    """One update of the weights and their running average; returns the figures of the step."""
    fit = recipe.fit
    share = rate(state.step, fit)
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak"] * share
    losses = batch_losses(state.net, data, recipe, teacher)
    state.optimizer.zero_grad(set_to_none=True)
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(state.net.parameters(), fit.clip)
    state.optimizer.step()
    _average(state.ema, state.net, min(fit.ema, (state.step + 1) / (state.step + 10)))
    state.step += 1
    figures = {name: float(loss.detach()) for name, loss in losses.items()}
    return {**figures, "grad": float(norm), "lr": share * fit.lr_heads}


def batch_losses(
    net: SSD, data: Batch, recipe: Recipe, teacher: SSD | None = None
) -> dict[str, Tensor]:
    """The losses of a batch, which are to be added up.

    Args:
        net: gets the gradient.
        data: the batch.
        recipe: the rules, and how much a teacher has to say.
        teacher: sees the same pictures; none where the recipe asks for none.

    Raises:
        DataError: a loss is not finite; the message names the pictures.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.fit.bfloat16):
        loc, conf = (x.float() for x in net(data.pictures))
    negatives = recipe.loss.negatives
    loss_conf, loss_loc = multibox_loss(loc, conf, data.targets, negatives, data.names)
    losses = {"loss_conf": loss_conf, "loss_loc": loss_loc}
    if teacher is not None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=recipe.fit.bfloat16):
            loc_t, conf_t = (x.float() for x in teacher(data.pictures))
        losses["loss_teacher"] = distil_loss(
            loc, conf, loc_t, conf_t, data.targets, negatives=negatives, rule=recipe.distil
        )
    return losses


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
    teacher: SSD | None = None,
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
        teacher: a trained network of the same priors, for the recipe's distillation.

    Raises:
        DataError: the loss is not finite; the message names the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    start, first = clock(), state.step
    window: list[dict[str, float]] = []
    for data in _batches(pools, recipe, state.step):
        window.append(train_step(state, data, recipe, teacher))
        if state.step % recipe.fit.log_every == 0:
            done = (state.step - first) * recipe.fit.batch
            figures = {key: sum(w[key] for w in window) / len(window) for key in window[0]}
            speed = done / max(clock() - start, 1e-9)
            _log(out, report, {"step": state.step, **figures, "images_per_s": speed})
            window = []
        late = clock() - start > minutes * 60
        last = state.step >= recipe.fit.steps
        if last and recipe.fit.half:
            round_to_half(state.ema)
        if state.step % recipe.fit.check_every == 0 or late or last:
            _checkpoint(state, recipe, out, validate, report)
        if late:
            break
    return state


def round_to_half(net: SSD) -> None:
    """Give a network weights that FP16 can hold: the file that is exported has no others."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.half().float())


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


def _log(out: Path, report: Report, figures: dict[str, float]) -> None:
    line = {key: round(value, 6) for key, value in figures.items()}
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    report(line)
