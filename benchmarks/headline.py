"""The pruned detector beside dense ones: AP50 and milliseconds.

    python benchmarks/headline.py --net "dense=CHECKPOINT" --net "pruned=BUNDLE"

Prints a table, and writes benchmarks/results/headline.json, from which docs/benchmarks.md and the
shipped bundle's card take their figures. Every network in float32 and in int8 (calibrated on
training pictures alone); all take turns on one CPU thread. AP50 on data sets that none was chosen
by; differences are to the first network, drawn in pairs over the pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from tables import headline_table

from edge.openvino_core import core
from edge.scene.pictures import render_training_picture
from training.bench import judged, read_judged
from training.checkpoint import Trained, restore
from training.comparison import lead
from training.data.sampler import load_pools
from training.export import export
from training.int8 import calibration_pictures, quantise
from training.judging import SETS, DataSet, ir_detector
from training.models.graph import convert
from training.profile.latency import measure
from training.profile.shapes import cost

KINDS = ("f32", "int8")
RESULTS = Path(__file__).parent / "results" / "headline.json"


def forms(name: str, trained: Trained, folder: Path, data: Path, cache: Path) -> dict[str, Path]:
    """Float32 and int8 files of a network."""
    ov.save_model(convert(trained.net), folder / f"{name}-f32.xml", compress_to_fp16=False)
    pools = load_pools(trained.recipe, data, cache, render_training_picture)
    int8 = quantise(export(trained.net), calibration_pictures(pools, trained.recipe))
    (folder / f"{name}-int8.xml").write_bytes(int8.xml)
    (folder / f"{name}-int8.bin").write_bytes(int8.bin)
    return {f"{name}, {kind}": folder / f"{name}-{kind}.xml" for kind in KINDS}


def figures(files: dict[str, Path], trained: dict[str, Trained], data: Path, rounds: int) -> Any:  # noqa: ANN401
    """AP50 by set and latency of every form; the first one is what all others compare with."""
    sets = {each.name: each.pictures(data) for each in map(DataSet.parse, SETS)}
    test = next(iter(sets))
    found = {}
    for form, xml in files.items():
        detect = ir_detector(xml, trained[form.rpartition(", ")[0]].recipe.spec)
        found[form] = {name: judged(detect, pictures) for name, pictures in sets.items()}
    clock = measure({form: core().read_model(xml) for form, xml in files.items()}, rounds=rounds)
    first = next(iter(files))
    rows = []
    for form in files:
        size = cost(trained[form.rpartition(", ")[0]].net)
        row: dict[str, Any] = {"form": form, "ms": clock[form].median, "p90": clock[form].p90}
        row |= {"macs": size.macs, "parameters": size.parameters}
        row["faster"] = clock[first].median / clock[form].median
        for name in sets:
            row[name] = 100 * found[form][name]["ap50"]
        pairs = [read_judged(found[which][test]) for which in (form, first)]
        row["ahead"] = lead(*pairs)
        rows.append(row)
    return {"pruning": {"cpu": cpu(), "openvino": ov.__version__, "rounds": rounds, "rows": rows}}


def cpu() -> str:
    """The CPU's name."""
    name = core().get_property("CPU", "FULL_DEVICE_NAME")
    return str(name or platform.processor())


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", action="append", required=True, metavar="NAME=CHECKPOINT|BUNDLE")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HEADCOUNT_DATA", "data")))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pairs = (net.rpartition("=") for net in args.net)
    trained = {name: restore(Path(checkpoint)) for name, _, checkpoint in pairs}
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for name, net in trained.items():
            files |= forms(name, net, Path(folder), args.data, args.cache)
        results = figures(files, trained, args.data, args.rounds)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(headline_table(results))


if __name__ == "__main__":
    main()
