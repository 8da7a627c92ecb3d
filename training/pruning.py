"""The composition of one pruning: look, choose, cut, fit a little, again; then the last fit.

    dense net --> evidence, ranking --> selector --> plan --> surgery --> short fit --+
                       ^                                                              |
                       +---------------------- next round ----------------------------+

Each round lies in its own folder under the run's: a run that was stopped goes on after the last
round that was finished. Latency is measured on the device's own runtime, dense beside pruned.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from edge.errors import CallError
from training.account import Account, parts, write_account
from training.checkpoint import State, blank, load, load_weights
from training.choosing import Job, choose, cut
from training.config import Recipe, read_recipe
from training.device import open_device
from training.fitting import load_teacher, train
from training.layering import choose_hybrid, cut_hybrid
from training.materials import load_materials
from training.models.ssd import SSD
from training.probing import probed, short_fit
from training.prune.plan import PruningPlan, read_plan, write_plan
from training.prune.surgery import apply
from training.prune.widths import layout, widths


def open_job(
    recipe: Recipe,
    *,
    start: Path,
    profile: str,
    data: Path,
    cache: Path,
    out: Path,
    teacher: Path | None = None,
) -> Job:
    """Everything that a pruning needs.

    Raises:
        CallError: the recipe does not prune, or is of other priors than the checkpoint.
        DataError: pictures, checkpoint or profile are missing or wrong.
    """
    if not recipe.prune.method:
        raise CallError("the recipe does not prune: give it a [prune] section with a method")
    dense = _dense(recipe, start)
    found = layout(dense)
    return Job(
        dense=dense,
        layout=found,
        recipe=recipe,
        materials=load_materials(recipe, data, cache),
        device=open_device(dense, found, profile, recipe.prune.target),
        out=out,
        responses=out / "responses.json",
        teacher=load_teacher(recipe, teacher),
    )


def _dense(recipe: Recipe, start: Path) -> SSD:
    """The network to be cut, at the recipe's input size; it may have been fitted at another.

    Raises:
        CallError: it is pruned already, or has other priors than the recipe.
        DataError: `start` is no checkpoint or bundle, or one of another network.
    """
    kept = load(start)
    if kept.get("plan") is not None:
        raise CallError(f"{start}: is pruned already; start from the dense network")
    if read_recipe(kept["recipe"], str(start)).spec.maps != recipe.spec.maps:
        raise CallError(f"{start}: its priors are not the recipe's")
    net, _ = blank(kept, recipe, start)
    load_weights(net, kept, start)
    return net.eval()


def run_prune(job: Job, plan: PruningPlan | None = None) -> State:
    """Prune and fit; the result lies in `out`/best.pt and last.pt, the plan in plan.json.

    What was cut and what it cost is in pruning.json, for the report.

    Args:
        job: what and how.
        plan: cut this, at once, instead of choosing.

    Raises:
        DataError: the target cannot be reached within the recipe's limits.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    net = job.dense
    if plan is None:
        job = probed(job)
        plan, net = _cut_by_rounds(job)
    else:
        net = _cut(job, 1, net, plan, job.layout.plan())
    write_plan(plan, job.out / "plan.json")
    ap50 = _before_fit(job, net)
    state = train(net, job.recipe, job.materials, plan=plan, out=job.out, teacher=job.teacher)
    account = account_of(job, plan)
    write_account(dataclasses.replace(account, ap50={**ap50, "fitted": state.best}), job.out)
    return state


def _before_fit(job: Job, net: SSD) -> dict[str, float]:
    """AP50 on validation of the dense network, and of what the last cut left of it."""
    nets = {"dense": job.dense, "cut": net.eval()}
    return {name: job.materials.validate(each)["ap50"] for name, each in nets.items()}


def _cut_by_rounds(job: Job) -> tuple[PruningPlan, SSD]:
    plan, net = job.layout.plan(), job.dense
    for number in range(1, job.rule.rounds + 1):
        before = plan, net
        plan, net = _round(job, number, plan, net)
        if number < job.rule.rounds and not _above_floor(job, number):
            job.say(f"round {number} ended below the floor of AP50 {job.rule.floor:g}: undone")
            return before
    return plan, net


def _round(job: Job, number: int, plan: PruningPlan, net: SSD) -> tuple[PruningPlan, SSD]:
    """One cut and, unless it is the last, a short fit; what is there already is taken over."""
    folder = job.out / f"round{number}"
    file = folder / "plan.json"
    if file.exists():
        new = read_plan(file)
    else:
        new = _choose(job, number, plan, net)
        folder.mkdir(parents=True, exist_ok=True)
        write_plan(new, file)
    small = _cut(job, number, net, new, plan)
    if number == job.rule.rounds:
        return new, small
    steps = job.rule.round_steps
    recipe = dataclasses.replace(job.recipe, fit=short_fit(job.recipe.fit, job.rule, number, steps))
    state = train(small, recipe, job.materials, plan=new, out=folder, teacher=job.teacher)
    return new, state.ema


def _choose(job: Job, number: int, plan: PruningPlan, net: SSD) -> PruningPlan:
    method = choose_hybrid if job.rule.method == "hybrid" else choose
    return method(job, number, plan, net)


def _cut(job: Job, number: int, net: SSD, new: PruningPlan, plan: PruningPlan) -> SSD:
    method = cut_hybrid if job.rule.method == "hybrid" else cut
    return method(job, number, net, new, plan)


def _above_floor(job: Job, number: int) -> bool:
    if job.rule.floor <= 0:
        return True
    lines = (job.out / f"round{number}" / "metrics.jsonl").read_text().splitlines()
    ended = [line["ap50"] for line in map(json.loads, lines) if "ap50" in line]
    return bool(ended[-1] >= job.rule.floor)


def dry_run(job: Job, plan: PruningPlan | None = None) -> Account:
    """What the job would cut if it cut at once: the plan is written, nothing is trained.

    Returns:
        What each block and the whole network would come to, with AP50 before anything is fitted.
    """
    if plan is None:
        once = dataclasses.replace(job.recipe.prune, rounds=1)
        job = dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, prune=once))
        plan = _choose(job, 1, job.layout.plan(), job.dense)
    job.out.mkdir(parents=True, exist_ok=True)
    write_plan(plan, job.out / "plan.json")
    net = _cut(job, 1, job.dense, plan, job.layout.plan())
    return dataclasses.replace(account_of(job, plan), ap50=_before_fit(job, net))


def account_of(job: Job, plan: PruningPlan) -> Account:
    """What a plan makes of the dense network; its accuracy is left to who has fitted it."""
    short, price = layout(job.dense, plan.removed), job.device.price
    after = widths(plan)
    (macs, weights), (macs_left, weights_left) = job.layout.size({}), short.size(after)
    return Account(
        method=job.rule.method,
        unit=job.unit,
        target=job.rule.latency,
        parts=parts(job.layout, short, plan, price),
        macs=(macs, macs_left),
        parameters=(weights, weights_left),
        predicted=(job.layout.price({}, price), short.price(after, price)),
        measured=job.device.measure(apply(job.dense, plan)),
    )
