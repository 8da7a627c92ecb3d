"""Knowledge transfer: a pruned network looks where the dense one looks, and says what it says.

What networks of all kinds can use: maps of attention for any pair of networks, and the whole loss
for classifiers. What the teacher of a detector says of priors is in `training.distill`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as fn
from torch import Tensor


def attention_map(x: Tensor) -> Tensor:
    """Where a layer looks: (B, C, H, W) to (B, H * W) of length 1, whatever the channels.

    Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017, section 3.1: mean over
    the channels of the squares. A map of zeros stays one.
    """
    return fn.normalize(x.float().square().mean(1).flatten(1), dim=1)


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of the attention, summed over the layers.

    Chang et al., Knowledge-Based Systems 265:110386, 2023, with one layer at the end of each stage.

    Args:
        student: maps (B, C, H, W), one for each layer.
        teacher: of the same layers and pictures; C may be another. Takes no gradient.
    """
    apart = [
        fn.mse_loss(attention_map(mine), attention_map(theirs.detach()))
        for mine, theirs in zip(student, teacher, strict=True)
    ]
    return sum(apart, start=apart[0].new_zeros(()))


@dataclass(frozen=True, slots=True)
class Transfer:
    """The weights of a classifier's loss; those of Chang et al. for CIFAR.

    For ImageNet they take a share of 0.5 and an attention of 50.
    """

    share: float = 0.3  # a: of the teacher's classes, 0..1; the labels have the rest
    temperature: float = 20.0  # T: softens both sides' classes
    attention: float = 1.0  # b: of the attention

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and self.temperature > 0 and self.attention >= 0):
            raise ValueError("share must be 0..1, temperature above 0, attention 0 or more")


def classifier_loss(logits: Tensor, labels: Tensor, teacher: Tensor, rule: Transfer) -> Tensor:
    """What a classifier owes its labels and its teacher, without the attention.

    (1 - a) CE(s, y) + a T^2 KL(softmax(t / T) || softmax(s / T)), a mean over the pictures.

    Args:
        logits: (B, classes) of the student, s.
        labels: (B,) of the pictures, y.
        teacher: (B, classes) its logits, t; take no gradient.
        rule: a and T.
    """
    soft = [fn.log_softmax(x / rule.temperature, 1) for x in (logits, teacher.detach())]
    apart = fn.kl_div(soft[0], soft[1], reduction="batchmean", log_target=True)
    told = fn.cross_entropy(logits, labels)
    return (1 - rule.share) * told + rule.share * rule.temperature**2 * apart


def transfer_loss(
    student: tuple[Tensor, Sequence[Tensor]],
    teacher: tuple[Tensor, Sequence[Tensor]],
    labels: Tensor,
    rule: Transfer,
) -> Tensor:
    """The whole loss of a classifier: labels, the teacher's classes, its attention.

    Args:
        student: logits (B, classes), and maps (B, C, H, W) of its stages.
        teacher: the same of the dense network.
        labels: (B,).
        rule: the weights.
    """
    classes = classifier_loss(student[0], labels, teacher[0], rule)
    return classes + rule.attention * attention_loss(student[1], teacher[1])
