"""Maps by their inner products: against the maps themselves, laid side by side."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from torch import Tensor, nn

from tests.training.prune.kit import BACKBONES, group, network, picture
from training.prune.groups import ChannelGroup, Slot, groups
from training.prune.maps import Maps, distances, made_maps, read_maps

pytestmark = pytest.mark.training


def maps_of(rows: np.ndarray) -> Maps:
    """Of maps (n, cells)."""
    return Maps(rows.shape[1], rows.sum(1), rows @ rows.T)


def caught(net: nn.Module, name: str, batches: list[Tensor], *, read: bool) -> np.ndarray:
    """What a module of a network is given, or gives, over all batches: (channels, cells)."""
    rows: list[Tensor] = []

    def hook(_: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        rows.append((given[0] if read else made).detach().transpose(0, 1).flatten(1))

    handle = net.get_submodule(name).register_forward_hook(hook)
    for batch in batches:
        net(batch)
    handle.remove()
    return torch.cat(rows, 1).double().numpy()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_reader_of_a_group_is_looked_at(backbone: str) -> None:
    """Products and means over all cells of all pictures, of the group's own channels."""
    net, batches = network(backbone), [picture(1), picture(2)]
    found = groups(net)
    seen = read_maps(net, found, batches)
    for each in (found[0], found[4], found[-1]):
        assert set(each.consumers) == set(seen[each.name])
        for slot in each.consumers:
            rows = caught(net, slot.conv, batches, read=True)
            rows = rows[slot.offset : slot.offset + each.size]
            maps = seen[each.name][slot]

            assert maps.cells == rows.shape[1]
            assert maps.mean == pytest.approx(rows.mean(1))
            assert maps.products == pytest.approx(rows @ rows.T)
            assert maps.scatter == pytest.approx(
                np.cov(rows, bias=True) * rows.shape[1], abs=1e-9 * (rows**2).sum()
            )


def test_published_maps_are_of_one_mean_picture_before_the_activation() -> None:
    """Averaged over the batch, cells apart; values below zero are there."""
    net = network()
    each = group(net, "block3.pw.conv")
    batch = torch.cat([picture(1), picture(2)])
    (maps,) = made_maps(net, [each], batch)[each.name].values()
    both = caught(net, each.name, [picture(1), picture(2)], read=False)
    rows = np.mean(np.split(both, 2, axis=1), axis=0)

    assert rows.min() < 0
    assert maps.products == pytest.approx(rows @ rows.T, rel=1e-4, abs=1e-4)


def test_looking_leaves_no_trace() -> None:
    """Hooks and mode are afterwards as before, also when the network fails."""
    net = network().train()
    read_maps(net, groups(net), [picture()])
    with pytest.raises(RuntimeError):
        made_maps(net, groups(net), torch.zeros(1, 2, 48, 64))

    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_centred_maps_are_compared_by_what_changes() -> None:
    """A common mean makes all maps alike; without it they are as they are. A constant is none."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 500)) + 50
    rows[2] = 3 * rows[0] + 7
    rows = np.vstack([rows, np.full(500, 0.3)])
    plain, centred = (maps_of(rows).distances(centred=c) for c in (False, True))

    assert plain.max() < 0.01
    assert centred[0, 1] == pytest.approx(1, abs=0.15)
    assert centred[0, 2] == pytest.approx(0, abs=1e-9)
    assert [1, 1, 1, 0] == pytest.approx(centred[3].tolist())


def test_channels_are_as_far_apart_as_the_reader_that_sees_them_farthest() -> None:
    """Alike for one reader and not for another is not alike."""
    rng = np.random.default_rng(1)
    same = np.repeat(rng.normal(size=(1, 90)), 2, axis=0)
    other = rng.normal(size=(2, 40))
    found = distances({1: maps_of(same), 2: maps_of(other)}, centred=True)  # type: ignore[dict-item]

    assert found[0, 1] == pytest.approx(1 - np.corrcoef(other)[0, 1])


def test_a_vector_is_a_map_of_one_cell() -> None:
    """A linear layer behind a pool reads a group's channels, too."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    each = ChannelGroup("0", 4, (Slot("0"),), (), (Slot("3"),))
    batch = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    (maps,) = read_maps(net, [each], [batch])["0"].values()

    assert 5 == maps.cells
    assert maps.total == pytest.approx(net[:3](batch).sum(0).tolist())
