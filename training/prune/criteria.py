"""How important each channel of a group is: a number for each, low goes first.

Criteria look at weights, or at `Evidence` gathered on training pictures. Scales differ between
criteria and between layers; a selector that compares layers normalises them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import CallError
from training.prune.groups import ChannelGroup, convolution

Scores = NDArray[np.float64]
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What pictures tell of a network.

    taylor: convolution name to (inputs,) mean over batches of (dL/dg)^2, g a gate of 1 on each
    input channel. deviation: convolution name to (filters,) standard deviation of its output
    before the activation.
    """

    taylor: dict[str, Tensor] = field(default_factory=dict)
    deviation: dict[str, Tensor] = field(default_factory=dict)


Criterion = Callable[[nn.Module, ChannelGroup, Evidence, np.random.Generator], Scores]


def minimum_weight(
    net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator
) -> Scores:
    """Mean of the squared weights of each filter.

    Gamanayake et al., "Cluster Pruning", IEEE J-STSP 14(4), 2020, Eq. 3.
    """
    return _mean(w.flatten(1).square().mean(1) for w in _filters(net, group))


def l1(net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator) -> Scores:
    """Sum of the absolute weights of each filter (Li et al., 2017)."""
    return _mean(w.flatten(1).abs().sum(1) for w in _filters(net, group))


def l2(net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator) -> Scores:
    """Euclidean norm of each filter."""
    return _mean(w.flatten(1).norm(dim=1) for w in _filters(net, group))


def geometric_median(
    net: nn.Module, group: ChannelGroup, _: Evidence, __: np.random.Generator
) -> Scores:
    """Sum of each filter's distances to all others (He et al., FPGM, CVPR 2019, Eq. 7)."""
    return _mean(torch.cdist(w.flatten(1), w.flatten(1)).sum(1) for w in _filters(net, group))


def bn_scale(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """Scale of the batch normalisation (Liu et al., Network Slimming, ICCV 2017).

    Our networks have it folded into the convolution. What it was still shows: normalisation
    gives each channel unit variance, so |gamma| is the standard deviation of what leaves it.
    """
    del net
    return _mean(evidence.deviation[slot.conv] for slot in group.producers)


def taylor(
    net: nn.Module, group: ChannelGroup, evidence: Evidence, _: np.random.Generator
) -> Scores:
    """First-order change of the loss when the channel is gated off, root mean square.

    Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, Eq. 8, with
    the gate on what the consumers read, which is what pruning takes away from them. The root
    changes no ranking within a layer, and makes it a loss that can be added up over channels and
    compared between layers.
    """
    del net
    parts = [
        evidence.taylor[slot.conv][slot.offset : slot.offset + group.size]
        for slot in group.consumers
    ]
    return np.asarray(torch.stack(parts).sum(0).sqrt().numpy(), np.float64)


def random(net: nn.Module, group: ChannelGroup, _: Evidence, rng: np.random.Generator) -> Scores:
    """Uniform chance: what any criterion has to beat."""
    del net
    return rng.random(group.size)


CRITERIA: dict[str, Criterion] = {
    "minimum_weight": minimum_weight,
    "l1": l1,
    "l2": l2,
    "geometric_median": geometric_median,
    "bn_scale": bn_scale,
    "taylor": taylor,
    "random": random,
}

COMPARABLE = ("taylor",)  # their scores have one unit in all layers: that of the loss


def criterion(name: str) -> Criterion:
    """The criterion of a name.

    Raises:
        CallError: there is none.
    """
    if name not in CRITERIA:
        raise CallError(f"criterion {name!r} is unknown; known are {', '.join(CRITERIA)}")
    return CRITERIA[name]


def gather(
    net: nn.Module, batches: Iterable[B], loss: Callable[[nn.Module, B], Tensor]
) -> Evidence:
    """Look at a network on some batches; its weights stay, its gradients are cleared.

    Args:
        net: every convolution's weight must require a gradient, or is given one here.
        batches: at least one.
        loss: of the network on a batch, a scalar.
    """
    wanted = [(p, p.requires_grad) for p in net.parameters()]
    for parameter, _ in wanted:
        parameter.requires_grad_(True)
    watch = _Watch(net)
    for batch in batches:
        net.zero_grad(set_to_none=True)
        loss(net, batch).backward()  # type: ignore[no-untyped-call]
        watch.count_gates(net)
    net.zero_grad(set_to_none=True)
    for parameter, before in wanted:
        parameter.requires_grad_(before)
    return watch.evidence()


class _Watch:
    """Sums over batches: squared gate gradients, first and second moments of the outputs."""

    def __init__(self, net: nn.Module) -> None:
        self._gates: dict[str, Tensor] = {}
        self._moments: dict[str, Tensor] = {}  # (3, filters): count, sum, sum of squares
        self._rounds = 0
        self._hooks = []
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d):
                self._hooks.append(module.register_forward_hook(self._output_hook(name)))

    def _output_hook(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            x = output.detach().double().transpose(0, 1).flatten(1)  # (filters, B * H * W)
            count = torch.full((len(x),), x.shape[1], dtype=torch.float64)
            now = torch.stack([count, x.sum(1), x.square().sum(1)])
            self._moments[name] = self._moments.get(name, torch.zeros_like(now)) + now

        return hook

    def count_gates(self, net: nn.Module) -> None:
        """A gate on an input channel has the gradient sum(w * dL/dw) over its weights."""
        self._rounds += 1
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d) and module.weight.grad is not None:
                product = module.weight.detach() * module.weight.grad
                dims = (1, 2, 3) if module.groups > 1 else (0, 2, 3)
                gate = product.double().sum(dims).square()
                self._gates[name] = self._gates.get(name, torch.zeros_like(gate)) + gate

    def evidence(self) -> Evidence:
        for hook in self._hooks:
            hook.remove()
        gates = {name: total / max(self._rounds, 1) for name, total in self._gates.items()}
        spread = {}
        for name, (count, first, second) in self._moments.items():
            spread[name] = (second / count - (first / count).square()).clamp(min=0).sqrt()
        return Evidence(gates, spread)


def _filters(net: nn.Module, group: ChannelGroup) -> list[Tensor]:
    """The group's filters in each producer, (size, inputs, kernel, kernel)."""
    found = []
    for slot in group.producers:
        weight = convolution(net, slot).weight.detach()
        found.append(weight[slot.offset : slot.offset + group.size])
    return found


def _mean(parts: Iterable[Tensor]) -> Scores:
    return np.asarray(torch.stack(list(parts)).mean(0).double().numpy(), np.float64)
