"""From a torch network to an OpenVINO graph in memory; checking and writing are left to others.

Torch tells which layers follow which (`torch.fx`), and each becomes the operations of opset 1 that
every reader of IR 10 knows:

    Conv2d     -> Convolution or GroupConvolution, Add      permute -> Transpose
    ZeroPad2d  -> the pads of the convolution behind it     reshape -> Reshape
    ReLU(6)    -> ReLU or Clamp                             cat     -> Concat
    MaxPool2d  -> MaxPool                                   softmax -> SoftMax
    x - number -> Add                                       x * number -> Multiply
    BatchNorm2d -> Multiply, Add                            x + y   -> Add
    AvgPool2d  -> AvgPool                                   mean    -> ReduceMean
    ZeroPad3d  -> Pad                                       Linear  -> MatMul, Add

OpenVINO's own converter takes two seconds for what takes a tenth so, and at times it ended the
process (2026.4.1, a fault in `evaluate_both_bounds`, after many conversions in one process).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import openvino as ov
import torch
from openvino import opset1 as ops
from torch import Tensor, fx, nn

from training.models.classifier import Classifier
from training.models.ssd import SSD, Deployed

# The names of a convolution and of its bias have torch's between these two, as OpenVINO's own
# converter gives them: training goes on from bundles of both kinds.
PREFIX, SUFFIX = "__module.", "/aten::_convolution/"

Rule = Callable[..., Any]
K = TypeVar("K")


def convert(net: SSD) -> ov.Model:
    """The graph that the door runs: raw BGR (1, 3, H, W) to `loc` and softmax `conf`, float32.

    Raises:
        TypeError: the network has a layer that is not in the table above.
    """
    picture = ops.parameter([1, 3, net.spec.height, net.spec.width], np.float32, name="x")
    traced = fx.symbolic_trace(Deployed(net).eval())
    model = ov.Model(_lowered(traced, picture), [picture])
    for output, name in zip(model.outputs, ("loc", "conf"), strict=True):
        output.tensor.set_names({name})
    return model


def convert_classifier(net: Classifier) -> ov.Model:
    """The graph from a normalised picture (1, 3, 32, 32) to logits (1, classes), float32.

    Raises:
        TypeError: the network has a layer that is not in the table above.
    """
    picture = ops.parameter([1, 3, net.spec.height, net.spec.width], np.float32, name="x")
    return ov.Model(_lowered(fx.symbolic_trace(net.eval()), picture), [picture])


def _lowered(traced: fx.GraphModule, picture: ov.Node) -> list[ov.Node]:
    """The outputs of a traced network, on a picture."""
    made: dict[fx.Node, Any] = {}
    for node in traced.graph.nodes:
        args = fx.node.map_arg(node.args, made.__getitem__)
        if node.op == "placeholder":
            made[node] = picture
        elif node.op == "output":
            return list(args[0]) if isinstance(args[0], tuple) else [args[0]]
        elif node.op == "get_attr":
            made[node] = operator.attrgetter(node.target)(traced)
        elif node.op == "call_module":
            made[node] = _layer(node.target, traced.get_submodule(node.target), args)
        else:
            made[node] = _rule(_CALLS, node.target, node)(*args, **node.kwargs)
    raise AssertionError("a traced network ends with its outputs")


def _layer(name: str, module: nn.Module, args: tuple[object, ...]) -> object:
    node = _rule(_MODULES, type(module), name)(module, *args)
    if isinstance(module, nn.Conv2d):
        node.set_friendly_name(f"{PREFIX}{name}{SUFFIX}Convolution")
        if module.bias is not None:
            node = ops.add(node, ops.constant(_array(module.bias).reshape(1, -1, 1, 1)))
            node.set_friendly_name(f"{PREFIX}{name}{SUFFIX}Add")
    return node


def _rule(rules: Mapping[K, Rule], key: K, where: object) -> Rule:
    if key not in rules:
        raise TypeError(f"{where}: no rule to convert {key}")
    return rules[key]


@dataclass(frozen=True, slots=True)
class _Padded:
    """A map, and the zeros that the convolution behind it puts around: left, right, top, bottom."""

    node: ov.Node
    pads: tuple[int, int, int, int]


def _convolution(conv: nn.Conv2d, x: ov.Node | _Padded) -> ov.Node:
    height, width = map(int, conv.padding)
    left, right, top, bottom = width, width, height, height
    if isinstance(x, _Padded):
        x, (left, right, top, bottom) = x.node, x.pads  # such a convolution pads nothing itself
    weight, build = _array(conv.weight), ops.convolution
    if conv.groups > 1:  # (out, in / groups, h, w) to (groups, out / groups, in / groups, h, w)
        weight, build = weight.reshape(conv.groups, -1, *weight.shape[1:]), ops.group_convolution
    return build(
        x, ops.constant(weight), list(conv.stride), [top, left], [bottom, right],
        list(conv.dilation),
    )  # fmt: skip


def _max_pool(pool: nn.MaxPool2d, x: ov.Node) -> ov.Node:
    pads = _pair(pool.padding)
    return ops.max_pool(
        x, _pair(pool.stride), pads, pads, _pair(pool.kernel_size),
        "ceil" if pool.ceil_mode else "floor",
    )  # fmt: skip


def _average_pool(pool: nn.AvgPool2d, x: ov.Node) -> ov.Node:
    pads = _pair(pool.padding)
    return ops.avg_pool(
        x, _pair(pool.stride), pads, pads, _pair(pool.kernel_size), not pool.count_include_pad
    )  # fmt: skip


def _norm(norm: nn.BatchNorm2d, x: ov.Node) -> ov.Node:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - scale * norm.running_mean
    scaled = ops.multiply(x, ops.constant(_array(scale).reshape(1, -1, 1, 1)))
    return ops.add(scaled, ops.constant(_array(shift).reshape(1, -1, 1, 1)))


def _linear(linear: nn.Linear, x: ov.Node) -> ov.Node:
    out = ops.matmul(x, ops.constant(_array(linear.weight)), False, True)
    return ops.add(out, ops.constant(_array(linear.bias)))


def _zeros_around(pad: nn.ZeroPad3d, x: ov.Node) -> ov.Node:
    """Zeros on channels, rows and columns of a map (1, C, H, W)."""
    left, right, top, bottom, before, after = pad.padding
    begin, end = np.array([0, before, top, left]), np.array([0, after, bottom, right])
    return ops.pad(x, ops.constant(begin), ops.constant(end), "constant", np.float32(0))


def _mean(x: ov.Node, axes: tuple[int, ...]) -> ov.Node:
    return ops.reduce_mean(x, ops.constant(np.array(axes, np.int64)), keep_dims=False)


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().cpu().numpy()


def _number(value: float | Tensor) -> ov.Node:
    """A constant that goes with every map."""
    array = _array(value) if isinstance(value, Tensor) else np.full((1, 1, 1, 1), value)
    return ops.constant(array.astype(np.float32))


def _reshape(x: ov.Node, *shape: int) -> ov.Node:
    return ops.reshape(x, ops.constant(np.array(shape, np.int64)), special_zero=False)


def _permute(x: ov.Node, *order: int) -> ov.Node:
    return ops.transpose(x, ops.constant(np.array(order, np.int64)))


def _softmax(x: ov.Node, dim: int) -> ov.Node:
    return ops.softmax(x, dim % len(x.output(0).shape))  # old readers know no -1


_MODULES: dict[type[nn.Module], Rule] = {
    nn.Conv2d: _convolution,
    nn.ZeroPad2d: lambda pad, x: _Padded(x, pad.padding),
    nn.ReLU6: lambda _, x: ops.clamp(x, 0.0, 6.0),
    nn.ReLU: lambda _, x: ops.relu(x),
    nn.MaxPool2d: _max_pool,
    nn.Identity: lambda _, x: x,
    nn.BatchNorm2d: _norm,
    nn.AvgPool2d: _average_pool,
    nn.ZeroPad3d: _zeros_around,
    nn.Linear: _linear,
}
_CALLS: dict[Callable[..., Any] | str, Rule] = {  # functions, and methods of a tensor
    operator.add: ops.add,
    operator.sub: lambda x, value: ops.add(x, _number(-value)),
    operator.mul: lambda x, value: ops.multiply(x, _number(value)),
    torch.cat: ops.concat,
    torch.softmax: _softmax,
    "size": lambda x, axis: x.output(0).shape[axis],
    "mean": _mean,
    "permute": _permute,
    "reshape": _reshape,
}
