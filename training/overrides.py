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
