"""A recipe for a classifier: one TOML file that says what is trained, cut and compared.

Read as those of detectors are: an unknown key or a value of the wrong kind is an error with a line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from edge.errors import ConfigError
from training.config import SHIPPED, frozen
from training.models.classifier import Classifier
from training.models.googlenet import GoogLeNet
from training.models.resnet import ResNet, load_resnet
from training.models.vgg import VGG
from training.transfer import Transfer

NETS = ("resnet56", "vgg16", "googlenet")


@dataclass(frozen=True, slots=True)
class Net:
    """The network, and weights to begin with, relative to the data folder; none: by chance."""

    name: str  # one of NETS
    init: str = ""
    width: float = 1.0  # multiplies all channels
    blocks: int = 9  # of each stage of a ResNet

    def __post_init__(self) -> None:
        if self.name not in NETS:
            raise ValueError(f"name must be one of {', '.join(NETS)}, not {self.name!r}")


@dataclass(frozen=True, slots=True)
class Data:
    """Where the pictures lie, and how many of the training split are for validation."""

    path: str = "cifar10"  # relative to the data folder
    held_out: int = 5000
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Fit:
    """One training: SGD with Nesterov's momentum, a rising line, then half a cosine to 0."""

    epochs: float
    batch: int = 256
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.5  # epochs
    smoothing: float = 0.0  # of the labels, 0..1

    def __post_init__(self) -> None:
        if self.epochs <= 0 or self.batch < 1 or self.lr <= 0:
            raise ValueError("epochs, batch and lr must be more than 0")


@dataclass(frozen=True, slots=True)
class Cut:
    """What all arms that prune have in common."""

    share: float = 0.5  # of the dense network's multiply-accumulates that is left
    step: int = 1  # channels of one cut
    least: float = 0.1  # share of each layer's channels that stays, but with ICP as published
    depth: float = 0.5  # hybrid: part of the saving that blocks make: they leave share ** depth
    rounds: int = 3  # ICP: cuts, with a short fit between
    between: float = 0.15  # part of the epochs of each short fit between two cuts
    batches: int = 8  # of training pictures that criteria look at
    ranks: int = 32  # pictures that tell of the ranks of maps

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 0 <= self.between * (self.rounds - 1) < 1:
            raise ValueError("share must be 0..1, and the short fits must leave epochs to the last")


@dataclass(frozen=True, slots=True)
class Study:
    """What is compared where nothing else is asked for, the most wanted first.

    share: of a device's time, where several networks' arms share it.
    """

    arms: tuple[str, ...] = ("dense", "l1", "l1-kt", "icp-published", "icp-kt", "icp")
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class ClassifierRecipe:
    """The whole recipe. base: the training of the dense network; arms: what each arm gets after."""

    net: Net
    base: Fit
    arms: Fit
    data: Data = field(default_factory=Data)
    cut: Cut = field(default_factory=Cut)
    transfer: Transfer = field(default_factory=Transfer)
    study: Study = field(default_factory=Study)

    def network(self, data: Path, seed: int) -> Classifier:
        """The network as the base begins.

        Raises:
            DataError: the weights are not there, or of another network.
        """
        net = self.random(seed)
        if self.net.init and isinstance(net, ResNet):
            load_resnet(net, data / self.net.init)
        return net

    def random(self, seed: int) -> Classifier:
        """The network with weights by chance."""
        builders: dict[str, Callable[[], Classifier]] = {
            "resnet56": lambda: ResNet(self.net.blocks, round(16 * self.net.width)),
            "vgg16": lambda: VGG(self.net.width),
            "googlenet": lambda: GoogLeNet(self.net.width),
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return builders[self.net.name]()


def load_classifier_recipe(path: Path) -> ClassifierRecipe:
    """Read a recipe's file, or the shipped one of a name.

    Raises:
        ConfigError: no such file, or a value in it is wrong.
    """
    shipped = SHIPPED / "cifar" / f"{path}.toml"
    if not path.exists() and shipped.exists():
        path = shipped
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a recipe: {error}") from error
    return frozen(ClassifierRecipe, data, str(path), text)
