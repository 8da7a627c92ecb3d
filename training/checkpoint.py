"""What a training run is at one moment, and the file that holds it.

A file is written beside and moved into place, and holds tensors and plain values alone. It tells
how its network is made: the recipe, and the pruning plan if something was cut.
"""

from __future__ import annotations

import copy
import dataclasses
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.config import Fit, Input, Recipe, read_recipe
from training.models.ssd import SSD
from training.prune.plan import PruningPlan, from_json
from training.prune.surgery import apply
from training.runlog import unwritten

CHECKPOINT_VERSION = 1


class Leg(NamedTuple):
    """Where the present length of a run was set, and the share of the peak rate it had there."""

    start: int = 0  # step
    share: float = 0.0


@dataclass(slots=True)
class State:
    """What changes from step to step."""

    net: SSD
    ema: SSD
    optimizer: torch.optim.AdamW
    plan: PruningPlan | None = None  # what was cut from the recipe's network; None: nothing
    step: int = 0
    best: float = -1.0  # AP50 of the best checkpoint so far
    stale: int = 0  # checkpoints since then
    seconds: float = 0.0  # spent on steps
    leg: Leg = field(default_factory=Leg)
    window: list[dict[str, float]] = field(default_factory=list)  # of steps not yet logged

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.net.parameters()).device


def new_state(net: SSD, fit: Fit, frozen: int, plan: PruningPlan | None = None) -> State:
    """A fresh run of `net`, the first `frozen` convolutions of its backbone held still.

    `plan` is what made `net` out of the recipe's network, if anything did.
    """
    net = net.to(fit.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.requires_grad_(True)  # it may come from a run's average, which learns nothing
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
    return State(net, ema, optimizer, plan)


@dataclass(frozen=True, slots=True)
class Trained:
    """A network ready to be used, the recipe that made it, and what was cut from it."""

    net: SSD
    recipe: Recipe
    plan: PruningPlan | None = None


def checkpoint(state: State, recipe: Recipe, ap50: float = float("nan")) -> dict[str, Any]:
    """Everything that a later run needs, as tensors and plain values; `ap50` is of its average."""
    return {
        "version": CHECKPOINT_VERSION,
        "recipe": recipe.to_json(),
        "plan": None if state.plan is None else state.plan.to_json(),
        "ap50": ap50,
        "step": state.step,
        "best": state.best,
        "stale": state.stale,
        "seconds": state.seconds,
        "leg": tuple(state.leg),
        "window": state.window,
        "model": state.net.state_dict(),
        "ema": state.ema.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }


def save(data: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside and move it into place; of a failure nothing is left.

    Raises:
        DataError: it cannot be written, as on a full disk; the one that lay there is whole.
    """
    whole = io.BytesIO()  # torch's own writer tells of a full disk in terms of its archive
    torch.save(data, whole)
    try:
        write_file(path, whole.getvalue())
    except OSError as error:
        path.with_name(f".{path.name}.part").unlink(missing_ok=True)
        raise unwritten(path, error.strerror) from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint, or from a bundle as much of one as it holds: recipe, plan and weights.

    Of a checkpoint, only tensors and plain values are unpickled.

    Raises:
        DataError: no such file, or not a checkpoint of this program.
        BundleError: a folder that is not a bundle.
    """
    if path.is_dir():
        # a machine with an accelerator may have no OpenVINO, and needs none for a checkpoint
        from training.bundle_weights import read_weights  # noqa: PLC0415

        return read_weights(path)
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
    if "leg" not in data:
        raise DataError(
            f"{path}: of an older version, it cannot be resumed; begin a run with --start {path}"
        )
    try:
        state.net.load_state_dict(data["model"])
        state.ema.load_state_dict(data["ema"])
        state.optimizer.load_state_dict(data["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        text = str(error).split("\n")[0]
        raise DataError(f"{path}: of another network than the recipe's: {text}") from error
    torch.set_rng_state(data["rng"])
    state.step, state.best, state.stale = data["step"], data["best"], data["stale"]
    state.seconds, state.leg, state.window = data["seconds"], Leg(*data["leg"]), data["window"]
    return state


def build(recipe: Recipe) -> SSD:
    """The network of a recipe, with random weights of the recipe's seed."""
    torch.manual_seed(recipe.fit.seed)
    model = recipe.model
    return SSD(recipe.spec, backbone=model.backbone, width=model.width, neck=model.neck)


def restore(path: Path, size: Input | None = None) -> Trained:
    """What a checkpoint or a bundle holds, with the averaged weights.

    Args:
        path: of the checkpoint or bundle.
        size: of the pictures it shall look at; none: that at which it was trained.

    Raises:
        DataError: the file is not a checkpoint, or its recipe, plan and weights disagree.
    """
    data = load(path)
    recipe = read_recipe(data["recipe"], str(path))
    recipe = dataclasses.replace(recipe, input=size or recipe.input)
    net, plan = blank(data, recipe, path)
    load_weights(net, data, path)
    return Trained(net.eval(), recipe, plan)


def blank(data: dict[str, Any], recipe: Recipe, path: Path) -> tuple[SSD, PruningPlan | None]:
    """A recipe's network in the shape of a checkpoint's, without its weights; and what was cut.

    Args:
        data: from `load`.
        recipe: of the network before anything was cut.
        path: for the message.

    Raises:
        DataError: the checkpoint's plan is of another network.
    """
    net = build(recipe)
    if data.get("plan") is None:
        return net, None
    plan = from_json(data["plan"], str(path))
    return apply(net, plan), plan


def load_weights(net: SSD, data: dict[str, Any], path: Path) -> None:
    """Give a network the averaged weights of a checkpoint.

    Raises:
        DataError: it is a checkpoint of another architecture.
    """
    try:
        net.load_state_dict(data["ema"])
    except RuntimeError as error:
        raise DataError(f"{path}: its weights are not of the recipe's network") from error
