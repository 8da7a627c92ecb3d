"""What the classifiers of 32x32 pictures have in common: their input, and where they are watched.

These are the networks on which pruning methods are published. Which layer follows which is left to
`resnet`, `vgg` and `googlenet`; they are traced by `torch.fx`, and so have named plain modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Picture:
    """The input in pixels."""

    height: int = 32
    width: int = 32


class Classifier(nn.Module):
    """From pictures (B, 3, 32, 32), normalised, to logits (B, classes).

    stages: the modules at the end of the three stages whose maps tell where a network looks.
    """

    stages: tuple[str, str, str]

    def __init__(self) -> None:
        super().__init__()
        self.spec = Picture()

    def begin(self) -> None:
        """Random weights: He et al., "Delving Deep into Rectifiers", ICCV 2015, by the outputs."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ConvNorm(nn.Module):
    """Convolve without bias, normalise, activate; the map keeps its size."""

    def __init__(self, cin: int, cout: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(cout)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H, W)."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


@contextmanager
def watched(net: Classifier) -> Iterator[list[Tensor]]:
    """A list that holds the maps (B, C, H, W) of the three stages after each run of the network."""
    maps: list[Tensor] = []

    def note(stage: int) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            if stage == 0:
                maps.clear()
            maps.append(output)

        return hook

    hooks = [
        net.get_submodule(name).register_forward_hook(note(stage))
        for stage, name in enumerate(net.stages)
    ]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
