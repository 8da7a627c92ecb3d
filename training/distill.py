"""Knowledge distillation for the SSD: a small student learns what a trained teacher says.

Adds to `training.models.multibox.multibox_loss`, and looks at the same priors. Leaves it to the
loop to run the teacher, without gradient, on the very batch that the student sees.
"""

from __future__ import annotations

import torch
import torch.nn.functional as fn
from torch import Tensor

from edge.errors import DataError
from training.config import Distil
from training.models.multibox import POSITIVE, Target, cross_entropy, hard_negatives, stack
from training.ranks import ALONE, Ranks


def distil_loss(
    loc_s: Tensor,
    conf_s: Tensor,
    loc_t: Tensor,
    conf_t: Tensor,
    targets: list[Target],
    *,
    negatives: float,
    rule: Distil,
    ranks: Ranks = ALONE,
) -> Tensor:
    """What the student owes the teacher in a batch, divided by the number of positives.

    Ignored priors and easy negatives have no say: nearly all priors are background that both
    know, and would drown the rest.

    Args:
        loc_s: (B, N, 4) codes of the student.
        conf_s: (B, N, 2) its logits.
        loc_t: (B, N, 4) codes of the teacher; takes no gradient.
        conf_t: (B, N, 2) its logits; take no gradient.
        targets: of the B pictures.
        negatives: as of `multibox_loss`; the hard ones are the student's.
        rule: weights, temperature, margin.
        ranks: who else has pictures of this batch, as of `multibox_loss`.

    Raises:
        DataError: the loss is not finite.
    """
    state, wanted = stack(targets, loc_s.device)
    positive = state == POSITIVE
    taught = positive | hard_negatives(cross_entropy(conf_s, state), state, negatives, ranks)
    soft = divergence(conf_s[taught], conf_t.detach()[taught], rule.temperature)
    boxes = bounded_regression(
        loc_s[positive], loc_t.detach()[positive], wanted[positive], rule.margin
    )
    scale = max(int(ranks.total(positive.sum())), 1)
    loss = (rule.weight_conf * soft + rule.weight_loc * boxes) / scale
    if not bool(torch.isfinite(ranks.total(loss))):
        raise DataError("the distillation loss is not finite; evaluate the teacher's checkpoint")
    return loss


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of logits (n, 2) at a temperature T, times T^2, summed.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2: gradients of
    softened logits fall as 1 / T^2, and T^2 makes up for it. The teacher's own entropy, which
    has no gradient, is taken off, so that an equal student owes nothing.
    """
    softened = [fn.log_softmax(logits / temperature, -1) for logits in (student, teacher)]
    apart = fn.kl_div(softened[0], softened[1], reduction="sum", log_target=True)
    return apart * temperature**2


def bounded_regression(student: Tensor, teacher: Tensor, truth: Tensor, margin: float) -> Tensor:
    """Squared error of the student's codes (n, 4) where it is not better than the teacher, summed.

    Chen et al. 2017, "Learning Efficient Object Detection Models with Knowledge Distillation",
    Eq. 4: ||s - y||^2 where ||s - y||^2 + m > ||t - y||^2, else 0. The teacher bounds the
    error and is no target itself: where it is wrong it would lead away from the truth. An equal
    student owes nothing where m is 0.
    """
    own = (student - truth).square().sum(-1)
    bound = (teacher - truth).square().sum(-1)
    return own[own.detach() + margin > bound].sum()
