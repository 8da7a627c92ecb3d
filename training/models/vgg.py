"""VGG-16 for pictures of 32x32: thirteen normalised convolutions and one linear layer.

Simonyan and Zisserman, ICLR 2015, configuration D, as the pruning literature has it for CIFAR.
"""

from __future__ import annotations

from torch import Tensor, nn

from training.models.classifier import CLASSES, Classifier, ConvNorm
from training.models.layers import widened

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG(Classifier):
    """VGG-16; `width` multiplies all channels."""

    stages = ("stage3", "stage4", "stage5")

    def __init__(self, width: float = 1.0, classes: int = CLASSES) -> None:
        super().__init__()
        cin = 3
        for number, plain in enumerate(_STAGES, start=1):
            channels = [widened(count, width) for count in plain]
            pairs = zip([cin, *channels], channels, strict=False)
            self.add_module(f"stage{number}", nn.Sequential(*(ConvNorm(*pair) for pair in pairs)))
            cin = channels[-1]
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.MaxPool2d(2)
        self.pool3, self.pool4 = nn.MaxPool2d(2), nn.MaxPool2d(2)
        self.linear = nn.Linear(cin, classes)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) to (B, classes)."""
        x = self.pool1(self.stage1(x))  # (B, 64, 16, 16)
        x = self.pool2(self.stage2(x))  # (B, 128, 8, 8)
        x = self.pool3(self.stage3(x))  # (B, 256, 4, 4)
        x = self.pool4(self.stage4(x))  # (B, 512, 2, 2)
        out: Tensor = self.linear(self.stage5(x).mean((2, 3)))
        return out
