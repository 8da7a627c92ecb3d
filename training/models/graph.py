"""From a torch network to an OpenVINO graph in memory; checking and writing are left to others."""

from __future__ import annotations

import warnings

import openvino as ov
import torch

from training.models.ssd import SSD, Deployed


def convert(net: SSD) -> ov.Model:
    """The graph that the door runs: raw BGR (1, 3, H, W) to `loc` and softmax `conf`, float32."""
    shape = [1, 3, net.spec.height, net.spec.width]
    with warnings.catch_warnings(), torch.inference_mode():
        # OpenVINO's converter traces, which torch would rather see done by torch.export
        warnings.simplefilter("ignore", DeprecationWarning)
        model = ov.convert_model(
            Deployed(net).eval(), example_input=torch.zeros(shape), input=shape
        )
    for output, name in zip(model.outputs, ("loc", "conf"), strict=True):
        output.tensor.set_names({name})
    return model
