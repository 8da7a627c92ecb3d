"""The arms of the comparison on classifiers: what each does other than the rest, and nothing else.

All begin with the same trained network, see as many pictures afterwards, and all that prune leave
the same share of the multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.errors import CallError
from training.cifar.recipe import Cut

BASE = "base"  # the dense network's own training, with which all others begin
Way = Literal["uniform", "blocks", "channels", "clusters", "clusters-published"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One method.

    ways: what is cut, one after the other; after each but the last follows a short fit. criterion:
    of channels and of blocks. transfer: the dense network teaches.
    """

    name: str
    title: str
    ways: tuple[Way, ...] = ()
    criterion: str = "l1"
    transfer: bool = False


HYBRID = {
    "weight": "minimum_weight",
    "rank": "map_rank",
    "bn": "bn_scale",
    "taylor": "taylor",
}
_LAYERS: tuple[Way, ...] = ("blocks", "channels")
_CHANNELS: tuple[Way, ...] = ("channels", "blocks", "channels")


def _hybrids() -> Iterator[Arm]:
    for short, name in HYBRID.items():
        for first, ways in (("layers", _LAYERS), ("channels", _CHANNELS)):
            for more, taught in (("", False), ("-kt", True)):
                title = f"hybrid, {name}, {first} first" + ", transfer" * taught
                yield Arm(f"hybrid-{short}-{first}{more}", title, ways, name, taught)


ARMS = (
    Arm(BASE, "dense"),
    Arm("dense", "dense, same extra epochs"),
    Arm("dense-kt", "dense, transfer", transfer=True),
    Arm("l1", "L1, uniform", ("uniform",)),
    Arm("l1-kt", "L1, uniform, transfer", ("uniform",), transfer=True),
    Arm("taylor", "Taylor, channels", ("channels",), "taylor"),
    *_hybrids(),
    Arm("icp-published", "ICP as published", ("clusters-published",), transfer=True),
    Arm("icp-published-alone", "ICP as published, no transfer", ("clusters-published",)),
    Arm("icp-kt", "ICP, ours", ("clusters",), "taylor", transfer=True),
    Arm("icp", "ICP, ours, no transfer", ("clusters",), "taylor"),
)


def arm_of(name: str) -> Arm:
    """The arm of a name.

    Raises:
        CallError: there is none.
    """
    for arm in ARMS:
        if arm.name == name:
            return arm
    raise CallError(f"arm {name!r} is unknown; known are {', '.join(arm.name for arm in ARMS)}")


@dataclass(frozen=True, slots=True)
class Round:
    """One cut: how, to which share of the dense network's multiply-accumulates, and what follows.

    epochs: part of the arm's epochs that is fitted after it.
    """

    way: Way
    share: float
    epochs: float


def rounds_of(arm: Arm, rule: Cut) -> tuple[Round, ...]:
    """The cuts of an arm; none for one that does not prune.

    Clusters are looked for several times, on the way down to the share, as ICP is iterative. In a
    hybrid, blocks are to leave `share ** depth`; where they come last, channels leave before what
    is then to be left by blocks.
    """
    if arm.ways and arm.ways[0].startswith("clusters"):
        goals = [1 - (1 - rule.share) * (n + 1) / rule.rounds for n in range(rule.rounds)]
        steps = [(arm.ways[0], goal) for goal in goals]
    elif arm.ways == _LAYERS:
        steps = [("blocks", rule.share**rule.depth), ("channels", rule.share)]
    elif arm.ways == _CHANNELS:
        before = rule.share ** (1 - rule.depth)
        steps = [("channels", before), ("blocks", rule.share), ("channels", rule.share)]
    else:
        steps = [(way, rule.share) for way in arm.ways]
    parts = _parts(arm, len(steps), rule.between)
    return tuple(Round(way, share, part) for (way, share), part in zip(steps, parts, strict=True))


def _parts(arm: Arm, count: int, between: float) -> list[float]:
    """Of the epochs: a short fit after each cut but the last; blocks and channels are one cut."""
    parts = [between] * (count - 1) + [1.0] * bool(count)
    if arm.ways == _CHANNELS:
        parts[1] = 0.0
    return [*parts[:-1], 1 - sum(parts[:-1])] if parts else []
