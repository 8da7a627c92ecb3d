"""Torch-Pruning's answers, taken over as plans."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")
pytest.importorskip(
    "torch_pruning", reason="needs the [pruning-bench] extra: torch_pruning is missing"
)

from torch import Tensor, nn

from tests.training.prune.kit import BACKBONES, network, picture
from training.prune.cluster import limits
from training.prune.peer import taylor_plans
from training.prune.plan import PruningPlan
from training.prune.widths import layout, widths

pytestmark = pytest.mark.training


def loss(net: nn.Module, x: Tensor) -> Tensor:
    return sum((part.square().mean() for part in net(x)), torch.zeros(()))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_its_plan_is_aligned_and_reaches_all_of_the_network(backbone: str) -> None:
    """Less is kept when less is asked for, everywhere; widths are multiples of its one step.

    Of concatenated branches it rounds the sum alone.
    """
    net = network(backbone, width=0.5)
    found = layout(net)
    sizes = dict.fromkeys((group.name for group in found.groups), 4)
    select = taylor_plans(net, found, ([picture(1)], loss), limits(found, sizes, 0.125))
    mild, hard = select(0.7), select(0.3)

    assert backbone == "squeezenet" or all(width % 4 == 0 for width in widths(hard).values())
    assert total(hard) < total(mild) < sum(found.plan().sizes.values())
    cut = [name for name, size in hard.sizes.items() if hard.width(name) < size]
    assert len(cut) > 0.8 * len(found.groups)


def total(plan: PruningPlan) -> int:
    return sum(widths(plan).values())
