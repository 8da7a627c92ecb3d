"""From a checkpoint to a bundle: the file that a door takes, with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge import __version__
from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle
from edge.contract.manifest import INT8
from training.config import Recipe
from training.export import Exported
from training.int8 import Quantised

# One FP16 file serves them all. It stands first: a device that knows nothing of int8 takes it.
FLOAT_FILE = Variant(("CPU", "GPU", "MYRIAD", "NPU"), "fp16", "model.xml", "model.bin")
INT8_FILE = Variant(("CPU",), INT8, "model-int8.xml", "model-int8.bin")


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
    exported: Exported,
    recipe: Recipe,
    label: Label,
    *,
    created: datetime,
    out: Path,
    int8: Quantised | None = None,
) -> Bundle:
    """Write an unsigned bundle in place of whatever lies at `out`; all of it or nothing.

    Args:
        exported: the model's file, checked against torch.
        recipe: the one it was trained after; its priors go into the manifest.
        label: name, version, thresholds, metrics.
        created: when, with a time zone.
        out: the bundle's folder; its parent must exist.
        int8: a second form of the same model for CPUs, which the door may choose.

    Raises:
        BundleError: it cannot be written.
        ValueError: a field of the label is out of its range.
    """
    files = {FLOAT_FILE.xml: exported.xml, FLOAT_FILE.bin: exported.bin}
    metrics = {**label.metrics, "export": exported.report()}
    if int8 is not None:
        files |= {INT8_FILE.xml: int8.xml, INT8_FILE.bin: int8.bin}
        metrics["int8"] = int8.report()
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
        variants=(FLOAT_FILE,) if int8 is None else (FLOAT_FILE, INT8_FILE),
        priors=recipe.spec,
        min_app_version=__version__,
        recipe=recipe.to_json(),
        plan=label.plan,
        metrics=metrics,
        licences=label.licences,
    )
    return write_bundle(out, manifest, files)
