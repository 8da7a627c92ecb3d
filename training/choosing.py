"""Which plan a method comes to: evidence on pictures, a ranking, a selector, and the clock.

Nothing is trained here. A method is a function from "how much to leave" to a plan; `reach` turns
that knob until the measured latency is the one wanted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.config import Distil, Prune, Recipe
from training.data.sampler import batch
from training.device import Device
from training.engine import Batch, batch_losses, collate
from training.materials import Materials
from training.models.ssd import SSD
from training.prune.cluster import (
    Key,
    Limits,
    Ranking,
    Response,
    by_chance,
    by_response,
    greedy,
    limits,
    normalised,
    per_price,
    spread,
    uniform,
)
from training.prune.criteria import COMPARABLE, ON_PICTURES, Scores, criterion
from training.prune.evidence import Evidence, gather
from training.prune.groups import ChannelGroup, groups
from training.prune.icp import choose_eps, given_back, largest, look, representatives
from training.prune.maps import read_maps
from training.prune.merging import merged
from training.prune.plan import PruningPlan
from training.prune.surgery import apply
from training.prune.widths import Layout, Widths, widths

Select = Callable[[float], PruningPlan]  # how much to leave (0..1, monotonic) to a plan

UNITS = {"latency": "latency", "predicted": "predicted latency", "macs": "MACs"}
RANK_PICTURES = 64  # tell of maps' ranks; HRank takes 500, and finds that few would do
_ATTEMPTS = 12  # halvings of the interval in which the latency's target is looked for
_EVIDENCE = 1_000_000  # step of the first batch that evidence is gathered on: no fit gets there


@dataclass(frozen=True, slots=True)
class Job:
    """One pruning: what is cut, after which recipe, on what, for which device, and where."""

    dense: SSD
    layout: Layout
    recipe: Recipe
    materials: Materials
    device: Device
    out: Path
    responses: Path  # single-layer responses of the dense network; measured if not there
    teacher: SSD | None = None
    say: Callable[[str], None] = print

    @property
    def rule(self) -> Prune:
        """The recipe's pruning section."""
        return self.recipe.prune

    @property
    def unit(self) -> str:
        """What the target is a share of, in words."""
        return UNITS[self.rule.target]

    @property
    def limits(self) -> Limits:
        """Cuts of one filter where the method knows no step, else of the device's clusters."""
        sizes = dict(self.device.cluster)
        if self.rule.method == "filter" or self.rule.published:
            sizes = dict.fromkeys(sizes, 1)
        return limits(self.layout, sizes, self.rule.least)


def choose(job: Job, number: int, plan: PruningPlan, net: SSD) -> PruningPlan:
    """The plan of a round: between the rounds by predicted price, the last by measured latency."""
    share = 1 - (1 - job.rule.latency) * number / job.rule.rounds
    select = selector(job, number, plan, net)
    if number < job.rule.rounds:
        return select(share)
    return reach(
        select, lambda p: job.device.measure(apply(net, p, plan)), share,
        job.rule.tolerance, job.say, job.unit,
    )  # fmt: skip


def reach(
    select: Select, measure: Callable[[PruningPlan], float], target: float, tolerance: float,
    say: Callable[[str], None], unit: str = "latency",
) -> PruningPlan:  # fmt: skip
    """Halve the selector's interval until the measured share is within `tolerance` of `target`.

    Args:
        select: from how much to leave to a plan.
        measure: the share of the dense network's `unit` that a plan leaves.
        target: that share, 0..1.
        tolerance: of the target.
        say: told of each attempt.
        unit: what is measured, for the messages.

    Raises:
        DataError: no plan of the selector is.
    """
    low, high, aim = 0.0, 1.0, target
    nearest = float("inf")
    for _ in range(_ATTEMPTS):
        try:
            plan = select(aim)
        except DataError:
            low, aim = aim, (aim + high) / 2
            continue
        got = measure(plan)
        say(f"aimed at {aim:.3f}: measured {got:.3f} of the dense {unit}, wanted {target:.3f}")
        nearest = min(nearest, got, key=lambda value: abs(value - target))
        if abs(got / target - 1) <= tolerance:
            return plan
        low, high = (aim, high) if got < target else (low, aim)
        aim = (low + high) / 2
    raise DataError(
        f"{target:.3f} of the dense network's {unit} cannot be reached: the nearest was "
        f"{nearest:.3f}; lower `least`, or allow a wider `tolerance`"
    )


def selector(job: Job, number: int, plan: PruningPlan, net: SSD) -> Select:
    """The recipe's method as a function from what is to be left to a plan."""
    rule = job.rule
    if rule.method == "torch-pruning":
        from training.prune.peer import taylor_plans  # noqa: PLC0415 - its own extra alone

        return taylor_plans(job.dense, job.layout, loss_on_batches(job, number), job.limits)
    if rule.method == "icp":
        return _by_clusters(job, number, plan, net)
    fixed = rule.method in ("published", "filter")  # they rank once, on the dense network
    whole = job.layout.plan()
    ranking = ranked(job, number, *((whole, job.dense) if fixed else (plan, net)))
    if rule.method == "uniform":
        return lambda left: uniform(job.layout, ranking, left, job.limits, align=rule.align)
    if rule.method == "cluster" and rule.criterion not in COMPARABLE:
        ranking = normalised(ranking)
    keys: dict[str, Callable[[], Key]] = {
        "cluster": lambda: per_price,
        "random": lambda: by_chance(np.random.default_rng((job.recipe.fit.seed, number))),
    }
    if fixed:
        found = responses(job, ranking)
        keys[rule.method] = lambda: by_response(found)
    price = job.layout.price({}, job.device.price)
    return lambda left: greedy(
        plan, job.layout, ranking,
        limits=job.limits, price=job.device.price, target=price * left, key=keys[rule.method](),
        slack=rule.tolerance,
    )  # fmt: skip


def _by_clusters(job: Job, number: int, plan: PruningPlan, net: SSD) -> Select:
    """Iterative clustering pruning: the radius of the clusters is what is turned."""
    rule, limits, whole = job.rule, job.limits, job.layout.price({}, job.device.price)
    alike = look(net, groups(net), _pictures(job, number), published=rule.published)
    ranking = ranked(job, number, plan, net) if rule.keep == "criterion" else {}

    def cost(widths: Widths) -> float:
        return job.layout.price(widths, job.device.price)

    def kept(name: str, width: int) -> list[int]:
        here = plan.kept[name]  # places in `net` to channels of the dense network
        if rule.keep == "medoid":
            return [here[k] for k in representatives(alike[name], width)]
        return [here[k] for k in largest(ranking[name][list(here)], width)]

    def select(left: float) -> PruningPlan:
        choice = choose_eps(alike, limits, cost, whole * left)
        if not rule.published:
            choice = given_back(choice, alike, limits, cost, whole * left)
        job.say(f"clusters of radius {choice.eps:.4f}")
        return plan.with_kept({name: kept(name, w) for name, w in choice.widths.items()})

    return select


def cut(job: Job, number: int, net: SSD, new: PruningPlan, plan: PruningPlan) -> SSD:
    """The network after a round's cut, what goes merged into what stays if the recipe says so.

    Args:
        job: of the pruning.
        number: of the round, which tells what pictures to look at.
        net: before the cut.
        new: what is left of the dense network after it.
        plan: what was left before.
    """
    if job.rule.merges:
        seen = read_maps(net, groups(net), _pictures(job, number))
        net = merged(net, new.after(plan), seen)
    return apply(net, new, plan)


def ranked(job: Job, number: int, plan: PruningPlan, net: SSD) -> Ranking:
    """Scores of the channels that `plan` left in `net`, at the dense network's indices."""
    evidence = Evidence()
    if job.rule.criterion in ON_PICTURES:
        batches, loss = loss_on_batches(job, number)
        evidence = gather(net, batches, loss, rank_pictures=rank_pictures(job.rule.criterion))
    score = criterion(job.rule.criterion)
    rng = np.random.default_rng((job.recipe.fit.seed, number))
    return {
        group.name: spread(score(net, group, evidence, rng), plan, group.name)
        for group in groups(net)
    }


def rank_pictures(*criteria: str) -> int:
    """On how many pictures ranks are to be taken for these criteria."""
    return RANK_PICTURES if "map_rank" in criteria else 0


def loss_on_batches(
    job: Job, number: int
) -> tuple[Iterator[Batch], Callable[[nn.Module, Batch], Tensor]]:
    """Batches for the evidence of a round, and the loss on one of them, in float32."""
    fit = dataclasses.replace(job.recipe.fit, seed=job.recipe.fit.seed * 1000 + number)
    recipe = dataclasses.replace(
        job.recipe, fit=dataclasses.replace(fit, bfloat16=False), distil=Distil()
    )

    def loss(net: nn.Module, data: Batch) -> Tensor:
        assert isinstance(net, SSD)
        return sum(batch_losses(net, data, recipe).values(), torch.zeros(()))

    pools = job.materials.pools
    steps = range(_EVIDENCE, _EVIDENCE + job.rule.batches)
    return (collate(batch(pools, recipe, step), recipe) for step in steps), loss


def _pictures(job: Job, number: int) -> Iterator[Tensor]:
    """The pictures that a round's evidence is gathered on, batch by batch."""
    batches, _ = loss_on_batches(job, number)
    return (data.pictures.float() for data in batches)


def responses(job: Job, ranking: Ranking) -> dict[str, Response]:
    """Single-layer responses of the dense network: read from their file, or measured into it."""
    if job.responses.exists():
        data = json.loads(job.responses.read_text())
        return {name: Response(**{k: tuple(v) for k, v in r.items()}) for name, r in data.items()}
    found = {}
    for group in job.layout.groups:
        found[group.name] = response = _response(job, group, ranking[group.name])
        points = zip(response.removed, response.accuracy, strict=True)
        told = ", ".join(f"{100 * value:.1f} (-{count})" for count, value in points)
        job.say(f"{group.name}: AP50 {told}")
    text = json.dumps({name: dataclasses.asdict(r) for name, r in found.items()}, indent=1)
    job.responses.parent.mkdir(parents=True, exist_ok=True)
    write_file(job.responses, text.encode())
    return found


def _response(job: Job, group: ChannelGroup, scores: Scores) -> Response:
    """One layer without its lowest filters: none, one cluster, two, four, and on to its floor."""
    cluster = job.device.cluster[group.name]
    most = group.size - limits(job.layout, job.device.cluster, job.rule.least).least[group.name]
    counts = sorted({0, most, *(cluster << k for k in range(12) if cluster << k < most)})
    order = np.argsort(scores, kind="stable")
    accuracy, latency = [], []
    for count in counts:
        plan = job.layout.plan().with_kept({group.name: order[count:]})
        accuracy.append(job.materials.validate(apply(job.dense, plan).eval())["ap50"])
        latency.append(job.layout.price(widths(plan), job.device.price))
    return Response(tuple(counts), tuple(accuracy), tuple(latency))
