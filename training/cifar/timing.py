"""What the device needs for the classifiers of a study, beside what is left of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from training.cifar.arms import ARMS, BASE
from training.cifar.recipe import ClassifierRecipe
from training.cifar.running import RESULT, WEIGHTS, load_net
from training.models.graph import convert_classifier
from training.profile.latency import Timing, measure

_ROUNDS = 300  # inferences of each network, by turns
_HEAD = "| arm | latency | of the base's | less | MACs less |\n|---|---|---|---|---|"

Measure = Callable[..., dict[str, Timing]]


def latencies(
    recipe: ClassifierRecipe, out: Path, seed: int = 1, measured: Measure = measure
) -> str:
    """A table of all arms of a network whose weights are there, in Markdown.

    Args:
        recipe: of the network.
        out: the study's folder.
        seed: of the arms.
        measured: times OpenVINO graphs by their names, as `training.profile.latency.measure`.
    """
    folders = {arm: out / recipe.net.name / f"{arm.name}-s{seed}" for arm in ARMS}
    there = {arm: folder for arm, folder in folders.items() if (folder / WEIGHTS).exists()}
    graphs = {
        arm.name: convert_classifier(load_net(recipe, folder)) for arm, folder in there.items()
    }
    times = measured(graphs, rounds=_ROUNDS)
    macs = {arm.name: _macs(folder) for arm, folder in there.items()}
    base = times[BASE].median
    rows = [
        f"| {arm.title} | {times[arm.name].median:.3f} ms "
        f"| {times[arm.name].median / base:.1%} | {1 - times[arm.name].median / base:.1%} "
        f"| {1 - macs[arm.name] / macs[BASE]:.1%} |"
        for arm in there
    ]
    return "\n".join([_HEAD, *rows])


def _macs(folder: Path) -> int:
    return int(json.loads((folder / RESULT).read_text(encoding="utf-8"))["macs"])
