"""One arm from its beginning to its result: cut, fit a little, again; then the last fit.

In OUT/resnet56/icp-s1 are

- metrics.jsonl: a line for each epoch
- plan.json: what was cut
- weights.pt: in half precision, of the small network
- result.json: written last; an arm that has one is not run again
"""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.cifar.arms import BASE, Arm, rounds_of
from training.cifar.cutting import Cutter, cut, look, onto
from training.cifar.deck import Deck
from training.cifar.fitting import Learnt, Lesson, accuracy, learn, speed
from training.cifar.pictures import Splits
from training.cifar.recipe import ClassifierRecipe, Fit
from training.models.classifier import Classifier
from training.profile.shapes import macs, shapes
from training.prune.plan import PruningPlan, from_json, write_plan
from training.prune.surgery import apply, plan_of

RESULT, PLAN, WEIGHTS, METRICS = "result.json", "plan.json", "weights.pt", "metrics.jsonl"
_SPARE = 3.0  # seconds before the deadline that are left for the accuracy and the files


@dataclass(frozen=True, slots=True)
class Run:
    """What an arm runs with.

    epochs: in place of the recipe's; None: as many as there is time for, but no more than the
    recipe's. deadline: of `clock`, in its seconds. out: the folder of all arms.
    """

    recipe: ClassifierRecipe
    splits: Splits
    out: Path
    device: torch.device
    seed: int = 1
    epochs: float | None = None
    deadline: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = print

    def folder(self, arm: str, seed: int) -> Path:
        """Where an arm's files lie."""
        return self.out / self.recipe.net.name / f"{arm}-s{seed}"


@dataclass(frozen=True, slots=True)
class Size:
    """What a classifier counts up to for one picture: multiply-accumulates, and parameters."""

    macs: int
    parameters: int


def size_of(net: Classifier) -> Size:
    """Of convolutions and linear layers; parameters of normalisations count, too."""
    linear = sum(m.weight.numel() for m in net.modules() if isinstance(m, torch.nn.Linear))
    return Size(
        sum(map(macs, shapes(net).values())) + linear, sum(p.numel() for p in net.parameters())
    )


def run_base(run: Run, data: Path) -> dict[str, Any]:
    """Train the dense network, as the recipe says, unless that was done.

    Args:
        run: its seed is that of the weights, too.
        data: the folder with the weights to begin with.

    Raises:
        DataError: the weights are missing, or the loss is not finite.
    """
    if (done := _done(run, BASE, run.seed)) is not None:
        return done
    net = run.recipe.network(data, run.seed).to(run.device)
    lesson = _lesson(run, run.recipe.base)
    lesson = _timed(net, lesson, run)
    learnt = learn(net, lesson, _logger(run, BASE))
    return _finish(run, BASE, net, plan_of(net), [learnt], {})


def run_arm(run: Run, arm: Arm, base_seed: int = 1) -> dict[str, Any]:
    """Run one arm from the base of a seed, unless that was done.

    Raises:
        DataError: there is no base yet, the share cannot be reached, or the loss is not finite.
    """
    if (done := _done(run, arm.name, run.seed)) is not None:
        return done
    dense = load_net(run.recipe, run.folder(BASE, base_seed)).to(run.device)
    net, plan, taught, radii = dense, plan_of(dense), [], []
    lesson = _lesson(run, run.recipe.arms, dense if arm.transfer else None)
    log = _logger(run, arm.name)
    cutter = _cutter(run, arm, dense, lesson)
    left = 1.0  # of the epochs
    for part in rounds_of(arm, run.recipe.cut):
        made = cut(net, part, cutter)
        net, plan = made.net, onto(plan, made.plan)
        radii += [] if made.eps is None else [made.eps]
        if part.epochs:
            taught.append(learn(net, _part_of(lesson, part.epochs, part.epochs / left), log))
            left -= part.epochs
    if not arm.ways:
        net = load_net(run.recipe, run.folder(BASE, base_seed)).to(run.device)  # not the teacher
        taught.append(learn(net, lesson, log))
    return _finish(run, arm.name, net, plan, taught, {"eps": radii})


def load_net(recipe: ClassifierRecipe, folder: Path) -> Classifier:
    """The network of an arm that is done, as it was written, on the CPU.

    Raises:
        DataError: there is none.
    """
    try:
        plan = from_json(json.loads((folder / PLAN).read_text(encoding="utf-8")), str(folder))
        weights = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{folder}: no arm was run there; run `base` first: {error}") from error
    net = apply(recipe.random(0), plan)
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net


def _lesson(run: Run, fit: Fit, teacher: Classifier | None = None) -> Lesson:
    epochs = run.epochs or fit.epochs
    return Lesson(
        deck=Deck(run.splits.train, run.device), fit=dataclasses.replace(fit, epochs=epochs),
        seed=run.seed, clock=run.clock, deadline=run.deadline - _SPARE, teacher=teacher,
        rule=run.recipe.transfer,
    )  # fmt: skip


def _timed(net: Classifier, lesson: Lesson, run: Run) -> Lesson:
    """The lesson with as many epochs as there is time for, by the speed of a few steps."""
    if run.epochs is not None or run.deadline == float("inf"):
        return lesson
    rate = speed(net, lesson)
    room = (lesson.deadline - run.clock()) * rate / len(lesson.deck)
    epochs = min(lesson.fit.epochs, max(room, 0.1))
    run.say(f"{run.recipe.net.name}: {rate:.0f} pictures/s, {epochs:.1f} epochs")
    return dataclasses.replace(lesson, fit=dataclasses.replace(lesson.fit, epochs=epochs))


def _part_of(lesson: Lesson, epochs: float, time_: float) -> Lesson:
    """The lesson with a part (0..1) of its epochs, and a part of the time that is left."""
    now = lesson.clock()
    fit = dataclasses.replace(lesson.fit, epochs=lesson.fit.epochs * epochs)
    return dataclasses.replace(lesson, fit=fit, deadline=now + (lesson.deadline - now) * time_)


def _cutter(run: Run, arm: Arm, dense: Classifier, lesson: Lesson) -> Cutter:
    return Cutter(
        arm=arm, rule=run.recipe.cut, whole=float(sum(map(macs, shapes(dense).values()))),
        batches=look(lesson.deck, run.recipe.cut, lesson.fit.batch, run.seed),
        rng=np.random.default_rng(run.seed),
    )  # fmt: skip


def _logger(run: Run, arm: str) -> Callable[[dict[str, float]], None]:
    folder = run.folder(arm, run.seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / METRICS
    path.unlink(missing_ok=True)  # of a run that was stopped

    def log(figures: dict[str, float]) -> None:
        line = json.dumps({key: round(value, 6) for key, value in figures.items()})
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        run.say(f"{run.recipe.net.name} {arm} s{run.seed}: {line}")

    return log


def _done(run: Run, arm: str, seed: int) -> dict[str, Any] | None:
    path = run.folder(arm, seed) / RESULT
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _finish(
    run: Run, arm: str, net: Classifier, plan: PruningPlan, taught: list[Learnt],
    more: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Judge the network, the only time that it meets the test split, and write its files."""
    folder, size = run.folder(arm, run.seed), size_of(net)
    half = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in half.items()})
    result = {
        "net": run.recipe.net.name, "arm": arm, "seed": run.seed,
        "test": accuracy(net, Deck(run.splits.test, run.device)),
        "validation": accuracy(net, Deck(run.splits.validation, run.device)),
        "macs": size.macs, "parameters": size.parameters, "removed": list(plan.removed),
        "planned": sum(each.planned for each in taught),
        "epochs": sum(each.epochs for each in taught),
        "seconds": sum(each.seconds for each in taught),
        "images_per_s": taught[-1].images_per_s, "pictures": len(run.splits.train),
        "device": _device_name(run.device), **more,
    }  # fmt: skip
    whole = io.BytesIO()
    torch.save({k: v.cpu() for k, v in half.items()}, whole)
    write_file(folder / WEIGHTS, whole.getvalue())
    write_plan(plan, folder / PLAN)
    write_file(folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())
    run.say(
        f"{run.recipe.net.name} {arm} s{run.seed}: test {result['test']:.4f}, "
        f"{size.macs / 1e6:.1f} MMAC, {result['seconds']:.0f} s"
    )
    return result


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
