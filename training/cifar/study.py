"""Many arms side by side on one device, until a time: each in a process of its own.

    time 0 -------------- bases -------------- arms of each base as soon as it is there --- end

How many epochs the arms get is settled once for all arms of a network, by how fast its base was
while others learnt beside it, and kept in OUT/NET/epochs.json for a study that goes on: what is
compared has seen the same number of pictures, as far as there is time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.contract.bundle import write_file
from training.cifar.arms import BASE, arm_of
from training.cifar.recipe import ClassifierRecipe
from training.cifar.running import METRICS, PLAN, RESULT, WEIGHTS

EPOCHS = "epochs.json"  # of the arms of a network
_POLL = 0.2  # seconds
_LAST = 12.0  # seconds before the end, in which no arm begins
_GRACE = 5.0  # seconds after the end, until what still runs is stopped
_ROOM = 0.8  # of the time: what is planned for, as processes take theirs to begin
_PRUNED, _TAUGHT = 0.75, 0.4  # cost of an epoch of a pruned network, and of its teacher
_KEPT = 3_000_000  # bytes of weights above which they are not packed
_PACK = 15_000_000  # bytes of one pack


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    recipes: name or file to the recipe. arms: of every network; none: those of its recipe. bases_s,
    total_s: seconds for the bases, and for all. jobs: processes at once. passed: arguments of every
    arm: data, cache, device, limit.
    """

    recipes: dict[str, ClassifierRecipe]
    arms: Sequence[str]
    seeds: Sequence[int]
    bases_s: float
    total_s: float
    jobs: int
    out: Path
    passed: Sequence[str]

    def arms_of(self, recipe: str) -> Sequence[str]:
        """The arms of a network."""
        return self.arms or self.recipes[recipe].study.arms

    def seconds(self, recipe: str) -> float:
        """Of the device, for the arms of a network."""
        whole = sum(each.study.share for each in self.recipes.values())
        return (self.total_s - self.bases_s) * self.recipes[recipe].study.share / whole


@dataclass(slots=True)
class Job:
    """An arm of a network, and its process while it runs."""

    recipe: str
    net: str
    arm: str
    seed: int
    process: subprocess.Popen[bytes] | None = None


@dataclass(slots=True)
class _State:
    waiting: list[Job]
    running: list[Job] = field(default_factory=list)
    epochs: dict[str, float] = field(default_factory=dict)  # of the arms of each network
    failed: list[str] = field(default_factory=list)


def run_study(
    plan: Plan, clock: Callable[[], float] = time.monotonic, say: Callable[[str], None] = print
) -> list[str]:
    """Run all arms for which there is time; names of those that failed or were not begun."""
    begun = clock()
    state = _State(jobs_of(plan))
    while state.waiting or state.running:
        now = clock() - begun
        _reap(plan, state, now, say)
        if now > plan.total_s + _GRACE:
            for job in state.running:
                assert job.process is not None
                job.process.terminate()
        elif now < plan.total_s - _LAST:
            _begin(plan, state, now, say)
        elif state.waiting:
            left = [f"{job.net} {job.arm} s{job.seed}" for job in state.waiting]
            say(f"no time is left for {', '.join(left)}")
            state.failed += left
            state.waiting.clear()
        time.sleep(_POLL)
    return state.failed


def jobs_of(plan: Plan) -> list[Job]:
    """Bases first, the slowest of them first; then the arms by network, seed and wish."""
    nets = {name: recipe.net.name for name, recipe in plan.recipes.items()}
    bases = [Job(name, net, BASE, 1) for name, net in nets.items()]
    others = [
        Job(name, net, arm, seed)
        for seed in plan.seeds
        for name, net in nets.items()
        for arm in plan.arms_of(name)
    ]
    return [
        job for job in (*reversed(bases), *others)
        if not (plan.out / job.net / f"{job.arm}-s{job.seed}" / RESULT).exists()
    ]  # fmt: skip


def epochs_for(
    recipe: ClassifierRecipe, arms: Sequence[str], images_per_s: float, seconds: float, count: int
) -> float:
    """How many epochs each arm of a network gets.

    Args:
        recipe: gives the most.
        arms: all of the network's, with one entry for each seed.
        images_per_s: of the dense network on the whole device.
        seconds: of the device for all these arms.
        count: pictures of an epoch.
    """
    cost = sum(
        (_PRUNED if arm_of(arm).ways else 1.0) + _TAUGHT * arm_of(arm).transfer for arm in arms
    )
    room = _ROOM * seconds * images_per_s / (count * max(cost, 1.0))
    return round(min(recipe.arms.epochs, max(room, 0.5)), 2)


def pack(out: Path, into: Path) -> list[Path]:
    """Put results, plans, logs and small weights into few archives."""
    names = (RESULT, PLAN, METRICS, WEIGHTS)
    files = [path for name in names for path in sorted(out.glob(f"*/*/{name}"))]
    parts: list[list[Path]] = [[]]
    size = 0
    for path in files:
        length = path.stat().st_size
        if length > _KEPT:
            continue
        if size + length > _PACK:
            parts.append([])
            size = 0
        parts[-1].append(path)
        size += length
    into.mkdir(parents=True, exist_ok=True)
    written = []
    for number, part in enumerate(parts, start=1):
        archive = into / f"cifar-{number}.tar"
        with tarfile.open(archive, "w") as tar:
            for path in part:
                tar.add(path, str(path.relative_to(out)))
        written.append(archive)
    return written


def _begin(plan: Plan, state: _State, now: float, say: Callable[[str], None]) -> None:
    for job in list(state.waiting):
        if len(state.running) >= plan.jobs:
            return
        base = plan.out / job.net / f"{BASE}-s1" / RESULT
        if job.arm != BASE and not base.exists():
            continue
        end = plan.bases_s if job.arm == BASE else plan.total_s
        more = ["--seconds", f"{end - now:.1f}"]
        if job.arm != BASE:
            more += ["--epochs", str(_epochs(plan, state, job, base, say))]
        log = plan.out / job.net / f"{job.arm}-s{job.seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "training.cli", "cifar", "arm", job.recipe, "--arm", job.arm,
            "--seed", str(job.seed), "--out", str(plan.out), *plan.passed, *more,
        ]  # fmt: skip
        with log.open("wb") as file:
            job.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)  # noqa: S603
        state.waiting.remove(job)
        state.running.append(job)
        say(f"{now:5.0f} s  {job.net} {job.arm} s{job.seed} begins")


def _epochs(plan: Plan, state: _State, job: Job, base: Path, say: Callable[[str], None]) -> float:
    """Epochs of a network's arms, settled when the first of them begins, in whichever study."""
    kept = plan.out / job.net / EPOCHS
    if job.net not in state.epochs and kept.exists():
        state.epochs[job.net] = float(json.loads(kept.read_text(encoding="utf-8")))
    if job.net not in state.epochs:
        told = json.loads(base.read_text(encoding="utf-8"))
        seconds = plan.seconds(job.recipe)
        arms = [each.arm for each in jobs_of(plan) if each.net == job.net and each.arm != BASE]
        rate = told["images_per_s"] * len(plan.recipes)  # the bases shared the device
        count = told["pictures"]
        recipe = plan.recipes[job.recipe]
        state.epochs[job.net] = epochs_for(recipe, arms, rate, seconds, count)
        write_file(kept, json.dumps(state.epochs[job.net]).encode())
        say(f"{job.net}: {rate:.0f} pictures/s, {state.epochs[job.net]} epochs for each arm")
    return state.epochs[job.net]


def _reap(plan: Plan, state: _State, now: float, say: Callable[[str], None]) -> None:
    for job in list(state.running):
        assert job.process is not None
        code = job.process.poll()
        if code is None:
            continue
        state.running.remove(job)
        name = f"{job.net} {job.arm} s{job.seed}"
        log = plan.out / job.net / f"{job.arm}-s{job.seed}.log"
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        say(f"{now:5.0f} s  {name} ends with {code}: {' '.join(last)}")
        if code:
            state.failed.append(name)
            if job.arm == BASE:  # its arms have nothing to begin with
                state.waiting = [each for each in state.waiting if each.net != job.net]
