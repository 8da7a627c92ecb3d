"""The manifest of a model bundle: what a model is, takes, gives, and was made from.

JSON in, frozen record out. Every field is checked here; whether the files beside a manifest are
the ones that it lists is the business of `edge.contract.bundle`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from edge.contract.ssd import PriorSpec
from edge.contract.strict_json import (
    Reader,
    canonical_json,
    list_of,
    mapping,
    need,
    number,
    parse_json,
    record,
    text,
    texts,
    whole,
)

SCHEMA = 1
OUTPUTS = ("ssd", "detection-output")
COLOURS = ("bgr", "rgb")
TARGETS = ("head", "body")
INT8 = "int8"  # the precision of a quantised variant; any other names a float one

_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_MAX_PRIORS = 200_000


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The picture that the graph takes: pixels, order of colours, (x - mean) / scale.

    `mean` and `scale` are in the order of `colour`; 0 and 1 where the graph takes 0..255.
    """

    width: int
    height: int
    colour: str = "bgr"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        need(1 <= self.width <= 4096, "input.width must be 1 to 4096")
        need(1 <= self.height <= 4096, "input.height must be 1 to 4096")
        need(self.colour in COLOURS, "input.colour must be bgr or rgb")
        need(all(part > 0 for part in self.scale), "input.scale must be above 0")


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of the model: the devices it is meant for, its precision, its two files."""

    devices: tuple[str, ...]
    precision: str
    xml: str
    bin: str

    def __post_init__(self) -> None:
        need(bool(self.devices), "a variant needs a device")

    @property
    def quantised(self) -> bool:
        """Whether it computes with 8-bit integers."""
        return self.precision == INT8


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a file of the bundle must be: bytes and hex digest."""

    size: int
    sha256: str

    def __post_init__(self) -> None:
        need(self.size >= 0, "a file's size must be 0 or more")
        need(bool(_SHA256.fullmatch(self.sha256)), "a file's sha256 must be 64 hex digits")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is to be known of a model.

    Args:
        name: of the model's line; a bundle replaces one of the same name.
        version: for people, as 1.2.0.
        counter: grows with every release of the name; a device refuses a lower one.
        created: UTC, as 2026-01-31T12:00:00Z.
        input: the picture that the graph takes.
        output: `ssd` gives raw loc (1, N, 4) and softmax conf (1, N, 1 + labels);
            `detection-output` gives (1, 1, N, 7) rows image, label, score, x1, y1, x2, y2.
        labels: the classes without the background.
        score: lowest score of a new person, 0..1.
        nms: of two boxes with more overlap than this, the better stays, 0..1.
        variants: at least one.
        priors: with `ssd`, what the boxes are coded against.
        target: what the boxes hold, `head` or `body`: tells which point of it crosses a line.
        min_app_version: of the application, as 1.2.0.
        recipe: what the training was told. plan: what the pruning did. metrics: AP50, AP,
            latency by device, audits. All three are free-form JSON.
        licences: of the training data, one line each.
        files: those of the folder; filled by `write_bundle`.

    Raises:
        ValueError: a field is out of its range, or two do not fit together.
    """

    name: str
    version: str
    counter: int
    created: str
    input: ModelInput
    output: str
    labels: tuple[str, ...]
    score: float
    nms: float
    variants: tuple[Variant, ...]
    priors: PriorSpec | None = None
    target: str = "head"
    min_app_version: str = "0"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        need(bool(_NAME.fullmatch(self.name)), "name must be letters, digits, `.`, `_`, `-`")
        for key in ("version", "min_app_version"):
            need(bool(_VERSION.fullmatch(getattr(self, key))), f"{key} must be like 1.2.0")
        need(self.counter >= 0, "counter must be 0 or more")
        need(bool(_TIME.fullmatch(self.created)), "created must be like 2026-01-31T12:00:00Z")
        need(self.output in OUTPUTS, f"output must be one of {', '.join(OUTPUTS)}")
        need(self.target in TARGETS, f"target must be one of {', '.join(TARGETS)}")
        need(bool(self.labels), "labels must name a class")
        need(0 <= self.score <= 1 and 0 <= self.nms <= 1, "score and nms must be 0 to 1")
        need(bool(self.variants), "variants must hold one")
        for path in [*self.files, *(name for v in self.variants for name in (v.xml, v.bin))]:
            good = _PATH.fullmatch(path) and not path.startswith("manifest.")
            need(bool(good), f"{path!r} is no path of a file within the bundle")
        self._check_priors()

    def _check_priors(self) -> None:
        need((self.priors is not None) == (self.output == "ssd"), "ssd, and only it, has priors")
        if self.priors is not None:
            size = (self.priors.width, self.priors.height)
            fits = size == (self.input.width, self.input.height)
            need(fits, "input and priors must have the same width and height")
            count = sum(
                math.ceil(size[0] / level.stride)
                * math.ceil(size[1] / level.stride)
                * len(level.sizes)
                for level in self.priors.maps
            )
            need(count <= _MAX_PRIORS, f"{count} priors are more than {_MAX_PRIORS}")

    def to_bytes(self) -> bytes:
        """The canonical bytes: those of `manifest.json`, which are signed."""
        content = {"schema": SCHEMA} | {key.name: getattr(self, key.name) for key in fields(self)}
        content["priors"] = None if self.priors is None else self.priors.to_json()
        content["priors_sha256"] = None if self.priors is None else self.priors.sha256
        return canonical_json(content)

    @classmethod
    def from_bytes(cls, content: bytes) -> Manifest:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is not JSON, of another schema, or a field is missing, unknown or bad.
        """
        data = mapping(parse_json(content))
        if data.pop("schema", None) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}: made for another version of headcount")
        digest = data.pop("priors_sha256", None)
        manifest = record(cls, data, _MANIFEST)
        if manifest.priors is not None and manifest.priors.sha256 != digest:
            raise ValueError("priors_sha256 is not that of the priors: made by another prior code")
        return manifest


def _three(value: object) -> tuple[float, ...]:
    numbers = list_of(value, number)
    need(len(numbers) == 3, "must be 3 numbers")
    return numbers


def _priors(value: object) -> PriorSpec | None:
    return None if value is None else PriorSpec.from_json(mapping(value))


def _input(value: object) -> ModelInput:
    return record(ModelInput, value, _INPUT)


def _variants(value: object) -> tuple[Variant, ...]:
    return list_of(value, lambda item: record(Variant, item, _VARIANT))


def _files(value: object) -> dict[str, FileEntry]:
    return {path: record(FileEntry, item, _FILE) for path, item in mapping(value).items()}


_INPUT: dict[str, Reader] = {
    "width": whole,
    "height": whole,
    "colour": text,
    "mean": _three,
    "scale": _three,
}
_VARIANT: dict[str, Reader] = {"devices": texts, "precision": text, "xml": text, "bin": text}
_FILE: dict[str, Reader] = {"size": whole, "sha256": text}
_MANIFEST: dict[str, Reader] = {
    "name": text,
    "version": text,
    "counter": whole,
    "created": text,
    "input": _input,
    "output": text,
    "labels": texts,
    "score": number,
    "nms": number,
    "variants": _variants,
    "priors": _priors,
    "target": text,
    "min_app_version": text,
    "recipe": mapping,
    "plan": mapping,
    "metrics": mapping,
    "licences": texts,
    "files": _files,
}
