"""MobileNet v1 without its classifier, batch normalisation folded into biases.

27 convolutions in execution order, ReLU6, TensorFlow's SAME padding written as explicit pads,
whose sizes follow from the input size at birth: the exported graph has no shape arithmetic.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import DataError

# (output channels, stride) of the 13 depthwise separable blocks
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STEM = 32


def same_pad(size: int, stride: int) -> tuple[int, int]:
    """Pads before and after, for a kernel of 3, as TensorFlow's SAME puts them."""
    total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
    return total // 2, total - total // 2


class Conv(nn.Module):
    """Pad, convolve (kernel 3, or 1 without pad), ReLU6. `size` is (height, width) of the input."""

    def __init__(
        self, cin: int, cout: int, *, size: tuple[int, int], kernel: int = 3, stride: int = 1,
        groups: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        top, bottom = same_pad(size[0], stride) if kernel == 3 else (0, 0)
        left, right = same_pad(size[1], stride) if kernel == 3 else (0, 0)
        even = (top, left) == (bottom, right)
        self.pad = nn.Identity() if even else nn.ZeroPad2d((left, right, top, bottom))
        self.conv = nn.Conv2d(
            cin, cout, kernel, stride, padding=(top, left) if even else 0, groups=groups
        )
        self.act = nn.ReLU6()
        # fan_in: with fan_out, wide-to-narrow convolutions saturate ReLU6 and die
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.act(self.conv(self.pad(x)))
        return out


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise 1x1 convolution."""

    def __init__(self, cin: int, cout: int, *, size: tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        self.dw = Conv(cin, cin, size=size, stride=stride, groups=cin)
        self.pw = Conv(cin, cout, size=size, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.pw(self.dw(x))
        return out


class MobileNet(nn.Module):
    """The backbone: `stem`, then `block1` to `block13`; takes normalised BGR."""

    def __init__(self, width: float, size: tuple[int, int]) -> None:
        super().__init__()
        channels = [max(8, int(c * width + 4) // 8 * 8) for c in (STEM, *(c for c, _ in BLOCKS))]
        self.channels = tuple(channels[1:])
        self.stem = Conv(3, channels[0], size=size, stride=2)
        size = _half(size)
        for number, (_, stride) in enumerate(BLOCKS, start=1):
            cin, cout = channels[number - 1 : number + 1]
            self.add_module(f"block{number}", Separable(cin, cout, size=size, stride=stride))
            size = _half(size) if stride == 2 else size

    def convolutions(self) -> list[nn.Conv2d]:
        """All convolutions in execution order."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]

    def forward(self, x: Tensor, taps: tuple[int, ...] = (13,)) -> list[Tensor]:
        """Outputs of the blocks numbered in `taps`, in that order of execution."""
        x = self.stem(x)
        out = []
        for number in range(1, len(BLOCKS) + 1):
            x = getattr(self, f"block{number}")(x)
            if number in taps:
                out.append(x)
        return out


def _half(size: tuple[int, int]) -> tuple[int, int]:
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def load_npz(net: MobileNet, path: Path) -> None:
    """Fill the backbone from folded ImageNet weights (keys `NN_conv|dw_w|b`, RGB input).

    The first convolution's input channels are turned round, as the network takes BGR.

    Raises:
        DataError: no such file, or its tensors are not exactly those of this network.
    """
    try:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as an npz of weights: {error}") from error
    for number, conv in enumerate(net.convolutions()):
        kind = "dw" if conv.groups > 1 else "conv"
        weight = _take(arrays, f"{number:02d}_{kind}_w", tuple(conv.weight.shape), path)
        bias = _take(arrays, f"{number:02d}_{kind}_b", (conv.out_channels,), path)
        if number == 0:
            weight = weight[:, ::-1].copy()
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(weight))
            conv.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
    if arrays:
        raise DataError(f"{path}: tensors which this network does not have: {sorted(arrays)}")


def _take(
    arrays: dict[str, NDArray[np.float32]], key: str, shape: tuple[int, ...], path: Path
) -> NDArray[np.float32]:
    if key not in arrays:
        raise DataError(f"{path}: no tensor {key}; these weights are of another network")
    array = arrays.pop(key).astype(np.float32)
    if array.shape != shape:
        raise DataError(
            f"{path}: {key} is {array.shape}, the network needs {shape}; "
            "ImageNet weights fit width 1.0 alone"
        )
    return array
