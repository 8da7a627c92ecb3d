"""From a trained network to one OpenVINO file for every device: FP16, IR version 10.

The file is checked before it is written: the graph must give what torch gives, in float32 and
with its weights rounded to FP16. What the graph takes and gives: raw BGR 0..255 (1, 3, H, W);
`loc` (1, N, 4) and softmax `conf` (1, N, 2).
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from edge.contract.bundle import write_file
from edge.errors import BundleError
from edge.openvino_core import core
from training.ir10 import downgrade, operations
from training.models.graph import convert
from training.models.ssd import SSD, Deployed

# largest absolute differences to torch that are allowed
F32_LIMIT = 1e-4
LOC_LIMIT = 1e-2
CONF_LIMIT = 5e-3

# bfloat16 is the default on CPUs that have it, and would hide a real difference
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


@dataclass(frozen=True, slots=True)
class Exported:
    """An IR in memory, and how far it is from torch."""

    xml: bytes
    bin: bytes
    f32_diff: float
    loc_diff: float
    conf_diff: float
    operations: dict[str, int]

    def report(self) -> dict[str, Any]:
        """The figures without the files."""
        values = asdict(self)
        return {key: value for key, value in values.items() if key not in ("xml", "bin")}


def export(net: SSD, seed: int = 0) -> Exported:
    """Convert, lower and check a network; nothing is written.

    Args:
        net: with its final weights.
        seed: of the pictures on which the graphs are compared.

    Raises:
        BundleError: the graph differs from torch, or uses what old readers do not know.
    """
    deployed = Deployed(net).eval()
    shape = [1, 3, net.spec.height, net.spec.width]
    model = convert(net)
    pictures = probe_pictures(shape, seed)
    wanted = [_torch(deployed, picture) for picture in pictures]
    f32 = _difference(wanted, [_run(model, picture) for picture in pictures])
    _demand(max(f32) <= F32_LIMIT, "the converted graph", max(f32), F32_LIMIT)
    xml, weights = _saved(model)
    lowered = downgrade(xml)
    half = core().read_model(lowered, ov.Tensor(np.frombuffer(weights, np.uint8)))
    loc, conf = _difference(wanted, [_run(half, picture) for picture in pictures])
    _demand(loc <= LOC_LIMIT, "the FP16 file's loc", loc, LOC_LIMIT)
    _demand(conf <= CONF_LIMIT, "the FP16 file's conf", conf, CONF_LIMIT)
    return Exported(lowered, weights, max(f32), loc, conf, operations(lowered))


def write_ir(exported: Exported, folder: Path, name: str = "model") -> tuple[Path, Path]:
    """Write `name`.xml and `name`.bin; each is moved into place whole.

    Raises:
        BundleError: the folder cannot be written.
    """
    paths = folder / f"{name}.xml", folder / f"{name}.bin"
    try:
        write_file(paths[1], exported.bin)
        write_file(paths[0], exported.xml)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error.strerror}") from error
    return paths


def probe_pictures(shape: list[int], seed: int, count: int = 3) -> list[NDArray[np.float32]]:
    """Pictures (1, 3, H, W) float32 0..255 with shapes and noise, to compare graphs on."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = rng.uniform(0, 255, (1, 3, -(-shape[2] // 32), -(-shape[3] // 32)))
        smooth = coarse.repeat(32, axis=2).repeat(32, axis=3)[:, :, : shape[2], : shape[3]]
        noisy = smooth + rng.normal(0, 12, shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.float32))
    return pictures


Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]


def _torch(net: Deployed, picture: NDArray[np.float32]) -> Outputs:
    with torch.inference_mode():
        loc, conf = net(torch.from_numpy(picture))
    return loc.numpy(), conf.numpy()


def _run(model: ov.Model, picture: NDArray[np.float32]) -> Outputs:
    compiled = core().compile_model(model, "CPU", _EXACT)
    result = compiled(picture)
    return result[compiled.output("loc")], result[compiled.output("conf")]


def _difference(wanted: list[Outputs], got: list[Outputs]) -> tuple[float, float]:
    """Largest absolute differences of loc and of conf."""
    apart = [
        [_apart(*pair) for pair in zip(w, g, strict=True)] for w, g in zip(wanted, got, strict=True)
    ]
    loc, conf = np.max(apart, axis=0)  # not-a-number stays one, and holds no limit
    return float(loc), float(conf)


def _apart(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    return float(np.abs(wanted - got).max())


def _demand(holds: bool, what: str, difference: float, limit: float) -> None:
    if not holds:
        raise BundleError(
            f"{what} differs from torch by {difference:.2g}, the limit is {limit:g}; "
            "nothing was written: train on with `half = true` in the recipe's [fit], or look for "
            "weights far out of range"
        )


def _saved(model: ov.Model) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.save_model(model, path, compress_to_fp16=True)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()
