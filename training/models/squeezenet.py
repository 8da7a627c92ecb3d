"""SqueezeNet v1.1 without its classifier, and one fire module more for stride 32.

    conv1 - pool1 - fire2 - fire3 - pool3 - fire4 - fire5 - pool5 - fire6 ... fire9 - pool9 - fire10
      2       4                       8                      16                        32   (stride)

                        +- expand1 (1x1) -+
    fire:  x - squeeze -+                 +- concatenated, expand1's channels first
                        +- expand3 (3x3) -+

Convolutions have a bias and ReLU (Iandola et al., arXiv 1602.07360, figure 1). Pads are SAME in
the place of Caffe's: at even sizes both look at the same cells, save one more at the far edges.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from training.models.backbone import Backbone
from training.models.layers import Conv, Size, halved, same_pool, widened
from training.models.weights import Place, fill

CONV1 = 64
# channels of squeeze, and of each of the two expand convolutions
FIRES = {
    2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192),
    8: (64, 256), 9: (64, 256), 10: (64, 256),
}  # fmt: skip
POOLED = (2, 4, 6, 10)  # fire modules behind a pool; the pool has the number before
EXTRA = 10  # has no ImageNet weights

MEAN = (104.0, 117.0, 123.0)  # BGR, that Caffe's weights expect to be taken away
COLOUR = 1 / 64  # of raw colours: about -2..2
# Of Caffe's features. The heads' ReLU6 saturates on large ones, and small ones learn slowly: AP50
# after `fit squeeze --steps 400` was 0.118, 0.133, 0.155, 0.135, 0.122 at 1/127.5, 1/64, 1/16,
# 1/8, 1/4.
FEATURE = 1 / 16
CAFFE = {"squeeze": "squeeze1x1", "expand1": "expand1x1", "expand3": "expand3x3"}
CLASSIFIER = ("conv10.weight", "conv10.bias")


class Fire(nn.Module):
    """`squeeze` to few channels, then `expand1` and `expand3` side by side."""

    def __init__(self, cin: int, squeeze: int, expand: int, *, size: Size) -> None:
        super().__init__()
        self.squeeze = Conv(cin, squeeze, size=size, kernel=1, act=nn.ReLU)
        self.expand1 = Conv(squeeze, expand, size=size, kernel=1, act=nn.ReLU)
        self.expand3 = Conv(squeeze, expand, size=size, act=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, 2 * expand, H, W)."""
        x = self.squeeze(x)
        return torch.cat([self.expand1(x), self.expand3(x)], 1)


class SqueezeNet(Backbone):
    """The backbone: `conv1`, then `fire2` to `fire10`."""

    taps: ClassVar = {8: 5, 16: 9, 32: 10}
    mean: Tensor

    def __init__(self, width: float, size: Size) -> None:
        super().__init__(width, size)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        cin = widened(CONV1, width)
        self.conv1 = Conv(3, cin, size=size, stride=2, act=nn.ReLU)
        size = halved(size)
        self.channels = {}
        for number, (squeeze, expand) in FIRES.items():
            if number in POOLED:
                self.add_module(f"pool{number - 1}", same_pool(size))
                size = halved(size)
            fire = Fire(cin, widened(squeeze, width), widened(expand, width), size=size)
            self.add_module(f"fire{number}", fire)
            cin = self.channels[number] = 2 * widened(expand, width)

    def normalise(self, x: Tensor) -> Tensor:
        """Raw BGR (B, 3, H, W), 0..255, to about -2..2."""
        return (x - self.mean) * COLOUR

    def forward(self, x: Tensor, taps: tuple[int, ...] = (10,)) -> list[Tensor]:
        """Outputs of the fire modules numbered in `taps`, in the order of execution."""
        x = self.conv1(x)
        out = []
        for number in range(min(FIRES), max(taps) + 1):  # what lies behind the last tap is not run
            if number in POOLED:
                x = getattr(self, f"pool{number - 1}")(x)
            x = getattr(self, f"fire{number}")(x)
            if number in taps:
                out.append(x)
        return out

    def load_npz(self, path: Path) -> None:
        """Fill all but `fire10` from Caffe's weights (keys as `fire2/squeeze1x1.weight`).

        Caffe's network takes raw colours. Convolution, ReLU and maximum keep a positive factor:
        with the first weights and all biases scaled, every feature is 1/16 of Caffe's.

        Raises:
            DataError: no such file, or its tensors are not exactly those of this network.
        """
        places = [Place(self.conv1.conv, "conv1.weight", "conv1.bias")]
        for number in FIRES:
            if number != EXTRA:
                places += _fire_places(getattr(self, f"fire{number}"), f"fire{number}")
        fill(places, path, spare=CLASSIFIER)
        with torch.no_grad():
            self.conv1.conv.weight.mul_(FEATURE / COLOUR)
            for place in places:
                place.conv.bias.mul_(FEATURE)  # type: ignore[union-attr]


def _fire_places(fire: Fire, name: str) -> list[Place]:
    return [
        Place(getattr(fire, part).conv, f"{name}/{caffe}.weight", f"{name}/{caffe}.bias")
        for part, caffe in CAFFE.items()
    ]
