"""The network: padding, ImageNet weights, outputs that fit the priors on every backbone."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from pathlib import Path

import numpy as np
import torch.nn.functional as fn

from edge.contract.ssd import PriorMap, PriorSpec, priors
from edge.errors import DataError
from tests.training.kit import recipe
from training.checkpoint import build
from training.config import BACKBONES
from training.models import ssd
from training.models.layers import Conv, same_pad, same_pool, widened
from training.models.mobilenet import MobileNet
from training.models.ssd import SSD, Deployed

pytestmark = pytest.mark.training

SIZE = (32, 48)


@pytest.mark.parametrize(
    ("size", "stride", "pads"),
    [
        (8, 1, (1, 1)),
        (7, 1, (1, 1)),
        (8, 2, (0, 1)),
        (7, 2, (1, 1)),
        (1, 2, (1, 1)),
        (2, 2, (0, 1)),
    ],
)
def test_same_padding_is_tensorflows(size: int, stride: int, pads: tuple[int, int]) -> None:
    """For a kernel of 3: one more after than before where the number is odd."""
    assert pads == same_pad(size, stride)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (8, 5)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_looks_at_the_cells_that_tensorflow_looks_at(
    size: tuple[int, int], stride: int
) -> None:
    """Equal to padding by hand and convolving without pad; the size is rounded up."""
    conv = Conv(2, 3, size=size, stride=stride)
    x = torch.rand(1, 2, *size)
    top, bottom = same_pad(size[0], stride)
    left, right = same_pad(size[1], stride)
    padded = fn.pad(x, (left, right, top, bottom))
    wanted = fn.conv2d(padded, conv.conv.weight, conv.conv.bias, stride).clamp(0, 6)
    got = conv(x)

    assert (1, 3, -(-size[0] // stride), -(-size[1] // stride)) == tuple(got.shape)
    assert torch.allclose(wanted, got, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (8, 5), (2, 2), (1, 1)])
def test_pool_looks_at_the_cells_that_tensorflow_looks_at(size: tuple[int, int]) -> None:
    """Equal to padding by hand with what never is a maximum; the size is rounded up."""
    x = torch.randn(1, 2, *size)
    top, bottom = same_pad(size[0], 2)
    left, right = same_pad(size[1], 2)
    padded = fn.pad(x, (left, right, top, bottom), value=-torch.inf)
    got = same_pool(size)(x)

    assert (1, 2, -(-size[0] // 2), -(-size[1] // 2)) == tuple(got.shape)
    assert torch.equal(fn.max_pool2d(padded, 3, 2), got)


@pytest.mark.parametrize(
    ("channels", "width", "wanted"), [(32, 1.0, 32), (32, 0.25, 8), (16, 0.25, 8), (48, 0.75, 40)]
)
def test_width_keeps_multiples_of_8(channels: int, width: float, wanted: int) -> None:
    """The nearest one, halves up, and never none."""
    assert wanted == widened(channels, width)


def save_npz(net: MobileNet, path: Path) -> dict[str, np.ndarray]:
    """The weights of a network in the form of the ImageNet file, with RGB input."""
    arrays = {}
    for number, conv in enumerate(net.convolutions()):
        kind = "dw" if conv.groups > 1 else "conv"
        weight = conv.weight.detach().numpy()
        arrays[f"{number:02d}_{kind}_w"] = weight[:, ::-1] if number == 0 else weight
        arrays[f"{number:02d}_{kind}_b"] = conv.bias.detach().numpy()
    np.savez(path, **arrays)
    return arrays


def test_every_tensor_of_a_weights_file_finds_its_place(tmp_path: Path) -> None:
    """A second network filled from the first's file gives the same features."""
    first, second = MobileNet(0.25, SIZE), MobileNet(0.25, SIZE)
    save_npz(first, tmp_path / "w.npz")
    second.load_npz(tmp_path / "w.npz")
    x = torch.rand(1, 3, *SIZE)

    assert torch.equal(first(x)[0], second(x)[0])


@pytest.mark.parametrize("fault", ["missing", "more", "shape"])
def test_weights_of_another_network_are_refused(tmp_path: Path, fault: str) -> None:
    """A tensor too few, one too many, or one of another shape: told by name, nothing changed."""
    net = MobileNet(0.25, SIZE)
    arrays = save_npz(net, tmp_path / "w.npz")
    key = "04_conv_w"
    if fault == "missing":
        del arrays[key]
    elif fault == "more":
        arrays["27_conv_w"] = arrays[key]
    else:
        arrays[key] = arrays[key][:-1]
    np.savez(tmp_path / "w.npz", **arrays)

    before = net.stem.conv.weight.clone()

    with pytest.raises(DataError, match="27_conv_w" if fault == "more" else key):
        net.load_npz(tmp_path / "w.npz")
    assert torch.equal(before, net.stem.conv.weight)


def test_a_file_that_is_no_weights_is_told(tmp_path: Path) -> None:
    """Missing, or not an npz."""
    (tmp_path / "w.npz").write_text("none")
    for name in ("w.npz", "none.npz"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            MobileNet(0.25, SIZE).load_npz(tmp_path / name)


@pytest.mark.data
def test_imagenet_weights_fit_and_make_lively_features(data: Path) -> None:
    """The real file maps whole; its features neither die nor saturate on a plain picture."""
    path = data / "weights" / "mobilenet_v1_imagenet_folded_dequant_f16.npz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the data folder")
    net = MobileNet(1.0, (64, 64))
    net.load_npz(path)
    with torch.inference_mode():
        feature = net(torch.linspace(-1, 1, 64).expand(1, 3, 64, 64))[0]

    assert (1, 1024, 2, 2) == tuple(feature.shape)
    assert 0.02 < float((feature > 0).float().mean()) < 0.9
    with pytest.raises(DataError, match=r"width 1\.0 alone"):
        MobileNet(0.5, (64, 64)).load_npz(path)


def test_every_backbone_can_be_asked_for() -> None:
    """What a recipe may name is what there is."""
    assert set(ssd.BACKBONES) == set(BACKBONES)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("size", [(96, 64), (90, 70), (67, 101)])
def test_outputs_fit_the_priors(size: tuple[int, int], backbone: str) -> None:
    """One code and one pair of scores for each prior, also where no stride divides the input."""
    spec = PriorSpec(
        *size, (PriorMap(8, (10.0, 14.0)), PriorMap(16, (28.0,)), PriorMap(32, (50.0,)))
    )
    net = Deployed(SSD(spec, backbone=backbone, width=0.25, neck=16)).eval()
    with torch.inference_mode():
        loc, conf = net(torch.zeros(2, 3, size[1], size[0]))

    assert (2, len(priors(spec)), 4) == tuple(loc.shape)
    assert (2, len(priors(spec)), 2) == tuple(conf.shape)
    assert torch.allclose(torch.ones(()), conf.sum(-1))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_output_belongs_to_the_prior_at_its_place(backbone: str) -> None:
    """A change of one corner of the picture changes the priors there and none far away."""
    spec = PriorSpec(256, 256, (PriorMap(8, (10.0, 14.0)),))
    net = SSD(spec, backbone=backbone, width=0.25, neck=16).eval()
    dark, spot = torch.full((1, 3, 256, 256), 100.0), torch.full((1, 3, 256, 256), 100.0)
    spot[..., 20:28, 200:208] = 250
    with torch.inference_mode():
        change = (net(dark)[0] - net(spot)[0]).abs().amax(-1)[0].numpy()
    moved = priors(spec)[change > 1e-7, :2]

    assert len(moved)
    assert np.abs(moved - [204 / 256, 24 / 256]).max() < 0.25


def test_maps_of_unknown_strides_are_refused() -> None:
    """The network has taps at 8, 16 and 32, finest first."""
    for strides in ((4,), (16, 8), (8, 8)):
        maps = tuple(PriorMap(stride, (10.0,)) for stride in strides)
        for backbone in BACKBONES:
            with pytest.raises(ValueError, match="strides"):
                SSD(PriorSpec(64, 64, maps), backbone=backbone)


def test_a_seed_makes_the_network() -> None:
    """Equal seeds give equal weights, others other ones."""
    one, same, other = build(recipe()), build(recipe()), build(recipe(seed=2))

    assert torch.equal(one.head0.loc.weight, same.head0.loc.weight)
    assert not torch.equal(one.head0.loc.weight, other.head0.loc.weight)
