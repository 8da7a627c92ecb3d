"""What pictures tell of a network's channels: gathered once, and read by the criteria.

                reads                       makes
x --- gate ---> convolution (weights w) ---> y      of every convolution and linear layer:
      |  |                   |               |      how the loss depends on x and w, how y
   taylor, map_taylor   weight_taylor    deviation  spreads, and what rank the maps x have
      map_rank
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures of each layer by its name, float64 on the CPU.

    taylor: (inputs,) mean over batches of (dL/dg)^2, g a gate of 1 on each input channel.
    map_taylor: (inputs,) mean over pictures of |mean of x * dL/dx over the map|.
    map_rank: (inputs,) mean matrix rank of the maps x over pictures.
    weight_taylor: (filters,) mean over batches of the sum of (w * dL/dw)^2 over a filter.
    deviation: (filters,) standard deviation of the output before the activation.
    """

    taylor: dict[str, Tensor] = field(default_factory=dict)
    deviation: dict[str, Tensor] = field(default_factory=dict)
    weight_taylor: dict[str, Tensor] = field(default_factory=dict)
    map_taylor: dict[str, Tensor] = field(default_factory=dict)
    map_rank: dict[str, Tensor] = field(default_factory=dict)


def gather(
    net: nn.Module,
    batches: Iterable[B],
    loss: Callable[[nn.Module, B], Tensor],
    *,
    rank_pictures: int = 0,
) -> Evidence:
    """Look at a network on some batches; its weights stay, its gradients are cleared.

    Args:
        net: every layer's weight must require a gradient, or is given one here.
        batches: at least one.
        loss: of the network on a batch, a scalar.
        rank_pictures: so many pictures tell of ranks; each costs a decomposition for every map.
    """
    wanted = [(p, p.requires_grad) for p in net.parameters()]
    for parameter, _ in wanted:
        parameter.requires_grad_(True)
    watch = _Watch(net, rank_pictures)
    for batch in batches:
        net.zero_grad(set_to_none=True)
        loss(net, batch).backward()  # type: ignore[no-untyped-call]
        watch.count_weights(net)
    net.zero_grad(set_to_none=True)
    for parameter, before in wanted:
        parameter.requires_grad_(before)
    return watch.evidence()


class _Mean:
    """Sums of tensors by layer, and of how many; on the layers' own device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, total: Tensor, count: int = 1) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros_like(total)) + total
        self._counts[name] += count

    def count(self, name: str) -> int:
        return self._counts[name]

    def means(self) -> dict[str, Tensor]:
        return {name: (total / self._counts[name]).cpu() for name, total in self._sums.items()}


class _Watch:
    """Adds up over batches what `Evidence` holds."""

    def __init__(self, net: nn.Module, rank_pictures: int) -> None:
        self._rank_pictures = rank_pictures
        self._gates, self._weights = _Mean(), _Mean()
        self._maps, self._ranks = _Mean(), _Mean()
        self._moments = _Mean()  # (2, filters): output, its square
        self._hooks = [
            module.register_forward_hook(self._hook(name)) for name, module in _layers(net)
        ]

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._see_output(name, output.detach())
            self._see_map(name, inputs[0])

        return hook

    def _see_output(self, name: str, output: Tensor) -> None:
        y = output.double().transpose(0, 1).flatten(1)  # (filters, B * H * W)
        self._moments.add(name, torch.stack([y.sum(1), y.square().sum(1)]), y.shape[1])

    def _see_map(self, name: str, given: Tensor) -> None:
        x = given.detach()  # (B, inputs, H, W), or (B, inputs) before a linear layer
        left = self._rank_pictures - self._ranks.count(name)
        if left > 0:
            maps = x[:left] if x.ndim == 4 else x[:left, :, None, None]
            self._ranks.add(name, torch.linalg.matrix_rank(maps).double().sum(0), len(maps))
        if given.requires_grad:  # the picture itself does not
            given.register_hook(  # type: ignore[no-untyped-call]
                lambda slope: self._see_slope(name, x, slope)
            )

    def _see_slope(self, name: str, x: Tensor, slope: Tensor) -> None:
        product = (x * slope).double().reshape(*x.shape[:2], -1).mean(2).abs()  # (B, inputs)
        self._maps.add(name, product.sum(0), len(product))

    def count_weights(self, net: nn.Module) -> None:
        """A gate on an input channel has the gradient sum(w * dL/dw) over its weights."""
        for name, module in _layers(net):
            if module.weight.grad is None:
                continue
            product = (module.weight.detach() * module.weight.grad).double()
            alone = isinstance(module, nn.Conv2d) and module.groups > 1
            own = product.flatten(1) if alone else product.transpose(0, 1).flatten(1)
            self._gates.add(name, own.sum(1).square())
            self._weights.add(name, product.flatten(1).square().sum(1))

    def evidence(self) -> Evidence:
        for hook in self._hooks:
            hook.remove()
        deviation = {
            name: (square - mean.square()).clamp(min=0).sqrt()
            for name, (mean, square) in self._moments.means().items()
        }
        return Evidence(
            taylor=self._gates.means(),
            deviation=deviation,
            weight_taylor=self._weights.means(),
            map_taylor=self._maps.means(),
            map_rank=self._ranks.means(),
        )


def _layers(net: nn.Module) -> list[tuple[str, nn.Conv2d | nn.Linear]]:
    return [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
