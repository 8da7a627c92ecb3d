"""ResNets for pictures of 32x32 (He et al., CVPR 2016, section 4.2): three stages of equal blocks.

    x ---- conv1 - bn1 - relu - conv2 - bn2 ---- add --- relu
      \\                                        /
       `--- shortcut: nothing, or every second pixel and channels of zeros (option A)

Module names are those of akamaster/pytorch_resnet_cifar10, whose weights of ResNet-56 can be read.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from edge.errors import DataError
from training.models.classifier import CLASSES, Classifier

_PREFIX = "module."  # of weights that were saved from several GPUs


class ResNet(Classifier):
    """A ResNet of 6 * blocks + 2 layers: 9 blocks in a stage make ResNet-56."""

    stages = ("layer1", "layer2", "layer3")

    def __init__(self, blocks: int = 9, width: int = 16, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = _stage(blocks, width, width, stride=1)
        self.layer2 = _stage(blocks, width, 2 * width, stride=2)
        self.layer3 = _stage(blocks, 2 * width, 4 * width, stride=2)
        self.linear = nn.Linear(4 * width, classes)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) to (B, classes)."""
        x = self.relu(self.bn1(self.conv1(x)))  # (B, width, 32, 32)
        x = self.layer3(self.layer2(self.layer1(x)))  # (B, 4 * width, 8, 8)
        out: Tensor = self.linear(x.mean((2, 3)))
        return out


class Block(nn.Module):
    """Two convolutions, and a shortcut around them."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.relu2 = nn.ReLU()
        self.shortcut = _shortcut(cin, cout, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(y + self.shortcut(x))
        return out


def _stage(blocks: int, cin: int, cout: int, stride: int) -> nn.Sequential:
    rest = [Block(cout, cout, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Block(cin, cout, stride), *rest)


def _shortcut(cin: int, cout: int, stride: int) -> nn.Module:
    if (cin, stride) == (cout, 1):
        return nn.Identity()
    before = (cout - cin) // 2
    # of (B, C, H, W) the last three dimensions are padded: C alone
    pad = nn.ZeroPad3d((0, 0, 0, 0, before, cout - cin - before))
    return nn.Sequential(nn.AvgPool2d(1, stride), pad)


def load_resnet(net: ResNet, path: Path) -> None:
    """Copy the weights of a published checkpoint into a network.

    It was trained on RGB, normalised by the mean and deviation of ImageNet.

    Raises:
        DataError: no such file, or weights of another network.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        weights = {key.removeprefix(_PREFIX): value for key, value in saved.items()}
        net.load_state_dict(weights)
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read as weights of this ResNet: {error}") from error
