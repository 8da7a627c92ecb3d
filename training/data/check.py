"""Look through a data set before it is trained on: pictures that open, boxes that fit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from edge.errors import DataError
from training.data.heads import Sample, check_box


@dataclass(frozen=True, slots=True)
class Summary:
    """What is there."""

    pictures: int
    heads: int
    ignored: int
    empty: int  # pictures without a head

    def line(self) -> str:
        """One line for a person."""
        return (
            f"{self.pictures} pictures, {self.heads} heads, {self.ignored} ignored regions, "
            f"{self.empty} pictures without a head"
        )


def check(samples: Sequence[Sample]) -> Summary:
    """Decode every picture and hold its boxes against its true size.

    Raises:
        DataError: a picture cannot be decoded, or a box is not in it.
    """
    for sample in samples:
        image = cv2.imread(str(sample.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{sample.path}: cannot be decoded as a picture")
        rows, columns = image.shape[:2]
        for x1, y1, x2, y2 in sample.boxes.tolist():
            check_box((x1, y1, x2, y2), columns, rows, str(sample.path))
    ignored = sum(int(sample.ignore.sum()) for sample in samples)
    boxes = sum(len(sample.boxes) for sample in samples)
    empty = sum(bool(sample.ignore.all()) for sample in samples)
    return Summary(len(samples), boxes - ignored, ignored, empty)
