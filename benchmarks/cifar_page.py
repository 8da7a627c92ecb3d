"""Print docs/classifiers.md from the results that are kept beside this file.

    python benchmarks/cifar_page.py > docs/classifiers.md
    python benchmarks/cifar_page.py --take runs/cifar

`headcount-train cifar study` makes the results; `--take` copies what the page needs of them, and
times ResNet-56's arms on this CPU, into `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from training.cifar.table import read_results, table

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cifar.json"
NETS = {"resnet56": "ResNet-56", "vgg16": "VGG-16", "googlenet": "GoogLeNet"}

STUDY = (
    "headcount-train cifar study resnet56 vgg16 googlenet --device cuda"
    " --seconds 325 --bases 105 --jobs 14 --out runs/cifar"
)
ARM = (
    "headcount-train cifar arm resnet56 --arm hybrid-taylor-layers-kt --epochs 7.15"
    " --device cpu --out runs/cifar"
)
PAGE = """# Pruning classifiers, measured

The networks that the methods of [pruning](pruning.md) are published with, on CIFAR-10 whose
pictures were stored as JPEG of quality 75 (`cifar10` in the data folder: 50,000 for training, of
which 5,000 are for choosing, and 10,000 for the test). Printed by
`python benchmarks/cifar_page.py`.

    {study}
    {arm}
    headcount-train cifar table runs/cifar
    headcount-train cifar latency runs/cifar

One NVIDIA H100, 14 trainings side by side on it, one seed, five and a half minutes for all. That is
far less than the papers give (100 to 300 epochs): read the differences between rows, not the rows
against the papers. All arms begin with the base of their network and end at half of its
multiply-accumulates (MACs); the last column says how many epochs of fitting each arm had after, or
between, its cuts. Time ended before all had what was planned: of ResNet-56's 7.15 epochs both ICP
with a teacher had 5.0, "hybrid, taylor, channels first" 6.1 and "ICP, ours, no transfer" 0.9, and
that row tells nothing. The two hybrids with a teacher (the second is `hybrid-bn-layers-kt`) were
fitted afterwards from the same base, each on one thread of a CPU in bfloat16, in some 25 minutes.

Who had a teacher matters more than who was cut how: a teacher gives each method 0.3 to 1.0 points,
and the teacher alone, on uniform widths, does better than either ICP, which had 2 epochs less, and
than any hybrid without one. A hybrid with one is the best row at half of the MACs. GoogLeNet's base
had 3.3 epochs and gained 1.7 points from 1.7 more, so that what its rows lose to pruning cannot be
told from that. With one seed, rows that are half a point apart are not to be ranked. The test
pictures were looked at once for each row.

{nets}

## What the clock says

ResNet-56 on one thread of a CPU ({cpu}), OpenVINO, float32, by turns; printed by
`headcount-train cifar latency`.

{latency}

Half of the MACs is not half of the time. A reason that was not isolated: this CPU computes eight or
sixteen channels at once, half of every layer of this network is a multiple of that, and clusters
ask for widths like 5, 12 or 21, as the recipe cuts single channels (`[cut] step`). Hybrids have
such widths, too, and fewer layers. The first two rows are the same architecture, and say how exact
the clock is. The paper on hybrid pruning has 43.9 % fewer MACs and 25 % less time on its device.

## Not run

GoogLeNet's ICP, for which no time was left; hybrid pruning of VGG-16 and of GoogLeNet; more than
one seed of any.
"""


def page(kept: dict[str, Any]) -> str:
    """The page of the results that are kept."""
    nets = "\n\n".join(f"## {title}\n\n{table(kept['nets'][name])}" for name, title in NETS.items())
    return PAGE.format(study=STUDY, arm=ARM, nets=nets, latency=kept["latency"], cpu=kept["cpu"])


def take(out: Path) -> None:
    """Copy results, and time what can be timed."""
    from edge.openvino_core import core  # noqa: PLC0415 - the page can be printed without
    from training.cifar.recipe import load_classifier_recipe  # noqa: PLC0415
    from training.cifar.timing import latencies  # noqa: PLC0415

    nets = read_results(out)
    for result in (each for results in nets.values() for each in results):
        result.pop("eps", None)
        result |= {name: round(result[name], 1) for name in ("seconds", "images_per_s")}
    name = str(core().get_property("CPU", "FULL_DEVICE_NAME")).strip()
    kept = {
        "cpu": name,
        "latency": latencies(load_classifier_recipe(Path("resnet56")), out),
        "nets": nets,
    }
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print the page, or take results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", type=Path, metavar="RUNS")
    args = parser.parse_args()
    if args.take:
        take(args.take)
    else:
        sys.stdout.write(page(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
