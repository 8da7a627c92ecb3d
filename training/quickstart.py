"""The composition of `quickstart`: from pictures or a recording of a door to a bundle and a report.

    recordings       -> labelled by themselves -> adapt
    few pictures     -> checked, mended        -> adapt
    many pictures    -> checked, mended, split by clip -> fit, from the shipped detector -> evaluate

Every step is a verb of its own, told as it would be typed, so that a person can go on from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError
from training.config import Fit, Recipe, Source, Validation

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".gif")
MANY = 60  # pictures, from which on a fit of its own pays
OWN = 0.6  # share of the person's own pictures in a batch; the rest is rendered

Run = Callable[[Sequence[str]], None]  # a command line of headcount-train


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, as command lines; `recipe` is written before the first, if any."""

    commands: tuple[tuple[str, ...], ...]
    recipe: Recipe | None = None


def recordings(source: Path) -> list[Path]:
    """The recordings that a path is or holds."""
    if source.is_file():
        return [source] if source.suffix.lower() in VIDEOS else []
    return sorted(path for path in source.iterdir() if path.suffix.lower() in VIDEOS)


def plan_recordings(videos: Sequence[Path], shipped: Path, out: Path) -> Plan:
    """Label recordings, then fit the shipped detector to them."""
    labels = str(out / "labels")
    return Plan((
        ("data", "autolabel", *map(str, videos), "--out", labels, "--teacher", str(shipped)),
        ("adapt", str(shipped), labels, "--out", str(out)),
    ))  # fmt: skip


def plan_pictures(source: Path, count: int, shipped: Path, recipe: Recipe, out: Path) -> Plan:
    """Check pictures and mend them, then adapt to few of them, or fit on many.

    Raises:
        CallError: there are no pictures.
    """
    if not count:
        raise CallError(f"{source}: neither recordings nor pictures with boxes are here")
    data = str(out / "data")
    bring = ("data", "import", str(source), "--out", data, "--fix", "clip")
    if count < MANY:
        return Plan((bring, ("adapt", str(shipped), data, "--out", str(out))))
    run = str(out / "run")
    return Plan(
        (
            bring,
            ("data", "split", data, "--by", "clip", "--replace"),
            (
                "fit",
                str(out / "recipe.toml"),
                "--data",
                data,
                "--start",
                str(shipped),
                "--out",
                run,
            ),
            ("evaluate", f"{run}/best.pt", "--data", data, "--set", ".:test"),
            ("bundle", f"{run}/best.pt", "--data", data, "--out", str(out / "bundle")),
        ),
        own_recipe(recipe, count),
    )


def own_recipe(recipe: Recipe, count: int) -> Recipe:
    """A recipe for a person's own pictures, at the input and with the priors of another one.

    It lasts for about twenty looks at each picture, and no longer than two thousand steps.
    """
    steps = max(300, min(2000, round(20 * count / (OWN * recipe.fit.batch))))
    fit = Fit(
        steps=steps, lr_heads=5e-4, lr_backbone=1.5e-4, warmup=50, half=True,
        check_every=max(50, steps // 8), patience=4,
    )  # fmt: skip
    sources = (
        Source("own", "csv", OWN, path=".", split="train"),
        Source("simulated", "scene", 1 - OWN, count=1000, seed=8, overhead=True),
    )
    model = dataclasses.replace(recipe.model, init="", start="shipped")
    return dataclasses.replace(
        recipe, source=sources, fit=fit, model=model, validation=Validation(".", "val")
    )
