"""What an SSD asks of a backbone: taps by stride, their channels, its own colours and weights.

A backbone is a chain of numbered blocks; a tap is the number of a block whose output a head reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from training.models.layers import Size


class Backbone(nn.Module, ABC):
    """A feature extractor; `size` is (height, width) of its input, `width` multiplies channels."""

    taps: ClassVar[Mapping[int, int]]  # stride to the last block at that stride
    channels: Mapping[int, int]  # block to its output channels

    @abstractmethod
    def __init__(self, width: float, size: Size) -> None:
        super().__init__()

    def convolutions(self) -> list[nn.Conv2d]:
        """All convolutions in execution order."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]

    @abstractmethod
    def normalise(self, x: Tensor) -> Tensor:
        """Raw BGR (B, 3, H, W), 0..255, to what `forward` takes."""

    @abstractmethod
    def forward(self, x: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """Outputs of the blocks numbered in `taps`, in the order of execution."""

    @abstractmethod
    def load_npz(self, path: Path) -> None:
        """Fill the backbone from a file of ImageNet weights.

        Raises:
            DataError: no such file, or its tensors are not exactly those of this network.
        """
