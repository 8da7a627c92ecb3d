"""Detections of one picture, as arrays per field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector saw in one picture; lengths are checked once, at birth.

    Args:
        boxes: (n, 4) float32, xyxy, normalised to the picture (0..1; may stick out a little).
        scores: (n,) float32, 0..1.
        labels: (n,) int64, index into the bundle's labels; 0 is the first foreground class.

    Raises:
        ValueError: the three arrays do not fit together.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4):
            raise ValueError(f"boxes must be (n, 4), not {self.boxes.shape}")
        if self.scores.shape != (count,) or self.labels.shape != (count,):
            raise ValueError(
                f"{count} boxes need {count} scores and labels, "
                f"not {self.scores.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls.of([], [])

    @classmethod
    def of(cls, boxes: object, scores: object, labels: object | None = None) -> Detections:
        """Build from anything NumPy can read; labels default to 0."""
        box_array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        score_array = np.asarray(scores, dtype=np.float32).reshape(-1)
        label_array = (
            np.zeros(len(box_array), dtype=np.int64)
            if labels is None
            else np.asarray(labels, dtype=np.int64).reshape(-1)
        )
        return cls(box_array, score_array, label_array)

    def keep(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Those selected by a boolean mask or by indices, in that order."""
        return Detections(self.boxes[mask], self.scores[mask], self.labels[mask])
