"""What the feature maps of a group's channels have in common, by their inner products alone.

A layer's maps on hundreds of pictures would fill the memory; (n, n) products over all cells of all
pictures do not, and cosines, covariances and least squares need no more. Which channels go is left
to `training.prune.icp`, how they are made up for to `training.prune.merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.prune.dbscan import Distances, cosine_distances
from training.prune.groups import ChannelGroup, Slot

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of n channels, each a vector of all its cells on all pictures.

    cells: length of the vectors. total: (n,) sums of their values. products: (n, n) inner products.
    """

    cells: int
    total: NDArray[np.float64]
    products: Matrix

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n,) mean value of each channel."""
        return self.total / self.cells

    @property
    def scatter(self) -> Matrix:
        """(n, n) inner products of the maps less their means: covariances times `cells`."""
        return self.products - np.outer(self.total, self.mean)

    def distances(self, *, centred: bool) -> Distances:
        """Cosine distances of the channels, of their deviation from the mean where `centred`.

        Behind an activation all values are positive, and all maps alike unless they are centred.
        """
        if not centred:
            return cosine_distances(self.products)
        scatter = self.scatter
        flat = np.diag(scatter) <= _ROUNDING * np.diag(self.products)
        scatter[flat], scatter[:, flat] = 0.0, 0.0
        return cosine_distances(scatter)


_ROUNDING = 1e-12  # share of a vector's square that is left of a constant one by rounding

Seen = Mapping[Slot, Maps]  # a group's channels at each place of a network


def read_maps(
    net: nn.Module, groups: Sequence[ChannelGroup], inputs: Iterable[Tensor]
) -> dict[str, Seen]:
    """Each group's channels as its consumers read them: behind activations and depthwise filters.

    That is what pruning takes away, and what has to be made up for.

    Args:
        net: is run in evaluation mode, and left as it was.
        groups: of the network.
        inputs: batches of the network's input, at least one, on any device.
    """
    sums = {slot: _Sums() for group in groups for slot in group.consumers}

    def watch(group: ChannelGroup, slot: Slot) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(_: nn.Module, given: tuple[Tensor]) -> None:
            sums[slot].add(_channels(given[0], slot, group).transpose(0, 1).flatten(1))

        return hook

    hooks = [
        net.get_submodule(slot.conv).register_forward_pre_hook(watch(group, slot))
        for group in groups
        for slot in group.consumers
    ]
    with _looking(net, hooks):
        for batch in inputs:
            net(batch.to(_device(net)))
    return {group.name: {s: sums[s].maps() for s in group.consumers} for group in groups}


def made_maps(net: nn.Module, groups: Sequence[ChannelGroup], inputs: Tensor) -> dict[str, Seen]:
    """Each group's channels as its producers make them: before activation, averaged over a batch.

    As Chang et al. (Knowledge-Based Systems 265:110386, 2023) have them in their code: a map of one
    mean picture. Where batch normalisation is folded into the convolution, it is in the map.

    Args:
        net: is run in evaluation mode, and left as it was.
        groups: of the network.
        inputs: one batch of the network's input, on any device.
    """
    sums = {slot: _Sums() for group in groups for slot in group.producers}

    def watch(group: ChannelGroup, slot: Slot) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, made: Tensor) -> None:
            sums[slot].add(_channels(made, slot, group).mean(0).flatten(1))

        return hook

    hooks = [
        net.get_submodule(slot.conv).register_forward_hook(watch(group, slot))
        for group in groups
        for slot in group.producers
    ]
    with _looking(net, hooks):
        net(inputs.to(_device(net)))
    return {group.name: {s: sums[s].maps() for s in group.producers} for group in groups}


def distances(seen: Seen, *, centred: bool) -> Distances:
    """The greatest distance over all places: channels are alike if they are alike everywhere."""
    found = [maps.distances(centred=centred) for maps in seen.values()]
    farthest: Distances = np.max(found, axis=0)
    return farthest


class _Sums:
    """Adds up what `Maps` holds, on the network's device."""

    def __init__(self) -> None:
        self._cells = 0
        self._sums: Tensor | None = None  # (n, 1 + n): totals, products

    def add(self, rows: Tensor) -> None:
        """Channels (n, cells) of some pictures; in double, as centring takes nearly all away."""
        rows = rows.detach().double()
        now = torch.cat([rows.sum(1, keepdim=True), rows @ rows.T], 1)
        self._cells += rows.shape[1]
        self._sums = now if self._sums is None else self._sums + now

    def maps(self) -> Maps:
        """What was added up.

        Raises:
            ValueError: nothing was.
        """
        if self._sums is None:
            raise ValueError("maps cannot be compared without a picture")
        sums = self._sums.cpu().numpy()
        return Maps(self._cells, sums[:, 0], sums[:, 1:])


def _channels(x: Tensor, slot: Slot, group: ChannelGroup) -> Tensor:
    """A group's channels (B, n, H, W) of a map, or of a vector (B, channels) as a map of a cell."""
    part = x[:, slot.offset : slot.offset + group.size]
    return part if part.dim() == 4 else part[:, :, None, None]


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


@contextmanager
def _looking(net: nn.Module, hooks: Sequence[torch.utils.hooks.RemovableHandle]) -> Iterator[None]:
    """No gradient, evaluation mode, and the hooks gone afterwards."""
    training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
