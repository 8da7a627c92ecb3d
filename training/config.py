"""A recipe: one TOML file that says how a detector is trained, read once into frozen sections.

An unknown key, a missing key or a value of the wrong kind is a `ConfigError` with file and line.
The recipe travels inside each checkpoint, so that a model can tell how it was made.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge.contract.ssd import PriorMap, PriorSpec
from edge.errors import ConfigError

T = TypeVar("T")

SHIPPED = Path(__file__).parent / "recipes"
DEMO_SEEDS = range(100, 200)  # doors that no detector may have been trained on


@dataclass(frozen=True, slots=True)
class Input:
    """The detector's input in pixels."""

    width: int
    height: int


BACKBONES = ("mobilenet", "squeezenet")
PHOTOS = ("auto", "csv", "voc", "coco", "yolo")  # kinds of annotations that are read
KINDS = (*PHOTOS, "scene", "synth")


@dataclass(frozen=True, slots=True)
class Model:
    """The network: `width` multiplies all channels, `init` names a weights file or is empty."""

    backbone: str = "mobilenet"  # one of BACKBONES
    width: float = 1.0
    neck: int = 128  # channels of each head's 1x1 convolution
    init: str = ""  # npz of the backbone, relative to the data folder
    start: str = ""  # recipe whose result this one goes on from; `fit --start` gives it
    frozen: int = 3  # so many first convolutions are not trained

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(
                f"backbone must be one of {', '.join(BACKBONES)}, not {self.backbone!r}"
            )


PRESETS = ("overhead", "oblique", "mixed")


@dataclass(frozen=True, slots=True)
class Source:
    """One set of pictures; `kind` is one of KINDS, `share` is its part of a batch.

    Kinds "scene" and "synth" are rendered: the first by the simulator of the demo, from straight
    above or nearly so, the second by `training.synth`, from any tilt. The others are files.
    """

    name: str
    kind: str
    share: float
    path: str = ""  # relative to the data folder
    split: str = ""  # a name that the set knows; empty takes all pictures
    count: int = 0  # pictures that are rendered
    seed: int = 0  # of what is rendered
    width: int = 400  # pixels of what is rendered; a camera's 4:3
    height: int = 300
    preset: str = "mixed"  # tilts of kind "synth", of PRESETS
    overhead: bool = False  # no up or down in the picture: flip it vertically, too


@dataclass(frozen=True, slots=True)
class Validation:
    """The pictures on which the best checkpoint is chosen."""

    path: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class Augment:
    """Chances and ranges of the augmentation; see `training.data.augment`."""

    zoom: float = 0.5
    zoom_min: float = 0.22
    zoom_out: float = 0.15
    zoom_out_max: float = 1.5
    aspect: float = 0.3
    colour: float = 0.7
    grey: float = 0.15
    dark: float = 0.12
    blur: float = 0.2
    noise: float = 0.25
    jpeg: float = 0.2


@dataclass(frozen=True, slots=True)
class Loss:
    """How priors meet heads, and what a miss costs."""

    positive_iou: float = 0.5
    negative_iou: float = 0.4
    negatives: float = 3.0  # hard negatives for each positive, over the batch
    min_side: float = 4.0  # pixels of the input: a smaller head is ignored
    min_visible: float = 0.5  # a head cut by more is ignored


DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Fit:
    """The loop."""

    steps: int
    batch: int = 16
    lr_heads: float = 1e-3
    lr_backbone: float = 3e-4
    weight_decay: float = 1e-4
    warmup: int = 150
    clip: float = 5.0
    ema: float = 0.998
    seed: int = 1
    check_every: int = 250  # steps between checkpoints, each with a validation
    log_every: int = 20
    samples_every: int = 4  # checkpoints between sample pictures; 0: none
    patience: int = 0  # checkpoints in a row without a better AP50 that end a run; 0: never
    device: str = "cpu"  # one of DEVICES
    threads: int = 1
    workers: int = 0  # processes that make batches ahead; 0: a thread, enough for a CPU's own speed
    bfloat16: bool = False  # where the device has it: twice the speed, weights stay float32
    half: bool = False  # round the averaged weights to FP16 at the end: what is judged is exported

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if self.patience < 0 or self.samples_every < 0 or self.workers < 0:
            raise ValueError("patience, samples_every and workers must be 0 or more")


METHODS = (
    "cluster", "published", "filter", "uniform", "torch-pruning", "random", "hybrid", "icp",
)  # fmt: skip
TARGETS = ("latency", "predicted", "macs")
ORDERS = ("layers", "channels")
KEEPS = ("criterion", "medoid")


@dataclass(frozen=True, slots=True)
class Prune:
    """How a network is made small; see `training.prune`. No `method`: not at all."""

    method: str = ""  # one of METHODS
    criterion: str = "taylor"  # of training.prune.criteria
    align: bool = True  # "uniform": round widths up to the device's step
    latency: float = 0.45  # share to be reached of the dense network's `target`
    target: str = "latency"  # one of TARGETS: on the clock, by the profile alone, or MACs
    tolerance: float = 0.02  # of `latency`, by which what is measured may miss it
    rounds: int = 1  # cuts, each but the last followed by a short fit
    round_steps: int = 0  # steps of a short fit
    round_rate: float = 0.5  # of [fit]'s learning rates, in a short fit
    batches: int = 32  # on which the evidence of a criterion is gathered
    least: float = 0.125  # share of every layer's channels that stays in any case
    floor: float = 0.0  # AP50 on validation: a round that ends below it is undone, and the last
    order: str = "layers"  # "hybrid": what goes first, one of ORDERS; the other follows
    layer_criteria: tuple[str, ...] = ("taylor", "loss")  # of blocks; several: the sum of ranks
    bridge: bool = True  # where a block goes, fit the layer before to give what it gave
    depth: float = 0.5  # part of the saving that blocks make: they leave latency ** depth
    probe: float = 0.75  # mild latency at which splits between blocks and channels are tried
    probe_steps: int = 0  # of the short fit of each that is tried; 0: none, `depth` holds
    published: bool = False  # "icp": as in its paper's code
    keep: str = "criterion"  # "icp": which channels stay, of KEEPS
    merge: bool = True  # "icp": what goes is merged into the next layer; not as published

    @property
    def merges(self) -> bool:
        """Whether the next layer makes up for the channels that go."""
        return self.method == "icp" and self.merge and not self.published

    def __post_init__(self) -> None:
        kinds = {"method": METHODS, "target": TARGETS, "order": ORDERS, "keep": KEEPS}
        for key, known in kinds.items():
            value = getattr(self, key)
            if value not in known and (value or key != "method"):
                raise ValueError(f"{key} must be one of {', '.join(known)}, not {value!r}")
        shares = (self.latency, self.tolerance, self.probe)
        if not all(0 < share < 1 for share in shares) or not 0 <= self.least <= 1:
            raise ValueError("latency, tolerance, probe and least must lie between 0 and 1")
        if not 0 <= self.depth < 1 or not self.layer_criteria or self.probe_steps < 0:
            raise ValueError("depth must lie between 0 and 1, and layers need a criterion")
        if self.rounds < 1 or self.batches < 1 or self.round_steps < 0:
            raise ValueError("rounds and batches must be at least 1, round_steps 0 or more")
        if self.method in ("uniform", "torch-pruning") and self.rounds > 1:
            raise ValueError(f"{self.method} cuts once: rounds must be 1")
        if self.published and (self.method, self.criterion, self.keep) != ("icp", "l1", KEEPS[0]):
            raise ValueError(
                'published is of method "icp", which keeps by criterion "l1": set these, too'
            )


@dataclass(frozen=True, slots=True)
class Distil:
    """How much a teacher has to say, see `training.distill`; nothing by default."""

    weight_conf: float = 0.0  # of the classes
    weight_loc: float = 0.0  # of the boxes; Chen et al. take 0.5
    weight_attention: float = 0.0  # of the attention at the heads' maps, see `training.transfer`
    temperature: float = 2.0  # softens both sides' classes; two of them hide little, so it is low
    margin: float = 0.0  # squared distance of codes by which the student must be the better one

    @property
    def on(self) -> bool:
        """Whether a teacher is needed."""
        return self.weight_conf > 0 or self.weight_loc > 0 or self.weight_attention > 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature {self.temperature:g} must be above 0")
        for name in ("weight_conf", "weight_loc", "weight_attention", "margin"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} {getattr(self, name):g} must be 0 or more")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All sections of one recipe file."""

    input: Input
    prior: tuple[PriorMap, ...]
    model: Model
    source: tuple[Source, ...]
    validation: Validation
    fit: Fit
    augment: Augment = field(default_factory=Augment)
    loss: Loss = field(default_factory=Loss)
    distil: Distil = field(default_factory=Distil)
    prune: Prune = field(default_factory=Prune)

    @property
    def spec(self) -> PriorSpec:
        """The priors that go into the manifest."""
        return PriorSpec(self.input.width, self.input.height, self.prior)

    def to_json(self) -> dict[str, Any]:
        """A JSON object for the checkpoint."""
        data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return data


def load_recipe(path: Path) -> Recipe:
    """Read a recipe: a file, or the name of a shipped one as `heads`, whatever folder is called so.

    A recipe with `base = "NAME"` says only what is other than in that one.

    Raises:
        ConfigError: no such file, not TOML, an unknown or missing key, a wrong value.
    """
    shipped = SHIPPED / f"{path}.toml"
    path = shipped if shipped.is_file() and not path.is_file() else path
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    if "base" not in data:
        return read_recipe(data, str(path), text)
    base = load_recipe(Path(str(data.pop("base")))).to_json()
    return read_recipe(_over(base, data), str(path), text)


def _over(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """A base recipe's values with others over them: keys of a table one by one, lists whole."""
    merged = dict(base)
    for key, value in data.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = {**below, **value} if both and below is not None else value
    return merged


def read_recipe(data: dict[str, Any], name: str = "recipe", text: str = "") -> Recipe:
    """Check a recipe's values and freeze them; `text` gives the lines of the messages."""
    recipe = _build(Recipe, data, _Where(name, text, ""))
    for source in recipe.source:
        if source.kind == "scene" and source.seed in DEMO_SEEDS:
            raise ConfigError(
                f"{name}: source {source.name!r}: seeds {DEMO_SEEDS[0]} to {DEMO_SEEDS[-1]} are "
                "kept for demos and tests; choose another"
            )
    shares = sum(source.share for source in recipe.source)
    if not recipe.source or abs(shares - 1) > 1e-3:
        raise ConfigError(f"{name}: the shares of the sources add up to {shares:g}; make it 1")
    for source in recipe.source:
        if source.kind not in KINDS:
            raise ConfigError(
                f"{name}: source {source.name!r}: kind must be one of {', '.join(KINDS)}"
            )
        if source.preset not in PRESETS:
            raise ConfigError(
                f"{name}: source {source.name!r}: preset must be one of {', '.join(PRESETS)}"
            )
    for key in ("steps", "batch", "check_every", "log_every", "threads"):
        if getattr(recipe.fit, key) < 1:
            raise ConfigError(f"{name}: [fit] {key} must be at least 1")
    return recipe


@dataclass(frozen=True, slots=True)
class _Where:
    name: str
    text: str
    section: str

    def into(self, key: str) -> _Where:
        return _Where(self.name, self.text, f"{self.section}.{key}".strip("."))

    def error(self, key: str, message: str) -> ConfigError:
        number = self._line(key)
        place = f"{self.name}:{number}" if number else self.name
        return ConfigError(f"{place}: {self.into(key).section}: {message}")

    def _line(self, key: str) -> int:
        """Line of the key within its section, 0 when it is not to be found."""
        section = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\s*\[+\s*([\w.]+)\s*\]+", line):
                section = header[1]
                if f"{self.section}.{key}".strip(".") == section:
                    return number
            elif section == self.section and re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
        return 0


def _build(kind: type[T], data: object, where: _Where) -> T:
    if not isinstance(data, dict):
        raise ConfigError(f"{where.name}: {where.section} must be a table")
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints:
            raise where.error(key, f"unknown key; known are {', '.join(sorted(hints))}")
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        needed = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if needed and item.name not in data:
            raise ConfigError(f"{where.name}: {where.into(item.name).section} is missing")
    values = {key: _value(hints[key], value, where, key) for key, value in data.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{where.name}: {where.section}: {error}") from error


def _value(hint: type[Any], value: object, where: _Where, key: str) -> object:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type[Any], hint), value, where.into(key))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise where.error(key, "must be a list")
        return tuple(_value(inner, entry, where, key) for entry in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise where.error(key, f"must be {hint.__name__}, not {value!r}")
    return value
