"""A ready-made detector as a bundle: an OpenVINO IR that ends in DetectionOutput.

Open Model Zoo's person and head detectors are of this kind. They are peers to compare with and
teachers to label with; nothing of them is changed, only described.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle
from edge.errors import DataError
from edge.openvino_core import core
from training.bundle import Label

_ROW = 7  # image, label, score, x1, y1, x2, y2


def make_zoo_bundle(
    xml: Path, label: Label, *, target: str, created: datetime, out: Path
) -> Bundle:
    """Write an unsigned bundle of an IR with outputs (1, 1, N, 7).

    Args:
        xml: the IR; its weights lie beside it as `.bin`.
        label: name, version, thresholds, licences.
        target: what its boxes hold, `head` or `body`.
        created: when, with a time zone.
        out: the bundle's folder; its parent must exist.

    Raises:
        DataError: it is no IR, or not of this kind.
        BundleError: the bundle cannot be written.
        ValueError: a field of the label is out of its range.
    """
    width, height = _input_size(xml)
    manifest = Manifest(
        name=label.name,
        version=label.version,
        counter=label.counter,
        created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        input=ModelInput(width, height),
        output="detection-output",
        labels=(target,),
        score=label.score,
        nms=label.nms,
        variants=(Variant(("CPU", "GPU", "MYRIAD", "NPU"), "fp16", "model.xml", "model.bin"),),
        target=target,
        licences=label.licences,
        metrics=label.metrics,
    )
    return write_bundle(out, manifest, {"model.xml": xml, "model.bin": xml.with_suffix(".bin")})


def _input_size(xml: Path) -> tuple[int, int]:
    try:
        model = core().read_model(str(xml))
        (given,) = (tuple(port.shape) for port in model.inputs)
        (result,) = (tuple(port.shape) for port in model.outputs)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{xml}: is no OpenVINO IR with one input and one output") from error
    if len(given) != 4 or given[:2] != (1, 3) or result[:2] != (1, 1) or result[-1] != _ROW:
        raise DataError(
            f"{xml}: takes {given} and gives {result}; a detector takes (1, 3, height, width) "
            "and gives (1, 1, N, 7)"
        )
    return given[3], given[2]
