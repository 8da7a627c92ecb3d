"""MobileNet v1 without its classifier, batch normalisation folded into biases.

27 convolutions in execution order, ReLU6 (Howard et al., arXiv 1704.04861, table 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from training.models.backbone import Backbone
from training.models.layers import Conv, Separable, Size, halved, widened
from training.models.weights import Place, fill

# (output channels, stride) of the 13 depthwise separable blocks
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STEM = 32


class MobileNet(Backbone):
    """The backbone: `stem`, then `block1` to `block13`."""

    taps: ClassVar = {8: 5, 16: 11, 32: 13}

    def __init__(self, width: float, size: Size) -> None:
        super().__init__(width, size)
        cin = widened(STEM, width)
        self.stem = Conv(3, cin, size=size, stride=2)
        self.channels = {n: widened(c, width) for n, (c, _) in enumerate(BLOCKS, start=1)}
        size = halved(size)
        for number, (_, stride) in enumerate(BLOCKS, start=1):
            cout = self.channels[number]
            self.add_module(f"block{number}", Separable(cin, cout, size=size, stride=stride))
            size = halved(size) if stride == 2 else size
            cin = cout

    def normalise(self, x: Tensor) -> Tensor:
        """Raw BGR (B, 3, H, W), 0..255, to -1..1."""
        return (x - 127.5) * (1 / 127.5)

    def forward(self, x: Tensor, taps: tuple[int, ...] = (13,)) -> list[Tensor]:
        """Outputs of the blocks numbered in `taps`, in the order of execution."""
        x = self.stem(x)
        out = []
        for number in range(1, max(taps) + 1):  # what lies behind the last tap is not run
            x = getattr(self, f"block{number}")(x)
            if number in taps:
                out.append(x)
        return out

    def load_npz(self, path: Path) -> None:
        """Fill the backbone from folded ImageNet weights (keys `NN_conv|dw_w|b`, RGB input).

        The first convolution's input channels are turned round, as the network takes BGR.

        Raises:
            DataError: no such file, or its tensors are not exactly those of this network.
        """
        places = []
        for number, conv in enumerate(self.convolutions()):
            key = f"{number:02d}_{'dw' if conv.groups > 1 else 'conv'}"
            places.append(Place(conv, f"{key}_w", f"{key}_b"))
        fill(places, path)
        with torch.no_grad():
            self.stem.conv.weight.copy_(self.stem.conv.weight.flip(1))
