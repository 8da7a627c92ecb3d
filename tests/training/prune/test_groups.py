"""Which channels hang together, on nets small enough to be checked by eye."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from torch import Tensor, nn

from tests.training.prune.kit import group, network
from training.prune.groups import Slot, groups

pytestmark = pytest.mark.training


class Fork(nn.Module):
    """Two convolutions side by side, read by a third; a fourth gives the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 1)
        self.dw = nn.Conv2d(10, 10, 3, padding=1, groups=10)
        self.c = nn.Conv2d(10, 5, 1)
        self.out = nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) to (B, 2 * h * w)."""
        both = torch.relu(torch.cat([self.a(x), self.b(x)], 1))
        return self.out(self.c(self.dw(both))).flatten(1)


def test_concatenated_channels_keep_their_own_group_and_offset() -> None:
    """B's channels begin behind a's four, in the depthwise convolution and in the reader."""
    a, b, c = groups(Fork())

    assert ("a", 4, (Slot("dw", 0),), (Slot("c", 0),)) == (a.name, a.size, a.depthwise, a.consumers)
    assert ("b", 6, (Slot("dw", 4),), (Slot("c", 4),)) == (b.name, b.size, b.depthwise, b.consumers)
    assert ("c", 5, (), (Slot("out"),)) == (c.name, c.size, c.depthwise, c.consumers)


def test_what_leaves_the_network_is_fixed() -> None:
    """Box and class predictors are in no group; everything that feeds them is."""
    names = {g.name for g in groups(network())}

    assert not [name for name in names if name.endswith((".loc", ".conf"))]
    assert {f"head{k}.feature.pw.conv" for k in range(3)} < names
    assert 17 == len(names)


def test_a_tap_belongs_to_the_block_and_to_its_head() -> None:
    """The map of block 5 is read by block 6 and by the first head."""
    tap = group(network(), "block5.pw.conv")

    assert {"backbone.block6.dw.conv", "head0.feature.dw.conv"} == {s.conv for s in tap.depthwise}
    assert {"backbone.block6.pw.conv", "head0.feature.pw.conv"} == {s.conv for s in tap.consumers}


def test_fire_modules_have_a_squeeze_and_two_expands() -> None:
    """A squeeze feeds both expands; an expand is read by the next squeeze at its own offset."""
    net = network("squeezenet")
    squeeze = group(net, "fire3.squeeze.conv")
    first, second = group(net, "fire3.expand1.conv"), group(net, "fire3.expand3.conv")

    assert {"backbone.fire3.expand1.conv", "backbone.fire3.expand3.conv"} == {
        slot.conv for slot in squeeze.consumers
    }
    assert (Slot("backbone.fire4.squeeze.conv", 0),) == first.consumers
    assert (Slot("backbone.fire4.squeeze.conv", first.size),) == second.consumers


def test_a_convolution_with_one_channel_is_no_depthwise_one() -> None:
    """One input and one output in one group: the old trap of taking it for depthwise."""
    net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 2, 1))
    first, second = groups(net)

    assert (Slot("2"),) == first.consumers
    assert ((), (Slot("3"),)) == (second.depthwise, second.consumers)


@pytest.mark.parametrize("module", [nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 8, 1, groups=4)])
def test_grouped_convolutions_are_refused(module: nn.Conv2d) -> None:
    """What we cannot cut rightly we do not cut."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), module)

    with pytest.raises(ValueError, match="groups"):
        groups(net)


def test_unknown_layers_are_refused() -> None:
    """A layer that might mix channels is named."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.PixelShuffle(2), nn.Conv2d(1, 4, 1))

    with pytest.raises(TypeError, match="PixelShuffle"):
        groups(net)
