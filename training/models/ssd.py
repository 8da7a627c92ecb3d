"""SSD heads on a backbone: raw BGR 0..255 in, box codes and class probabilities out.

                                      MobileNet  SqueezeNet
    x -> normalise -> backbone ->  8: block5     fire5    -> head0 -> loc, conf
                      (stride) -> 16: block11    fire9    -> head1 -> loc, conf
                               -> 32: block13    fire10   -> head2 -> loc, conf

Channels that pruning must cut together are found by name: the producer of a tap feeds the next
block and the head's `feature.dw`. No slicing, chunk, index or resize is in the graph, as old
OpenVINO runtimes cannot read them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edge.contract.ssd import PriorSpec
from training.models.backbone import Backbone
from training.models.layers import Separable, Size
from training.models.mobilenet import MobileNet
from training.models.squeezenet import SqueezeNet

BACKBONES: dict[str, type[Backbone]] = {"mobilenet": MobileNet, "squeezenet": SqueezeNet}
CLASSES = 2  # background, head


class Head(nn.Module):
    """One map's predictor: depthwise 3x3, 1x1 to `neck` channels, 1x1 to boxes and classes."""

    def __init__(self, cin: int, neck: int, anchors: int, size: Size) -> None:
        super().__init__()
        self.feature = Separable(cin, neck, size=size)
        self.loc = nn.Conv2d(neck, anchors * 4, 1)
        self.conf = nn.Conv2d(neck, anchors * CLASSES, 1)
        for conv in (self.loc, self.conf):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, cin, h, w) to codes (B, h * w * anchors, 4) and logits (B, h * w * anchors, 2)."""
        x = self.feature(x)
        loc = self.loc(x).permute(0, 2, 3, 1).reshape(x.size(0), -1, 4)
        conf = self.conf(x).permute(0, 2, 3, 1).reshape(x.size(0), -1, CLASSES)
        return loc, conf


class SSD(nn.Module):
    """The detector of one prior spec, on one of `BACKBONES`."""

    def __init__(
        self, spec: PriorSpec, *, backbone: str = "mobilenet", width: float = 1.0, neck: int = 128
    ) -> None:
        super().__init__()
        kind = BACKBONES[backbone]
        strides = [level.stride for level in spec.maps]
        if strides != sorted(set(strides)) or not set(strides) <= set(kind.taps):
            raise ValueError(
                f"maps must have strides out of {sorted(kind.taps)}, rising: {strides}"
            )
        self.spec = spec
        self.taps = tuple(kind.taps[stride] for stride in strides)
        self.backbone = kind(width, (spec.height, spec.width))
        for number, level in enumerate(spec.maps):
            size = (math.ceil(spec.height / level.stride), math.ceil(spec.width / level.stride))
            cin = self.backbone.channels[kind.taps[level.stride]]
            self.add_module(f"head{number}", Head(cin, neck, len(level.sizes), size))

    def heads(self) -> list[Head]:
        """The predictors, finest map first."""
        return [getattr(self, f"head{number}") for number in range(len(self.taps))]

    def features(self, x: Tensor) -> list[Tensor]:
        """Raw BGR (B, 3, height, width), 0..255, to the maps that the heads read, finest first."""
        return self.backbone(self.backbone.normalise(x), self.taps)  # type: ignore[no-any-return]

    def predict(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The maps of `features` to codes (B, N, 4) and logits (B, N, 2)."""
        pairs = [head(feature) for head, feature in zip(self.heads(), features, strict=True)]
        return torch.cat([loc for loc, _ in pairs], 1), torch.cat([conf for _, conf in pairs], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Raw BGR (B, 3, height, width), 0..255, to codes (B, N, 4) and logits (B, N, 2)."""
        return self.predict(self.features(x))


class Deployed(nn.Module):
    """The graph that is exported: as `SSD`, with probabilities in the place of logits."""

    def __init__(self, net: SSD) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Raw BGR (B, 3, height, width) to codes (B, N, 4) and probabilities (B, N, 2)."""
        loc, conf = self.net(x)
        return loc, torch.softmax(conf, -1)
