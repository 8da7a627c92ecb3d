"""OpenVINO computes what torch does, for each classifier."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np

from edge.openvino_core import core
from tests.training.prune.test_classifiers import NETS, network, picture
from training.models.graph import convert_classifier

pytestmark = pytest.mark.training


@pytest.mark.parametrize("name", NETS)
def test_the_graph_gives_the_same_logits(name: str) -> None:
    """In float32, to a few parts in a hundred thousand of the largest."""
    net, x = network(name, 3), picture(3)[:1]
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core().compile_model(convert_classifier(net), "CPU", options)
    with torch.inference_mode():
        want = net(x).numpy()
    got = next(iter(compiled(x.numpy()).values()))

    assert float(np.abs(got - want).max() / np.abs(want).max()) < 5e-5
