"""What a worker's answers must be: nothing that a broken stick sends becomes a detection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Manifest
from edge.detector.outputs import Array, Shape, order_outputs

_FP16 = 65504.0  # the greatest number of a stick
_SCORES = (-0.01, 1.01)  # as FP16 rounds them


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """Shapes as the worker sends them, `order` as the manifest has them."""

    manifest: Manifest
    shapes: tuple[Shape, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, manifest: Manifest, ready: Mapping[str, Any]) -> AnswerForm:
        """That of a worker which says `ready`; see `ncs_worker`.

        Raises:
            ValueError: its input or its outputs are not those of the manifest.
        """
        wanted = [1, manifest.input.height, manifest.input.width, 3]
        if ready["input"] != wanted:
            raise ValueError(f"its input is {ready['input']}, the manifest promises {wanted}")
        shapes = tuple(tuple(shape) for _, shape in ready["outputs"])
        return cls(manifest, shapes, order_outputs(manifest, shapes))

    def split(self, payload: NDArray[np.uint8]) -> list[Array]:
        """The outputs of one picture in the manifest's order.

        Raises:
            ValueError: too few or too many bytes, or numbers that cannot be.
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        if len(payload) != 4 * sum(sizes):
            raise ValueError(f"gave {len(payload)} bytes, not {4 * sum(sizes)}")
        parts = np.split(payload.view(np.float32), np.cumsum(sizes)[:-1])
        given = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        outputs = [given[index] for index in self.order]
        if not all(_within(output, -_FP16, _FP16) for output in outputs):
            raise ValueError("gave what are no numbers")
        if self.manifest.priors is not None and not _within(outputs[1], *_SCORES):
            raise ValueError("gave scores beyond 0 to 1")
        return outputs


def _within(values: Array, low: float, high: float) -> bool:
    """Whether all are; one that is not a number is not."""
    return bool(((values >= low) & (values <= high)).all())
