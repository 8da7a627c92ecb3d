"""Weights from an npz into the convolutions they belong to: all of them, or none.

Which tensor belongs where, and what colours the file was trained on, is the networks' own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import DataError

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Place:
    """A convolution, and the names of its two tensors in the file."""

    conv: nn.Conv2d
    weight: str
    bias: str


def fill(places: Sequence[Place], path: Path, spare: Collection[str] = ()) -> None:
    """Copy a file's tensors to their places, as float32.

    Args:
        places: every convolution that the file has tensors of.
        path: the npz.
        spare: tensors that the file may have, and the network does not need.

    Raises:
        DataError: no such file, a tensor too few, one too many, or one of another shape; nothing
            was copied.
    """
    arrays = {key: array for key, array in _read(path).items() if key not in spare}
    found = [
        (
            _take(arrays, place.weight, tuple(place.conv.weight.shape), path),
            _take(arrays, place.bias, (place.conv.out_channels,), path),
        )
        for place in places
    ]
    if arrays:
        raise DataError(f"{path}: tensors which this network does not have: {sorted(arrays)}")
    with torch.no_grad():
        for place, (weight, bias) in zip(places, found, strict=True):
            place.conv.weight.copy_(weight)
            place.conv.bias.copy_(bias)  # type: ignore[union-attr]


def _read(path: Path) -> Arrays:
    try:
        with np.load(path) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as an npz of weights: {error}") from error


def _take(arrays: Arrays, key: str, shape: tuple[int, ...], path: Path) -> Tensor:
    if key not in arrays:
        raise DataError(f"{path}: no tensor {key}; these weights are of another network")
    array = arrays.pop(key).astype(np.float32)
    if array.shape != shape:
        raise DataError(
            f"{path}: {key} is {array.shape}, the network needs {shape}; "
            "ImageNet weights fit width 1.0 alone"
        )
    return torch.from_numpy(array)
