"""From an exported file to its int8 twin: post-training quantisation with NNCF.

Optional, and for CPUs alone: the file is of today's IR, which old runtimes and sticks cannot
read. What is quantised is the float graph of `training.export`, so weights, input and outputs
are those of the door's float file. What it costs in AP is left to `training.evaluate`.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge.errors import BundleError, DataError, WorldError
from edge.openvino_core import core
from training.config import Recipe
from training.data.augment import whole
from training.data.sampler import Pool
from training.export import Exported

Picture = NDArray[np.float32]
Preset = Literal["performance", "mixed"]

PICTURES = 300  # for calibration; NNCF's own default
_PROBES = 32  # of them are compared with the float file


@dataclass(frozen=True, slots=True)
class Quantised:
    """An int8 IR in memory, how it was made, and how far it is from the float file.

    Args:
        xml: today's IR.
        bin: its weights.
        preset: of NNCF.
        pictures: how many it was calibrated on.
        floats: names of the convolutions that stay float.
        loc_diff: largest absolute difference of a code on some of the pictures.
        conf_diff: the same of a probability.
    """

    xml: bytes
    bin: bytes
    preset: Preset
    pictures: int
    floats: tuple[str, ...]
    loc_diff: float
    conf_diff: float

    def report(self) -> dict[str, Any]:
        """The figures without the files."""
        values = {**asdict(self), "floats": list(self.floats)}
        return {key: value for key, value in values.items() if key not in ("xml", "bin")}


def quantise(
    exported: Exported,
    pictures: Sequence[Picture],
    *,
    preset: Preset = "performance",
    float_outputs: bool = False,
) -> Quantised:
    """Quantise an exported network; nothing is written.

    Args:
        exported: the float file.
        pictures: (1, 3, H, W) raw BGR 0..255, as the door shows them; see
            `calibration_pictures`. The ranges of all activations come from them.
        preset: `performance` codes weights and activations symmetrically, `mixed` weights only.
            Where activations come from a ReLU there is little between them.
        float_outputs: leave the last convolutions, those of codes and logits, in float; for a
            network that loses AP without it.

    Raises:
        WorldError: NNCF is not installed.
        DataError: there are no pictures, or they do not fit the network.
        BundleError: the int8 file gives no numbers.
    """
    nncf = _nncf()
    model = _read(exported.xml, exported.bin)
    _check(pictures, tuple(model.input(0).shape))
    floats = last_convolutions(model) if float_outputs else ()
    quantised = nncf.quantize(
        model,
        nncf.Dataset(pictures),
        preset=nncf.QuantizationPreset(preset),
        subset_size=len(pictures),
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(names=list(floats)) if floats else None,
    )
    xml, weights = _saved(quantised)
    loc, conf = _difference(model, _read(xml, weights), pictures[:_PROBES])
    if not np.isfinite([loc, conf]).all():
        raise BundleError("the int8 file gives what is no number; bundle the float file alone")
    return Quantised(xml, weights, preset, len(pictures), floats, loc, conf)


def calibration_pictures(
    pools: Sequence[Pool], recipe: Recipe, *, count: int = PICTURES, seed: int = 1
) -> list[Picture]:
    """Draw pictures from the training pools: each pool by its share, no picture twice.

    They are not augmented, only squashed to the input: what the detector will see at the door.

    Args:
        pools: of the training; never those of a validation or a test.
        recipe: gives the size of the input.
        count: pictures, of shape (1, 3, H, W) raw BGR 0..255; fewer where the pools hold fewer.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    total = sum(pool.source.share for pool in pools)
    size = (recipe.input.width, recipe.input.height)
    drawn = []
    for pool in pools:
        wanted = min(round(count * pool.source.share / total), len(pool.pictures))
        for index in rng.permutation(len(pool.pictures))[:wanted]:
            view = whole(pool.pictures[int(index)], size)
            drawn.append(view.image.transpose(2, 0, 1)[None].astype(np.float32))
    return drawn


def last_convolutions(model: ov.Model) -> tuple[str, ...]:
    """Names of the convolutions after which no other stands on the way to an output."""
    waiting = [result.input_value(0).get_node() for result in model.get_results()]
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            found.add(node.get_friendly_name())
        else:
            waiting += [port.get_node() for port in node.input_values()]
    return tuple(sorted(found))


def _nncf() -> Any:  # noqa: ANN401 - it has no types
    try:
        return importlib.import_module("nncf")  # takes seconds, and few have it
    except ModuleNotFoundError as error:
        raise WorldError(
            f"int8 needs {error.name}, which is not installed; run: pip install 'headcount[int8]'"
        ) from error


def _check(pictures: Sequence[Picture], shape: tuple[int, ...]) -> None:
    if not pictures:
        raise DataError("int8: no pictures to calibrate on; give some of the training pools")
    for picture in pictures:
        if picture.shape != shape:
            raise DataError(f"int8: a picture of shape {picture.shape}, the network takes {shape}")


def _read(xml: bytes, weights: bytes) -> ov.Model:
    return core().read_model(xml, ov.Tensor(np.frombuffer(weights, np.uint8)))


def _saved(model: ov.Model) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.save_model(model, path, compress_to_fp16=True)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _difference(
    wanted: ov.Model, got: ov.Model, pictures: Sequence[Picture]
) -> tuple[float, float]:
    """Largest absolute differences of loc and of conf."""
    apart = [
        [np.abs(w - g).max() for w, g in zip(*both, strict=True)]
        for both in zip(_outputs(wanted, pictures), _outputs(got, pictures), strict=True)
    ]
    loc, conf = np.max(apart, axis=0)
    return float(loc), float(conf)


def _outputs(model: ov.Model, pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Loc and conf of each picture, in float32 where the graph is float."""
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core().compile_model(model, "CPU", exact)
    for picture in pictures:
        result = compiled(picture)
        yield [result[compiled.output(name)].copy() for name in ("loc", "conf")]
