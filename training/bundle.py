"""From a checkpoint to a bundle: the file that a door takes, with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge import __version__
from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle
from training.config import Recipe
from training.export import Exported

DEVICES = ("CPU", "GPU", "MYRIAD", "NPU")  # one FP16 file serves them all


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of a bundle; see `Manifest` for the fields."""

    name: str
    version: str
    counter: int
    score: float = 0.4
    nms: float = 0.45
    licences: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)


def make_bundle(
    exported: Exported, recipe: Recipe, label: Label, *, created: datetime, out: Path
) -> Bundle:
    """Write an unsigned bundle in place of whatever lies at `out`; all of it or nothing.

    Args:
        exported: the model's file, checked against torch.
        recipe: the one it was trained after; its priors go into the manifest.
        label: name, version, thresholds, metrics.
        created: when, with a time zone.
        out: the bundle's folder; its parent must exist.

    Raises:
        BundleError: it cannot be written.
        ValueError: a field of the label is out of its range.
    """
    manifest = Manifest(
        name=label.name,
        version=label.version,
        counter=label.counter,
        created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        input=ModelInput(recipe.input.width, recipe.input.height),
        output="ssd",
        labels=("head",),
        score=label.score,
        nms=label.nms,
        variants=(Variant(DEVICES, "fp16", "model.xml", "model.bin"),),
        priors=recipe.spec,
        min_app_version=__version__,
        recipe=recipe.to_json(),
        plan=label.plan,
        metrics={**label.metrics, "export": exported.report()},
        licences=label.licences,
    )
    return write_bundle(out, manifest, {"model.xml": exported.xml, "model.bin": exported.bin})
