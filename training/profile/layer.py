"""One convolution as a model of its own, timed as it runs inside a network.

Three things would spoil the time of a lone layer, and are kept away:

- Layout. Inside a network maps lie channels last, and nothing is reordered between layers; so
  the model takes and gives channels last, too: the two transposes cost nothing.
- Memory. Layers of a network work in the same few buffers; so all models of a group read one
  buffer and write one other. With buffers of their own, caches overflow and the time depends on
  where a buffer happens to lie.
- The call. Starting an inference costs as much as a small layer; a model that does next to
  nothing runs in each round, and its time is taken off.

OpenVINO's own counter of a node's time (PERF_COUNT) is not used: it is a mean over all runs since
compilation, so that one disturbed run spoils it and no median can be had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset8 as op

from training.profile.latency import Clock, Settings, compile_model, interleave
from training.profile.shapes import Shape

_NOTHING = Shape("conv", 1, 1, 1, 1, 1, 1)
_ALIGNMENT = 4096  # bytes; a memory page
_FILL = 0x3C  # repeated, a plain number of about 0.01 or 1 in each of the types
_TYPES = {"f32": ov.Type.f32, "f16": ov.Type.f32, "bf16": ov.Type.bf16}

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Request:
    """An inference request and what it works on, which OpenVINO does not keep alive."""

    infer: Callable[[], object]
    kept: tuple[object, ...]


def time_layers(
    layers: Sequence[Shape],
    *,
    settings: Settings,
    rounds: int,
    clock: Clock,
    seconds: float = math.inf,
) -> Times:
    """Time lone layers in turn; the cost of a call is taken off, nothing is below 0.

    Returns:
        Milliseconds, (rounds, layers).

    Raises:
        DetectorError: the device cannot run one of them.
        DataError: the clock stood still.
    """
    models = [layer_model(shape, settings.precision) for shape in (*layers, _NOTHING)]
    requests = _requests(models, settings)
    times = interleave([r.infer for r in requests], rounds=rounds, clock=clock, seconds=seconds)
    layers_only: Times = np.maximum(times[:, :-1] - np.median(times[:, -1]), 0)
    return layers_only


def layer_model(shape: Shape, precision: str = "f32") -> ov.Model:
    """(1, H, W, cin) to (1, height, width, cout): convolution, bias, clamp to 0..6."""
    taken = (1, shape.height * shape.stride, shape.width * shape.stride, shape.cin)
    given = op.parameter(taken, _TYPES[precision])
    x = op.transpose(op.convert(given, "f32"), np.array([0, 3, 1, 2]))
    spare = max(shape.kernel - shape.stride, 0)  # cells of padding, as SAME puts them
    begin, end = [spare // 2] * 2, [spare - spare // 2] * 2
    strides = [shape.stride] * 2
    if shape.kind == "depthwise":
        weights = _noise(shape.cout, 1, 1, shape.kernel, shape.kernel)
        x = op.group_convolution(x, op.constant(weights), strides, begin, end, [1, 1])
    else:
        weights = _noise(shape.cout, shape.cin, shape.kernel, shape.kernel)
        x = op.convolution(x, op.constant(weights), strides, begin, end, [1, 1])
    x = op.clamp(op.add(x, op.constant(_noise(1, shape.cout, 1, 1))), 0.0, 6.0)
    x = op.convert(op.transpose(x, np.array([0, 2, 3, 1])), _TYPES[precision].get_type_name())
    return ov.Model([op.result(x)], [given], "layer")


def _noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32) - np.float32(0.5)


def _requests(models: Sequence[ov.Model], settings: Settings) -> list[_Request]:
    kind = _TYPES[settings.precision]
    source = _buffer(max(math.prod(model.input(0).shape) for model in models))
    target = _buffer(max(math.prod(model.output(0).shape) for model in models))
    requests = []
    for model in models:
        request = compile_model(model, settings).create_infer_request()
        taken, given = (
            ov.Tensor(buffer[: math.prod(port.shape) * kind.size], port.shape, kind)
            for buffer, port in ((source, model.input(0)), (target, model.output(0)))
        )
        request.set_input_tensor(taken)
        request.set_output_tensor(given)
        requests.append(_Request(request.infer, (taken, given, source, target)))
    return requests


def _buffer(count: int) -> NDArray[np.uint8]:
    """Room for `count` numbers of at most 4 bytes, on its own pages."""
    raw = np.full(count * 4 + _ALIGNMENT, _FILL, np.uint8)
    offset = -raw.ctypes.data % _ALIGNMENT
    return raw[offset : offset + count * 4]
