"""How a hybrid pruning comes to its split: mild cuts of several kinds, each fitted a little.

    blocks gone       0        1        2    ...     all to the same mild latency, `probe`;
    channels make   all     less     less            the best on validation is scaled to the target

What a few steps mend of a cut is what counts, and not what it breaks: of blocks that is much, and
much of it is mended. The splits that were tried are kept in the run's folder.
"""

from __future__ import annotations

import dataclasses
import json
import math

from edge.contract.bundle import write_file
from training.choosing import Job
from training.config import Fit, Prune
from training.fitting import train
from training.layering import block_importance, channel_ranking, channels, cut_hybrid, handed_over
from training.prune.bridge import bridges
from training.prune.hybrid import Probe, fitted
from training.prune.plan import PruningPlan
from training.prune.widths import layout
from training.runlog import attempt

PROBES = "probes.json"
_NUMBER = 900  # of the first probe's pictures and chance: no round gets there


def probed(job: Job) -> Job:
    """The job with the depth that probes found best; as it is, where its rule asks for none.

    Raises:
        DataError: the mild latency cannot be reached.
    """
    if job.rule.method != "hybrid" or not job.rule.probe_steps:
        return job
    scaling = fitted(probes(job))
    # blocks leave a^-phi = target^depth, for every target
    depth = math.log(scaling.a) / math.log(scaling.a * scaling.b)
    job.say(f"blocks make {depth:.2f} of the saving: a = {scaling.a:.3f}, b = {scaling.b:.3f}")
    rule = dataclasses.replace(job.rule, depth=depth)
    return dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, prune=rule))


def probes(job: Job) -> list[Probe]:
    """Mild cuts, from channels alone to as many blocks as the mild latency has room for."""
    file = job.out / PROBES
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        return [Probe(**{**each, "removed": tuple(each["removed"])}) for each in kept]
    whole = job.layout.plan()
    told = block_importance(job, _NUMBER, whole, job.dense)
    ranking = channel_ranking(job, _NUMBER, whole, job.dense)
    order = sorted(told, key=told.__getitem__)
    found = []
    for count in range(len(order)):
        short = layout(job.dense, tuple(order[:count]))
        depth = short.price({}, job.device.price) / job.layout.price({}, job.device.price)
        if depth < job.rule.probe:
            break
        start = short.plan()
        scores = handed_over(job, ranking, bridges(job.dense, start))
        figure = _figure(job, count, channels(job, start, scores)(job.rule.probe))
        job.say(f"{count} blocks gone, which leave {depth:.3f}: AP50 {figure:.4f}")
        found.append(Probe(short.removed, depth, job.rule.probe / depth, figure))
    text = json.dumps([dataclasses.asdict(probe) for probe in found], indent=1) + "\n"
    attempt(file, lambda: write_file(file, text.encode()))
    return found


def _figure(job: Job, count: int, plan: PruningPlan) -> float:
    """AP50 of what a plan leaves, after a short fit."""
    fit = short_fit(job.recipe.fit, job.rule, _NUMBER + count, job.rule.probe_steps)
    recipe = dataclasses.replace(job.recipe, fit=fit)
    net = cut_hybrid(job, _NUMBER, job.dense, plan, job.layout.plan())
    out = job.out / f"probe{count}"
    return train(net, recipe, job.materials, plan=plan, out=out, teacher=job.teacher).best


def short_fit(fit: Fit, rule: Prune, number: int, steps: int) -> Fit:
    """A fit between two cuts: few steps, small rates, other pictures for each number."""
    return dataclasses.replace(
        fit,
        steps=steps,
        check_every=steps,
        warmup=min(fit.warmup, steps // 4),
        lr_heads=fit.lr_heads * rule.round_rate,
        lr_backbone=fit.lr_backbone * rule.round_rate,
        seed=fit.seed * 1000 + number,
    )
