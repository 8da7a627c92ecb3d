"""SqueezeNet: taps, Caffe's weights, a file for old runtimes, and that it learns."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
from pathlib import Path

import numpy as np
import torch.nn.functional as fn

from edge.errors import ConfigError, DataError
from tests.training.kit import pools, recipe, write_recipe
from training.checkpoint import build, new_state
from training.config import Input, Model, Recipe, load_recipe
from training.data.sampler import batch
from training.engine import collate, train_step
from training.export import export
from training.models.layers import widened
from training.models.mobilenet import MobileNet
from training.models.squeezenet import CAFFE, FEATURE, FIRES, MEAN, SqueezeNet

pytestmark = pytest.mark.training

SIZE = (64, 96)


def squeeze_recipe(width: int = 96, height: int = 64) -> Recipe:
    """The small recipe of the kit on a narrow SqueezeNet."""
    model = Model(backbone="squeezenet", width=0.25, neck=16, frozen=0)
    return dataclasses.replace(recipe(), model=model, input=Input(width, height))


def caffe_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights in the form of Caffe's file, the classifier included."""
    rng, net = np.random.default_rng(seed), SqueezeNet(1.0, SIZE)
    convs = {"conv1": net.conv1.conv}
    for number in range(2, 10):
        fire = getattr(net, f"fire{number}")
        convs |= {f"fire{number}/{key}": getattr(fire, part).conv for part, key in CAFFE.items()}
    arrays = {"conv10.weight": np.zeros(1), "conv10.bias": np.zeros(1)}
    for name, conv in convs.items():
        scale = (2 / conv.weight[0].numel()) ** 0.5
        arrays[f"{name}.weight"] = rng.normal(0, scale, conv.weight.shape).astype(np.float16)
        arrays[f"{name}.bias"] = rng.normal(0, 5, conv.out_channels).astype(np.float32)
    return arrays


def caffe_features(arrays: dict[str, np.ndarray], picture: torch.Tensor) -> list[torch.Tensor]:
    """What Caffe computes on raw BGR of even size: the outputs of fire5 and fire9, unscaled."""

    def conv(x: torch.Tensor, name: str, **options: int) -> torch.Tensor:
        weight, bias = (torch.tensor(arrays[f"{name}.{p}"]).float() for p in ("weight", "bias"))
        return fn.conv2d(x, weight, bias, **options).relu()

    # one more row and column after: SAME in the place of Caffe's conv1 without pad
    x = fn.pad(picture - torch.tensor(MEAN).view(1, 3, 1, 1), (0, 1, 0, 1))
    x, out = conv(x, "conv1", stride=2), []
    for number in range(2, 10):
        x = fn.max_pool2d(x, 3, 2, ceil_mode=True) if number in (2, 4, 6) else x
        x = conv(x, f"fire{number}/squeeze1x1")
        sides = (f"fire{number}/expand1x1", 0), (f"fire{number}/expand3x3", 1)
        x = torch.cat([conv(x, name, padding=pad) for name, pad in sides], 1)
        out += [x] if number in (5, 9) else []
    return out


@pytest.mark.parametrize("size", [(64, 96), (67, 101), (33, 35)])
def test_taps_are_the_last_features_of_their_strides(size: tuple[int, int]) -> None:
    """fire5, fire9 and fire10 at 8, 16 and 32, rounded up; so many channels as they tell."""
    net = SqueezeNet(0.5, size)
    features = net(torch.zeros(1, 3, *size), tuple(net.taps.values()))

    assert {8: 5, 16: 9, 32: 10} == net.taps
    for (stride, tap), feature in zip(net.taps.items(), features, strict=True):
        assert (1, net.channels[tap], *(-(-s // stride) for s in size)) == tuple(feature.shape)


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_width_multiplies_every_convolution(width: float) -> None:
    """In multiples of 8; a fire module gives the channels of both its expand convolutions."""
    net = SqueezeNet(width, SIZE)

    assert 1 + 3 * len(FIRES) == len(net.convolutions())
    for number, (squeeze, expand) in FIRES.items():
        fire = getattr(net, f"fire{number}")
        widths = [conv.out_channels for conv in fire.modules() if isinstance(conv, torch.nn.Conv2d)]
        assert [widened(squeeze, width), *[widened(expand, width)] * 2] == widths
        assert sum(widths[1:]) == net.channels[number]


def test_features_are_caffes_to_a_factor(tmp_path: Path) -> None:
    """Colours, order of the channels, pools and biases: 1/16 of what Caffe computes."""
    arrays = caffe_tensors()
    np.savez(tmp_path / "w.npz", **arrays)
    net = SqueezeNet(1.0, SIZE)
    net.load_npz(tmp_path / "w.npz")
    picture = torch.rand(1, 3, *SIZE) * 255
    with torch.inference_mode():
        got = net(net.normalise(picture), (5, 9))
        wanted = caffe_features(arrays, picture)

    for caffe, ours in zip(wanted, got, strict=True):
        assert float(ours.std()) > 0.1
        assert torch.allclose(caffe * FEATURE, ours, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fault", ["missing", "more", "shape"])
def test_weights_of_another_network_are_refused(tmp_path: Path, fault: str) -> None:
    """A tensor too few, one too many, or one of another shape: told by name, nothing changed."""
    arrays, key = caffe_tensors(), "fire9/expand3x3.bias"
    if fault == "missing":
        del arrays[key]
    elif fault == "more":
        arrays["fire10/squeeze1x1.bias"] = arrays[key]
    else:
        arrays[key] = arrays[key][:-1]
    np.savez(tmp_path / "w.npz", **arrays)
    net = SqueezeNet(1.0, SIZE)
    before = net.conv1.conv.weight.clone()

    with pytest.raises(DataError, match="fire10/squeeze1x1" if fault == "more" else key):
        net.load_npz(tmp_path / "w.npz")
    assert torch.equal(before, net.conv1.conv.weight)


@pytest.mark.data
def test_imagenet_weights_fit_and_make_lively_features(data: Path) -> None:
    """The real file fills the net; no tap is dead, or so large that the heads would saturate."""
    files = [data / load_recipe(Path(name)).model.init for name in ("squeeze", "heads")]
    for path in files:
        if not path.is_file():
            pytest.skip(f"no {path.name} in the data folder")
    net = SqueezeNet(1.0, (64, 64))
    net.load_npz(files[0])
    with torch.inference_mode():
        colours = torch.linspace(0, 255, 64).expand(1, 3, 64, 64)
        features = net(net.normalise(colours), tuple(net.taps.values()))

    for feature in features:
        assert 0.02 < float((feature > 0).float().mean()) < 0.9
        assert 0.02 < float(feature.square().mean().sqrt()) < 6
    with pytest.raises(DataError, match="another network"):
        net.load_npz(files[1])
    with pytest.raises(DataError, match="another network"):
        MobileNet(1.0, (64, 64)).load_npz(files[0])
    with pytest.raises(DataError, match=r"width 1\.0 alone"):
        SqueezeNet(0.5, (64, 64)).load_npz(files[0])


@pytest.mark.parametrize("size", [(96, 64), (90, 70)])
def test_exported_file_equals_torch_and_is_old_enough(size: tuple[int, int]) -> None:
    """Pools and concatenations, too, as IR 10 with operations of opset 4 or older."""
    net = build(squeeze_recipe(*size)).eval()
    with torch.no_grad():
        for head in net.heads():
            head.conf.weight.mul_(20)
            head.loc.weight.mul_(20)
    exported = export(net)

    assert b'version="10"' in exported.xml.split(b">")[1]
    assert 1 == exported.operations["MaxPool"]
    assert max(exported.operations.values()) <= 4
    assert exported.f32_diff < 1e-4
    assert 0 < exported.loc_diff < 1e-2
    assert exported.conf_diff < 5e-3


def test_a_step_of_training_lowers_the_loss() -> None:
    """On one and the same batch, step by step."""
    plan = squeeze_recipe()
    state = new_state(build(plan), plan.fit, plan.model.frozen)
    data = collate(batch(pools(plan), plan, 0), plan)
    figures = [train_step(state, data, plan) for _ in range(4)]
    losses = [figure["loss_conf"] + figure["loss_loc"] for figure in figures]

    assert sorted(losses, reverse=True) == losses
    assert losses[-1] < losses[0]


def test_a_backbone_that_is_none_is_told(tmp_path: Path) -> None:
    """The message names those that there are."""
    path = write_recipe(tmp_path / "r.toml")
    path.write_text(path.read_text().replace("[model]", '[model]\nbackbone = "resnet"'))

    with pytest.raises(ConfigError, match=r"r\.toml: model: .*mobilenet, squeezenet, not 'resnet'"):
        load_recipe(path)
