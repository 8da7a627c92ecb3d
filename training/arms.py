"""The arms of the comparison: what each method does other than the rest, and nothing else.

All begin with the same dense network (the width multiplier alone with nothing), see the same
pictures, take as many steps, and end at the same measured latency (or at the same number of
multiply-accumulates, where the recipe's target is that).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from training.config import Distil, Recipe

OURS = "cluster"
DENSE = "dense"
SWEEPS = 9  # over all networks, in which their latencies are measured


@dataclass(frozen=True, slots=True)
class Arm:
    """One method.

    prune: values over the recipe's [prune] section; none leaves the network whole. scratch: no
    weights are taken over, and the dense network's steps are taken as well. int8: the arm whose
    result is quantised in place of a training. distil: what the dense network teaches.
    """

    name: str
    title: str
    prune: Mapping[str, object] = field(default_factory=dict)
    scratch: bool = False
    int8: str = ""
    distil: Distil = field(default_factory=Distil)


DISTIL = Distil(weight_conf=1.0, weight_loc=0.5)
# attention is a mean over cells, which is small: Zagoruyko and Komodakis (2017) weigh it by 1000
TRANSFER = Distil(weight_conf=1.0, weight_loc=0.5, weight_attention=1000.0)


def _once(method: str, **values: object) -> dict[str, object]:
    return {"method": method, "rounds": 1, **values}


ARMS = (
    Arm(DENSE, "dense, same extra steps"),
    Arm("width", "width multiplier, from scratch", scratch=True),
    Arm("l1", "L1, uniform, unaligned", _once("uniform", criterion="l1", align=False)),
    Arm("l1-aligned", "L1, uniform, aligned", _once("uniform", criterion="l1", align=True)),
    Arm("taylor-aligned", "Taylor, uniform, aligned", _once("uniform", criterion="taylor")),
    Arm("torch-pruning", "Torch-Pruning, Taylor, aligned", _once("torch-pruning")),
    Arm("filter", "filter pruning", {"method": "filter", "criterion": "minimum_weight"}),
    Arm(
        "published",
        "cluster pruning as published",
        {"method": "published", "criterion": "minimum_weight"},
    ),
    Arm(OURS, "cluster pruning, ours", {"method": "cluster", "criterion": "taylor"}),
    Arm("random", "random clusters", {"method": "random", "criterion": "random"}),
    Arm(
        "hybrid", "hybrid: blocks, then channels",
        {"method": "hybrid", "criterion": "taylor", "order": "layers"},
    ),
    Arm(
        "hybrid-channels-first", "hybrid: channels, then blocks",
        {"method": "hybrid", "criterion": "taylor", "order": "channels"},
    ),
    Arm(
        "hybrid-unbridged", "hybrid: blocks, then channels, no bridges",
        {"method": "hybrid", "criterion": "taylor", "order": "layers", "bridge": False},
    ),
    Arm(
        "cluster-distilled", "ours, distilled", {"method": "cluster", "criterion": "taylor"},
        distil=DISTIL,
    ),
    Arm(
        "l1-aligned-distilled", "L1, uniform, aligned, distilled",
        _once("uniform", criterion="l1", align=True), distil=DISTIL,
    ),
    Arm(
        "transfer", "L1, uniform, aligned, with transfer",
        _once("uniform", criterion="l1", align=True), distil=TRANSFER,
    ),
    Arm(
        "icp-published", "ICP as published",
        {"method": "icp", "criterion": "l1", "published": True}, distil=TRANSFER,
    ),
    Arm("icp", "ICP, ours", {"method": "icp", "criterion": "taylor"}, distil=TRANSFER),
    Arm(
        "icp-plain", "ICP, ours, without transfer", {"method": "icp", "criterion": "taylor"},
    ),
    Arm("dense-int8", "dense, int8", int8=DENSE),
    Arm("cluster-int8", "ours, int8", int8=OURS),
)  # fmt: skip


def recipe_of(arm: Arm, base: Recipe, dense: Recipe, seed: int) -> Recipe:
    """What an arm is trained after.

    Args:
        arm: the method.
        base: the comparison's recipe; its [prune] tells rounds and steps of the short fits.
        dense: the recipe of the dense network.
        seed: of pictures and chance.
    """
    prune = dataclasses.replace(base.prune, **arm.prune)  # type: ignore[arg-type]
    short = base.prune.round_steps * (base.prune.rounds - 1)
    taken = prune.round_steps * (prune.rounds - 1) if arm.prune else 0
    fit = dataclasses.replace(base.fit, seed=seed, steps=base.fit.steps + short - taken)
    model = base.model
    if arm.scratch:
        steps = dense.fit.steps + base.fit.steps + short
        rate = dense.fit.lr_heads  # a random backbone learns as fast as the heads
        fit = dataclasses.replace(
            fit, steps=steps, warmup=dense.fit.warmup, lr_heads=rate, lr_backbone=rate
        )
        model = dataclasses.replace(model, start="", init="")
    return dataclasses.replace(base, fit=fit, model=model, prune=prune, distil=arm.distil)
