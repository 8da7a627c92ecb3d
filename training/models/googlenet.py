"""GoogLeNet for pictures of 32x32, normalised, without auxiliary classifiers.

Szegedy et al., CVPR 2015, as the pruning literature has it for CIFAR: the stem is one convolution,
and two 3x3 convolutions stand for each of 5x5.

          +-- one: 1x1 ---------------------------+
    x ----+-- three: 1x1 reduce, 3x3 -------------+-- cat
          +-- five: 1x1 reduce, 3x3, 3x3 ---------+
          +-- pool: maximum of 3x3, 1x1 ----------+
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.classifier import CLASSES, Classifier, ConvNorm
from training.models.layers import widened

_STEM = 192
# channels: one, three's reduce, three, five's reduce, five, pool
_MODULES = {
    "a3": (64, 96, 128, 16, 32, 32),
    "b3": (128, 128, 192, 32, 96, 64),
    "a4": (192, 96, 208, 16, 48, 64),
    "b4": (160, 112, 224, 24, 64, 64),
    "c4": (128, 128, 256, 24, 64, 64),
    "d4": (112, 144, 288, 32, 64, 64),
    "e4": (256, 160, 320, 32, 128, 128),
    "a5": (256, 160, 320, 32, 128, 128),
    "b5": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches side by side; `channels` as in the table above."""

    def __init__(self, cin: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = channels
        self.one = ConvNorm(cin, one, 1)
        self.three = nn.Sequential(ConvNorm(cin, reduce3, 1), ConvNorm(reduce3, three))
        self.five = nn.Sequential(
            ConvNorm(cin, reduce5, 1), ConvNorm(reduce5, five), ConvNorm(five, five)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvNorm(cin, pool, 1))
        self.channels = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, channels, H, W)."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class GoogLeNet(Classifier):
    """GoogLeNet; `width` multiplies all channels."""

    stages = ("b3", "e4", "b5")

    def __init__(self, width: float = 1.0, classes: int = CLASSES) -> None:
        super().__init__()
        cin = widened(_STEM, width)
        self.stem = ConvNorm(3, cin)
        for name, plain in _MODULES.items():
            module = Inception(cin, tuple(widened(count, width) for count in plain))
            self.add_module(name, module)
            cin = module.channels
        self.pool3 = nn.MaxPool2d(3, 2, padding=1)
        self.pool4 = nn.MaxPool2d(3, 2, padding=1)
        self.linear = nn.Linear(cin, classes)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) to (B, classes)."""
        x = self.pool3(self.b3(self.a3(self.stem(x))))  # (B, 480, 16, 16)
        x = self.d4(self.c4(self.b4(self.a4(x))))
        x = self.pool4(self.e4(x))  # (B, 832, 8, 8)
        out: Tensor = self.linear(self.b5(self.a5(x)).mean((2, 3)))  # of (B, 1024, 8, 8)
        return out
