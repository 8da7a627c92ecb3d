"""A latency table: what layers of any width cost on one device, from few that were measured.

For each map (kernel, stride, size) a lattice of channel counts was measured. A layer's counts are
first rounded up to the map's step, because of the staircase: channels that do not fill a step
cost as much as if they did, and what they cost beyond is added. Between lattice points the time
is bilinear. The sum over a network's
layers and a constant, for all that is no convolution, predicts the network.

Measuring is left to `training.profile.survey`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.profile.shapes import Map, Shape
from training.profile.staircase import Staircase, Step

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Lattice:
    """Milliseconds of one map's layers: `ms[i][j]` at `cin[i]` inputs and `cout[j]` outputs.

    `cin` counts the channels that one filter reads: 1 for a depthwise layer. Both axes are rising
    multiples of their steps.
    """

    map: Map
    cin: tuple[int, ...]
    cout: tuple[int, ...]
    ms: tuple[tuple[float, ...], ...]
    cin_step: Step
    cout_step: Step

    def __post_init__(self) -> None:
        rising = all(list(axis) == sorted({*axis}) and axis for axis in (self.cin, self.cout))
        if not rising or [len(row) for row in self.ms] != [len(self.cout)] * len(self.cin):
            raise ValueError(f"the lattice of {self.map} must have a time for each pair of counts")

    @property
    def points(self) -> int:
        """How many layers were measured."""
        return len(self.cin) * len(self.cout)

    def at(self, shape: Shape) -> float:
        """Milliseconds of a layer, at least those of the narrowest that was measured.

        Raises:
            DataError: the layer is wider than all that were measured.
        """
        row, down = _place(self.cin, round_up(shape.inputs, self.cin_step.size), shape)
        column, right = _place(self.cout, round_up(shape.cout, self.cout_step.size), shape)
        near, far = self.ms[row], self.ms[min(row + 1, len(self.ms) - 1)]
        after = min(column + 1, len(near) - 1)
        upper = near[column] * (1 - right) + near[after] * right
        lower = far[column] * (1 - right) + far[after] * right
        whole = upper * (1 - down) + lower * down
        return whole * (1 + self.cout_step.ragged) if shape.cout % self.cout_step.size else whole


@dataclass(frozen=True, slots=True)
class Check:
    """A whole network, predicted and measured in milliseconds."""

    name: str
    predicted: float
    measured: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when the times of a table were measured. `date` is ISO 8601."""

    device: str
    model: str
    openvino: str
    precision: str
    threads: int
    date: str


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """What one device takes for the layers of one family of networks."""

    origin: Origin
    overhead: float  # milliseconds of a network beyond its convolutions; below 0 where they overlap
    lattices: tuple[Lattice, ...]
    staircases: tuple[Staircase, ...] = ()
    checks: tuple[Check, ...] = ()

    def ms(self, shape: Shape) -> float:
        """Milliseconds of one layer.

        Raises:
            DataError: its map was never measured, or it is wider than all that were.
        """
        return self._lattice(shape).at(shape)

    def predict(self, layers: Mapping[str, Shape]) -> float:
        """Milliseconds of a network with these convolutions.

        Raises:
            DataError: as `ms`.
        """
        return self.overhead + sum(map(self.ms, layers.values()))

    def step(self, shape: Shape) -> int:
        """The number of output channels in which the layer's time grows.

        Raises:
            DataError: its map was never measured.
        """
        return self._lattice(shape).cout_step.size

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        data: dict[str, Any] = json.loads(json.dumps({"schema": SCHEMA, **asdict(self)}))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], name: str = "latency table") -> LatencyTable:
        """Read what `to_json` gave; `name` is for the message.

        Raises:
            DataError: another schema, or no such table.
        """
        if data.get("schema") != SCHEMA:
            raise DataError(
                f"{name}: is of schema {data.get('schema')}, this program reads {SCHEMA}; "
                "profile the device again"
            )
        try:
            return cls(
                origin=Origin(**data["origin"]),
                overhead=float(data["overhead"]),
                lattices=tuple(_lattice(entry) for entry in data["lattices"]),
                staircases=tuple(_staircase(entry) for entry in data["staircases"]),
                checks=tuple(Check(**entry) for entry in data["checks"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{name}: is no latency table: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write the table as JSON; it is moved into place whole.

        Raises:
            DataError: the file cannot be written.
        """
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> LatencyTable:
        """Read a table.

        Raises:
            DataError: no such file, or no such table.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as JSON: {error}") from error
        if not isinstance(data, dict):
            raise DataError(f"{path}: is no latency table, but a JSON {type(data).__name__}")
        return cls.from_json(data, str(path))

    def _lattice(self, shape: Shape) -> Lattice:
        for lattice in self.lattices:
            if lattice.map == shape.map:
                return lattice
        raise DataError(
            f"{shape}: no layer with this map was measured on {self.origin.device}; profile a "
            "network of the same family and input size"
        )


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write one JSON object to a file.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        write_file(path, (json.dumps(data, indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def round_up(count: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-count // step) * step


def _place(axis: tuple[int, ...], count: int, shape: Shape) -> tuple[int, float]:
    """Index of the lattice point below, and the share of the way to the next."""
    if count > axis[-1]:
        raise DataError(
            f"{shape}: is wider than the widest that was measured, {axis[-1]} channels; profile "
            "the network that it was cut from"
        )
    index = max(bisect_right(axis, count) - 1, 0)
    if count <= axis[index]:
        return index, 0.0
    return index, (count - axis[index]) / (axis[index + 1] - axis[index])


def _lattice(data: Mapping[str, Any]) -> Lattice:
    kind, kernel, stride, height, width = data["map"]
    return Lattice(
        map=(kind, kernel, stride, height, width),
        cin=tuple(data["cin"]),
        cout=tuple(data["cout"]),
        ms=tuple(tuple(row) for row in data["ms"]),
        cin_step=Step(**data["cin_step"]),
        cout_step=Step(**data["cout_step"]),
    )


def _staircase(data: Mapping[str, Any]) -> Staircase:
    columns = {key: tuple(data[key]) for key in ("counts", "median", "p10", "p90")}
    return Staircase(shape=Shape(**data["shape"]), axis=data["axis"], **columns)
