"""Layers that the backbones and the heads share; sizes are known at birth.

TensorFlow's SAME padding as explicit pads: a layer of stride s makes a map of ceil(size / s), as
the priors want it, and the exported graph has no shape arithmetic. Which layer follows which is
left to the backbones.
"""

from __future__ import annotations

from torch import Tensor, nn

Size = tuple[int, int]  # height, width


def same_pad(size: int, stride: int) -> tuple[int, int]:
    """Pads before and after, for a kernel of 3, as TensorFlow's SAME puts them."""
    total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
    return total // 2, total - total // 2


def halved(size: Size) -> Size:
    """The size after a layer of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def widened(channels: int, width: float) -> int:
    """Channels times a width multiplier, to the nearest multiple of 8 and at least 8."""
    return max(8, int(channels * width + 4) // 8 * 8)


def same_pool(size: Size) -> nn.MaxPool2d:
    """Maximum over 3x3 with stride 2 and SAME padding, for a map of (height, width) `size`.

    An odd side is padded by one on both ends. At an even side no pad stands before, and the last
    window, which reaches over the edge, is kept by rounding up.
    """
    before = same_pad(size[0], 2)[0], same_pad(size[1], 2)[0]
    return nn.MaxPool2d(3, 2, padding=before, ceil_mode=True)


class Conv(nn.Module):
    """Pad, convolve (kernel 3, or 1 without pad), activate. `size` is that of the input."""

    def __init__(
        self, cin: int, cout: int, *, size: Size, kernel: int = 3, stride: int = 1,
        groups: int = 1, act: type[nn.Module] = nn.ReLU6,
    ) -> None:  # fmt: skip
        super().__init__()
        top, bottom = same_pad(size[0], stride) if kernel == 3 else (0, 0)
        left, right = same_pad(size[1], stride) if kernel == 3 else (0, 0)
        even = (top, left) == (bottom, right)
        self.pad = nn.Identity() if even else nn.ZeroPad2d((left, right, top, bottom))
        self.conv = nn.Conv2d(
            cin, cout, kernel, stride, padding=(top, left) if even else 0, groups=groups
        )
        self.act = act()
        # fan_in: with fan_out, wide-to-narrow convolutions saturate ReLU6 and die
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.act(self.conv(self.pad(x)))
        return out


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise 1x1 convolution."""

    def __init__(self, cin: int, cout: int, *, size: Size, stride: int = 1) -> None:
        super().__init__()
        self.dw = Conv(cin, cin, size=size, stride=stride, groups=cin)
        self.pw = Conv(cin, cout, size=size, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.pw(self.dw(x))
        return out
