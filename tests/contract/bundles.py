"""Small bundles to test with."""

from __future__ import annotations

from edge.contract.bundle import Manifest, ModelInput, Variant
from edge.contract.ssd import PriorMap, PriorSpec

FILES = {"model.xml": b"<net/>" * 20, "int8/model.bin": bytes(range(256))}

SSD = Manifest(
    name="heads",
    version="1.2.0",
    counter=7,
    created="2026-01-31T12:00:00Z",
    input=ModelInput(64, 48),
    output="ssd",
    labels=("head",),
    score=0.4,
    nms=0.5,
    variants=(Variant(("CPU", "GPU"), "f16", "model.xml", "int8/model.bin"),),
    priors=PriorSpec(64, 48, (PriorMap(16, (10.0, 20.0)),)),
    recipe={"epochs": 3, "note": "ünïcode"},
    plan={"conv1": [0, 2, 5]},
    metrics={"ap50": 0.91},
    licences=("CC BY 4.0",),
)
