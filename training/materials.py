"""The pictures of one recipe: what is learnt from, and what is judged by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.contract.bundle import write_file
from edge.scene.pictures import render_training_picture
from training.config import Recipe
from training.data.cache import SHRUNK, Picture, load_pictures
from training.data.heads import read_heads
from training.data.sampler import Pool, load_pools
from training.evaluate import quick, torch_detector
from training.models.ssd import SSD
from training.runlog import attempt

COUNTS = "data.json"


@dataclass(frozen=True, slots=True)
class Materials:
    """What every training of a recipe's pictures needs: pools to learn from, pictures to judge."""

    pools: Sequence[Pool]
    validation: Sequence[Picture]

    def validate(self, net: SSD) -> dict[str, float]:
        """AP50 of a network on the validation pictures."""
        return quick(torch_detector(net), self.validation)

    def counts(self) -> dict[str, dict[str, float]]:
        """What there is: pictures, heads and ignored ones of each source and of the validation."""
        found = {p.source.name: {"share": p.source.share, **_count(p.pictures)} for p in self.pools}
        return {**found, "validation": _count(self.validation)}

    def write_counts(self, out: Path) -> None:
        """Write the counts into a run's folder, for its report.

        Raises:
            DataError: they cannot be written.
        """
        text = json.dumps(self.counts(), indent=1) + "\n"
        attempt(out / COUNTS, lambda: write_file(out / COUNTS, text.encode()))


def _count(pictures: Sequence[Picture]) -> dict[str, float]:
    ignored = sum(int(picture.ignore.sum()) for picture in pictures)
    boxes = sum(len(picture.boxes) for picture in pictures)
    return {"pictures": len(pictures), "heads": boxes - ignored, "ignored": ignored}


def load_materials(recipe: Recipe, data: Path, cache: Path) -> Materials:
    """Read and render the pictures of a recipe.

    Raises:
        DataError: pictures are missing or wrong.
    """
    pools = load_pools(recipe, data, cache, render_training_picture)
    return Materials(pools, load_validation(recipe, data, cache))


def load_validation(recipe: Recipe, data: Path, cache: Path | None = None) -> list[Picture]:
    """The pictures by which the best checkpoint is chosen; `cache` keeps shrunken ones.

    Raises:
        DataError: pictures are missing or wrong.
    """
    judged_on = read_heads(data / recipe.validation.path, recipe.validation.split)
    return load_pictures(judged_on, cache=cache and cache / SHRUNK)
