"""The training loop: a plain loop over steps, each a pure function of the recipe's seed.

Writes into the run folder: `metrics.jsonl` and `results.csv` (see `training.runlog`), `last.pt`
(see `training.checkpoint`) and `best.pt` (the same, at the best validation AP50). Files are written
beside and moved into place, the log first, then `best.pt`, then `last.pt`: a kill at any moment
leaves a run that `resume` continues to the very same weights and the very same log.

With several ranks each has its part of every batch and all the same weights; the chief judges and
writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge.errors import DataError
from training.ahead import made_ahead
from training.checkpoint import State
from training.config import Recipe
from training.data.augment import View
from training.data.sampler import Pool, batch
from training.distill import distil_loss
from training.keeper import Keeper, Report, Show, Validate
from training.models.multibox import Target, match, multibox_loss
from training.models.ssd import SSD
from training.ranks import ALONE, Ranks
from training.runlog import Figures
from training.schedule import ended, rate
from training.transfer import attention_loss


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input: pictures (B, 3, H, W) uint8 raw BGR, what the priors shall say."""

    pictures: Tensor
    targets: list[Target]
    names: list[str]


def collate(views: Sequence[View], recipe: Recipe) -> Batch:
    """Stack the views and match their heads to the priors."""
    stacked = np.stack([view.image for view in views])
    pictures = torch.from_numpy(stacked).permute(0, 3, 1, 2)  # (B, 3, H, W), channels last
    targets = [match(view.boxes, view.ignore, recipe.spec, recipe.loss) for view in views]
    return Batch(pictures, targets, [view.name for view in views])


def train_step(
    state: State,
    data: Batch,
    recipe: Recipe,
    teacher: SSD | None = None,
    ranks: Ranks = ALONE,
) -> Figures:
    """One update of the weights and their running average; returns the figures of the step.

    Raises:
        DataError: loss or gradient are not finite; nothing was changed.
    """
    fit = recipe.fit
    losses = batch_losses(state.net, data, recipe, teacher, ranks)
    state.optimizer.zero_grad(set_to_none=True)
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    ranks.add_gradients(state.net.parameters())
    norm = torch.nn.utils.clip_grad_norm_(state.net.parameters(), fit.clip)
    if not bool(torch.isfinite(norm)):
        raise DataError(f"the gradient is not finite; the batch was {', '.join(data.names)}")
    share = rate(state.step, fit, state.leg)
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak"] * share
    state.optimizer.step()
    _average(state.ema, state.net, min(fit.ema, (state.step + 1) / (state.step + 10)))
    state.step += 1
    figures = {name: float(ranks.total(loss)) for name, loss in losses.items()}
    return {**figures, "grad": float(norm), "lr": share * fit.lr_heads}


def batch_losses(
    net: SSD,
    data: Batch,
    recipe: Recipe,
    teacher: SSD | None = None,
    ranks: Ranks = ALONE,
) -> dict[str, Tensor]:
    """The losses of a batch, which are to be added up.

    Args:
        net: gets the gradient.
        data: the batch, or this rank's part of it.
        recipe: the rules, and how much a teacher has to say.
        teacher: sees the same pictures; none where the recipe asks for none.
        ranks: who has the rest of the batch.

    Raises:
        DataError: a loss is not finite; the message names the pictures.
    """
    device = next(net.parameters()).device
    pictures = data.pictures.to(device, non_blocking=True).float()  # a quarter travels as uint8
    fast = recipe.fit.bfloat16 and has_bfloat16(device)
    low = torch.autocast(device.type, torch.bfloat16, enabled=fast)
    with low:
        maps = net.features(pictures)
        loc, conf = (x.float() for x in net.predict(maps))
    negatives = recipe.loss.negatives
    loss_conf, loss_loc = multibox_loss(loc, conf, data.targets, negatives, data.names, ranks)
    losses = {"loss_conf": loss_conf, "loss_loc": loss_loc}
    if teacher is not None:
        with torch.no_grad(), low:
            maps_t = teacher.features(pictures)
            loc_t, conf_t = (x.float() for x in teacher.predict(maps_t))
        losses["loss_teacher"] = distil_loss(
            loc, conf, loc_t, conf_t, data.targets,
            negatives=negatives, rule=recipe.distil, ranks=ranks,
        )  # fmt: skip
        if (weight := recipe.distil.weight_attention) > 0:
            part = len(pictures) / ranks.total(torch.tensor(len(pictures), device=device))
            losses["loss_attention"] = weight * part * attention_loss(maps, maps_t)
    return losses


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16; a CPU that only imitates it takes twice the time."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    amx, avx = torch.cpu._is_amx_tile_supported, torch.cpu._is_avx512_bf16_supported
    return bool(amx() or avx())


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
    show: Show | None = None,
    ranks: Ranks = ALONE,
) -> State:
    """Train until the recipe's steps are done, its patience is at an end, or the time is up.

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
        show: called at every `samples_every`-th checkpoint with the averaged weights.
        ranks: the processes that train together.

    Raises:
        DataError: the loss is not finite (the message names the pictures), or a file cannot be
            written; the last checkpoint stays.
    """
    rule = recipe.fit
    keeper = Keeper(state, recipe, out, validate, report, show, writes=ranks.chief)
    start = lap = clock()
    for data in _batches(pools, recipe, state, ranks):
        try:
            state.window.append(train_step(state, data, recipe, teacher, ranks))
        except DataError as error:
            raise DataError(f"step {state.step + 1}: {error}; {keeper.kept()}") from error
        state.seconds += clock() - lap
        if state.step % rule.log_every == 0:
            keeper.log()
        if state.step == rule.steps and rule.half:
            round_to_half(state.ema)
        late = ranks.any(clock() - start > minutes * 60, state.device)
        due = state.step % rule.check_every == 0 or state.step == rule.steps
        if due or late:
            keeper.check(due=due)
        if late or (due and ranks.any(bool(ended(state, rule)), state.device)):
            break
        lap = clock()
    return state


def round_to_half(net: SSD) -> None:
    """Give a network weights that FP16 can hold: the file that is exported has no others."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.half().float())


def _batches(pools: Sequence[Pool], recipe: Recipe, state: State, ranks: Ranks) -> Iterator[Batch]:
    """This rank's parts of the batches to come; the next are made while this one is learnt."""
    part = ranks.part(recipe.fit.batch)

    def make(step: int) -> Batch:
        return collate(batch(pools, recipe, step, part), recipe)

    if ended(state, recipe.fit):
        return iter(())
    return made_ahead(make, range(state.step, recipe.fit.steps), recipe.fit.workers)
