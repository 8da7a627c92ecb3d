"""Predicted shapes are those that surgery makes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses

import numpy as np

from tests.training.prune.kit import BACKBONES, network, random_plan
from training.profile.shapes import Shape, cost, shapes
from training.prune.surgery import apply
from training.prune.widths import layout, widths

pytestmark = pytest.mark.training


def plain(layers: dict[str, Shape]) -> dict[str, Shape]:
    """A depthwise convolution of one channel is a common one, too: call it so."""
    return {
        name: dataclasses.replace(s, kind="conv") if s.cin == s.cout == 1 else s
        for name, s in layers.items()
    }


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("seed", range(4))
def test_shapes_and_sizes_are_foretold(backbone: str, seed: int) -> None:
    """For any plan: each convolution's shape, the network's MACs and its parameters."""
    net = network(backbone)
    plan = random_plan(net, np.random.default_rng(seed))
    small = apply(net, plan)
    found = layout(net)

    assert plain(shapes(small)) == plain(found.reshaped(widths(plan)))
    assert (cost(small).macs, cost(small).parameters) == found.size(widths(plan))
