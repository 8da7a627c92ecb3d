"""What a call puts in place of the values of its recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import CallError
from training.config import Recipe
from training.data.sampler import Pool, steps_of


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values in place of those of a recipe, or of a run that goes on; None leaves one as it is."""

    steps: int | None = None
    epochs: float | None = None  # in place of steps
    patience: int | None = None
    device: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise CallError("--steps and --epochs: both say how long; give one")
        if self.steps is not None and self.steps < 1:
            raise CallError(f"--steps {self.steps}: must be at least 1")
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise CallError(f"--epochs {self.epochs:g}: must be above 0")
        if self.patience is not None and self.patience < 0:
            raise CallError(f"--patience {self.patience}: must be 0 or more")
        if self.workers is not None and self.workers < 0:
            raise CallError(f"--workers {self.workers}: must be 0 or more")

    def here(self, recipe: Recipe) -> Recipe:
        """The recipe with the device and the workers: with what needs no look at the pictures."""
        fit = dataclasses.replace(
            recipe.fit,
            device=self.device or recipe.fit.device,
            workers=recipe.fit.workers if self.workers is None else self.workers,
        )
        return dataclasses.replace(recipe, fit=fit)

    def over(self, recipe: Recipe, pools: Sequence[Pool]) -> Recipe:
        """The recipe with all these values; the pools tell what an epoch is."""
        steps = self.steps
        if self.epochs is not None:
            steps = steps_of(pools, recipe.fit.batch, self.epochs)
        fit = dataclasses.replace(
            recipe.fit,
            steps=steps or recipe.fit.steps,
            patience=recipe.fit.patience if self.patience is None else self.patience,
        )
        return self.here(dataclasses.replace(recipe, fit=fit))


@dataclass(frozen=True, slots=True)
class Aim:
    """What a pruning is to reach and how, in place of a recipe's; None leaves a value as it is.

    latency: a share as "45%" or "0.45".
    """

    method: str | None = None
    latency: str | None = None
    target: str | None = None

    def over(self, recipe: Recipe) -> Recipe:
        """The recipe with these values.

        Raises:
            CallError: the share is none, or the recipe's other values do not go with the method.
        """
        rule = recipe.prune
        try:
            prune = dataclasses.replace(
                rule,
                method=self.method or rule.method,
                latency=rule.latency if self.latency is None else share(self.latency),
                target=self.target or rule.target,
            )
        except ValueError as error:
            raise CallError(f"[prune] of the recipe with this call's values: {error}") from error
        return dataclasses.replace(recipe, prune=prune)


def share(text: str) -> float:
    """A share of "45%" or "0.45".

    Raises:
        CallError: it is neither, or not between 0 and 1.
    """
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if number != text else 1)
    except ValueError as error:
        raise CallError(f"{text!r}: is no share; give it as 45% or 0.45") from error
    if not 0 < value < 1:
        raise CallError(f"{text!r}: must lie between 0% and 100%")
    return value
