"""From a bundle back to what made it: recipe, plan and weights, so that training can go on from it.

    manifest.json -> recipe, plan
    model.xml/.bin (FP16) -> weights, found by the names that the converter gave the convolutions

A door's own bundle, or the shipped one, is all that a new training needs; no checkpoint must be
kept beside it. What FP16 rounded away stays lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from edge.contract.bundle import read_bundle
from edge.contract.manifest import INT8
from edge.errors import DataError
from edge.openvino_core import core
from training.models.graph import PREFIX

_CONVOLUTIONS = ("Convolution", "GroupConvolution")
_PREFIX = f"{PREFIX}net."  # of an SSD that was converted


def read_weights(folder: Path) -> dict[str, Any]:
    """What a bundle holds of a training, under a checkpoint's keys `recipe`, `plan` and `ema`.

    Args:
        folder: a bundle that `headcount-train bundle` made of a checkpoint.

    Raises:
        BundleError: not a bundle, or a damaged one.
        DataError: made from a ready-made network, of which nothing but the file is known.
    """
    bundle = read_bundle(folder)
    manifest = bundle.manifest
    if not manifest.recipe:
        raise DataError(
            f"{folder}: its model was not trained here, so training cannot go on from it; "
            "give a bundle or a checkpoint of a network that headcount-train fitted"
        )
    float_file = next(v for v in manifest.variants if v.precision != INT8)
    model = core().read_model(bundle.path(float_file.xml))
    return {
        "recipe": dict(manifest.recipe),
        "plan": dict(manifest.plan) or None,
        "ema": _weights(model),
    }


def _weights(model: ov.Model) -> dict[str, Tensor]:
    """Each convolution's weight and bias, by the names that torch has for them."""
    found: dict[str, Tensor] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _CONVOLUTIONS:
            continue
        name = node.get_friendly_name().removeprefix(_PREFIX).split("/")[0]
        weight = _constant(node.input_value(1).get_node())
        if node.get_type_name() == "GroupConvolution":
            weight = weight.flatten(0, 1)  # (groups, 1, 1, h, w) to torch's (groups, 1, h, w)
        found[f"{name}.weight"] = weight
        found[f"{name}.bias"] = _bias(node, len(weight))
    return found


def _bias(convolution: ov.Node, filters: int) -> Tensor:
    """What is added to a convolution's output; the converter leaves out what is all zero."""
    (target, *others) = (port.get_node() for port in convolution.output(0).get_target_inputs())
    if others or target.get_type_name() != "Add":
        return torch.zeros(filters)
    return _constant(target.input_value(1).get_node()).flatten()


def _constant(node: ov.Node) -> Tensor:
    """A constant's values as float32; FP16 files convert theirs on the way."""
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return torch.from_numpy(node.get_data().astype(np.float32))
