"""The loop in which a classifier learns, alone or from a teacher, and how good it is.

Every length is known before it begins. A deadline is a net under that: where a device turns out
slower than it was taken for, the learning rate goes to 0 by the deadline all the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as fn
from torch import Tensor

from edge.errors import DataError
from training.cifar.deck import Batch, Deck
from training.cifar.recipe import Fit
from training.engine import has_bfloat16
from training.models.classifier import Classifier, watched
from training.transfer import Transfer, transfer_loss

Clock = Callable[[], float]  # monotonic seconds
Step = Callable[[Tensor, Tensor], Tensor]  # pictures and labels to a loss
Log = Callable[[dict[str, float]], None]

_WARM, _TIMED = 15, 30  # steps, before the speed is measured and while it is


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from, how, and until when.

    teacher: another network whose knowledge is transferred by `rule`; None: labels alone.
    deadline: of `clock`. seed: of the order of pictures, and of how they are cut.
    """

    deck: Deck
    fit: Fit
    seed: int
    clock: Clock
    deadline: float = math.inf
    teacher: Classifier | None = None
    rule: Transfer = field(default_factory=Transfer)


@dataclass(frozen=True, slots=True)
class Learnt:
    """How a lesson went; `planned` and `epochs` differ where the deadline came first."""

    planned: float
    epochs: float
    seconds: float
    images_per_s: float


def learn(net: Classifier, lesson: Lesson, log: Log) -> Learnt:
    """Train a network, which lies on the deck's device; `log` is told of each epoch.

    Raises:
        DataError: the loss is not finite.
    """
    rule, clock = lesson.fit, lesson.clock
    batch = min(rule.batch, len(lesson.deck))
    each = len(lesson.deck) // batch
    steps = max(round(rule.epochs * each), 1)
    net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = _optimizer(net, rule)
    begun, step, losses = clock(), 0, torch.zeros((), device=lesson.deck.device)
    with loss_of(net, lesson) as loss:
        for epoch, pictures, labels in _endless(lesson):
            spent = clock() - begun
            gone = max(step / steps, spent / max(lesson.deadline - begun, 1e-9))
            if gone >= 1:
                break
            rate = rule.lr * 0.5 * (1 + math.cos(math.pi * gone))
            rate *= min(1.0, (step + 1) / max(rule.warmup * each, 1))
            losses += _advance(optimizer, loss, rate, pictures, labels)
            step += 1
            if step % each == 0:
                log({"epoch": epoch + 1, "loss": _finite(losses) / each, "lr": rate})
                losses.zero_()
    _finite(losses)
    spent = clock() - begun
    return Learnt(steps / each, step / each, spent, step * batch / max(spent, 1e-9))


def speed(net: Classifier, lesson: Lesson) -> float:
    """Pictures a second, measured by a few steps of a copy."""
    net = copy.deepcopy(net).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = _optimizer(net, lesson.fit)
    begun = lesson.clock()
    with loss_of(net, lesson) as loss:
        for step, (_, pictures, labels) in enumerate(_endless(lesson)):
            if step in (_WARM, _WARM + _TIMED):
                _advance(optimizer, loss, 0.0, pictures, labels).item()  # waits for the device
                if step > _WARM:
                    break
                begun = lesson.clock()
            else:
                _advance(optimizer, loss, 0.0, pictures, labels)
    return _TIMED * min(lesson.fit.batch, len(lesson.deck)) / max(lesson.clock() - begun, 1e-9)


@contextmanager
def loss_of(net: Classifier, lesson: Lesson) -> Iterator[Step]:
    """The loss of a network on a batch, with what a teacher has to say if there is one."""
    teacher = lesson.teacher
    if teacher is None:
        smoothing = lesson.fit.smoothing
        yield lambda pictures, labels: fn.cross_entropy(
            _forward(net, pictures).float(), labels, label_smoothing=smoothing
        )
        return
    teacher.eval()
    with watched(net) as mine, watched(teacher) as theirs:

        def told(pictures: Tensor, labels: Tensor) -> Tensor:
            with torch.no_grad():
                wanted = _forward(teacher, pictures).float()
            logits = _forward(net, pictures).float()
            return transfer_loss((logits, mine), (wanted, theirs), labels, lesson.rule)

        yield told


def accuracy(net: Classifier, deck: Deck) -> float:
    """Share of the pictures whose class is found, 0..1."""
    right = torch.zeros((), device=deck.device)
    net.eval()
    with torch.no_grad():
        for pictures, labels in deck.plain():
            right += (_forward(net, pictures).argmax(1) == labels).sum()
    return float(right) / len(deck)


def cross_entropy(net: torch.nn.Module, batch: Batch) -> Tensor:
    """The plain loss in float32, for those who look at a network's slopes."""
    return fn.cross_entropy(net(batch[0]), batch[1])


def _forward(net: Classifier, pictures: Tensor) -> Tensor:
    """Logits; where the device has bfloat16 it multiplies in that, weights stay float32."""
    device = pictures.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        logits: Tensor = net(pictures)
    return logits


def _advance(
    optimizer: torch.optim.SGD, loss: Step, rate: float, pictures: Tensor, labels: Tensor
) -> Tensor:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    value = loss(pictures, labels)
    value.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value.detach()


def _endless(lesson: Lesson) -> Iterator[tuple[int, Tensor, Tensor]]:
    epoch = 0
    while True:
        for pictures, labels in lesson.deck.shuffled(lesson.fit.batch, lesson.seed, epoch):
            yield epoch, pictures, labels
        epoch += 1


def _optimizer(net: Classifier, rule: Fit) -> torch.optim.SGD:
    return torch.optim.SGD(
        net.parameters(), rule.lr, rule.momentum, weight_decay=rule.weight_decay, nesterov=True
    )


def _finite(losses: Tensor) -> float:
    value = float(losses)
    if not math.isfinite(value):
        raise DataError("the loss is not finite; lower the recipe's lr")
    return value
