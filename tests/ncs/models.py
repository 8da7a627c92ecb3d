"""Tiny graphs, as files: some that a stick takes, some that it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from openvino import opset8 as ops

from edge.errors import BundleError
from training.ir10 import downgrade

SIDE = 32
Graph = Callable[[openvino.Node], openvino.Node]


def write_model(xml: Path, graph: Graph) -> Path:
    """Write `graph` on a picture (1, 3, 32, 32) as IR version 10, `.bin` beside it.

    What has no old form keeps its new one: such a file is what the gate is for.
    """
    picture = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="picture")
    openvino.save_model(openvino.Model([graph(picture)], [picture], "tiny"), xml)
    try:
        lowered = downgrade(xml.read_bytes())
    except BundleError:
        lowered = re.sub(rb'(<net [^>]*)version="11"', rb'\1version="10"', xml.read_bytes())
    xml.write_bytes(lowered)
    return xml


def good(picture: openvino.Node) -> openvino.Node:
    """A convolution to 16 channels and ReLU."""
    weights = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    kernel = ops.constant(weights)
    return ops.relu(ops.convolution(picture, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))


def sliced(picture: openvino.Node) -> openvino.Node:
    """Half of its channels, by the Slice of opset 8 that torch writes for `x[:, :8]`."""
    begin, end, step, axis = (ops.constant([value]) for value in (0, 8, 1, 1))
    return ops.slice(good(picture), begin, end, step, axis)


def quantised(picture: openvino.Node) -> openvino.Node:
    """The same on an input rounded to 256 steps: what int8 files are made of."""
    low, high = np.float32(0), np.float32(255)
    return good(ops.fake_quantize(picture, low, high, low, high, 256))


def as_table(graph: Graph) -> Graph:
    """The graph with an output (1, 1, N, 7), as ready-made detectors have one."""

    def shaped(picture: openvino.Node) -> openvino.Node:
        some = ops.reduce_mean(graph(picture), ops.constant([2, 3]), keep_dims=True)
        row = ops.convolution(
            some, ops.constant(np.ones((7, some.shape[1], 1, 1), np.float32)),
            [1, 1], [0, 0], [0, 0], [1, 1],
        )  # fmt: skip
        return ops.reshape(row, ops.constant([1, 1, 1, 7]), special_zero=False)

    return shaped
