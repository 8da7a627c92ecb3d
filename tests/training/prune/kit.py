"""Networks small enough to be cut in a test, with weights that no channel shares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edge.contract.ssd import PriorMap, PriorSpec
from training.models.ssd import SSD
from training.prune.groups import ChannelGroup, groups
from training.prune.plan import PruningPlan
from training.prune.surgery import plan_of

SPEC = PriorSpec(64, 48, (PriorMap(8, (10.0,)), PriorMap(16, (20.0,)), PriorMap(32, (40.0,))))
BACKBONES = ("mobilenet", "squeezenet")


def network(backbone: str = "mobilenet", width: float = 0.25, seed: int = 0) -> SSD:
    """A random detector in which every layer speaks up: a wrong channel is heard at the end.

    Biases are not zero, and each convolution's weights are scaled for outputs of variance 1;
    without that a deep random network gives nearly the same for every picture.
    """
    torch.manual_seed(seed)
    net = SSD(SPEC, backbone=backbone, width=width, neck=16)
    hooks = [m.register_forward_hook(_even) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(picture(seed))
    for hook in hooks:
        hook.remove()
    return net.eval()


def _even(conv: nn.Module, _: object, output: Tensor) -> Tensor:
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    scale = output.std()
    conv.weight.div_(scale)
    conv.bias.uniform_(-0.5, 0.5)
    return output / scale + conv.bias[:, None, None]


def picture(seed: int = 0) -> Tensor:
    """A picture of noise (1, 3, 48, 64)."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(0, 255, (1, 3, 48, 64)).astype(np.float32))


def random_plan(net: nn.Module, rng: np.random.Generator) -> PruningPlan:
    """Half of each group's channels or more, and of one group a single channel.

    Where all groups lose most of their channels, what is left gives a constant.
    """
    plan = plan_of(net)
    lone = str(rng.choice(sorted(plan.sizes)))
    kept = {}
    for name, size in plan.sizes.items():
        count = 1 if name == lone else int(rng.integers(-(-size // 2), size + 1))
        kept[name] = rng.permutation(size)[:count]
    return plan.with_kept(kept)


def zeroed(net: SSD, plan: PruningPlan, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the dense network gives when the plan's channels are held at zero, by hooks.

    A channel is silenced where it is made and behind each depthwise convolution, whose bias
    would let it speak again.
    """
    hooks = []
    for group in groups(net):
        gone = sorted(set(range(group.size)) - set(plan.kept[group.name]))
        for slot in (*group.producers, *group.depthwise):
            channels = [slot.offset + channel for channel in gone]
            hooks.append(net.get_submodule(slot.conv).register_forward_hook(_silence(channels)))
    try:
        with torch.inference_mode():
            loc, conf = net(x)
    finally:
        for hook in hooks:
            hook.remove()
    return loc, conf


def _silence(channels: list[int]):
    def hook(_: nn.Module, __: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, channels] = 0
        return output

    return hook


def group(net: nn.Module, ending: str) -> ChannelGroup:
    """The group whose name ends so."""
    (found,) = [g for g in groups(net) if g.name.endswith(ending)]
    return found
