"""What may be a head in each picture of a recording: told by a teacher, or by motion.

A teacher is a detector that is at hand already. Where it sees most of those who move, as oblique
cameras are seen by most detectors, its boxes are taken; where it does not, as from straight above,
the roundest thing in each moving blob is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.contract.detections import Detections
from edge.types import Box, Frame, Image
from training.autolabel.background import (
    PICTURES,
    Background,
    Blob,
    Mask,
    blobs,
    learn_background,
    shrink,
)
from training.autolabel.roundness import Disc, head_radius, heads
from training.autolabel.video import Video

By = Literal["teacher", "motion"]

SURE = 0.4  # score of a teacher's box that counts as having seen somebody
SEES = 0.5  # share of those who move, from which on a teacher is believed
_PERSON = 0.02  # share of the picture: a smaller blob is no person near enough to be labelled
_STILL = 0.002  # share of the picture that noise moves
_HEADS = 2.5  # a person's blob is at least so many heads large
_BODY = (4.0, 9.0)  # head widths across and head heights down that a person takes, seen obliquely
_SAMPLES = 120  # pictures at most, from which it is found out who sees, and how large heads are


@dataclass(frozen=True, slots=True)
class Told:
    """What a teacher says of a picture; boxes 0..1."""

    heads: Detections
    unclear: tuple[Box, ...] = ()  # somebody, whose head may be anywhere in the box


Teacher = Callable[[Image], Told]


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture: candidates for heads with scores 0..1, and where something moves."""

    index: int
    t: float  # seconds
    heads: Detections
    blobs: tuple[Box, ...]  # boxes 0..1 of those large enough
    strangers: tuple[Box, ...]  # boxes 0..1 where somebody is who has none of the heads
    still: bool  # nothing moves but noise


@dataclass(frozen=True, slots=True)
class Eye:
    """How the heads of one recording are seen."""

    by: By
    background: Background
    radius: float  # of a head as motion shows it, as a share of the picture's smaller side
    seen_share: float  # of those who move, by the teacher
    teacher: Teacher

    def look(self, frame: Frame) -> Seen:
        """The candidates of a picture."""
        small = shrink(frame.image)
        moving = self.background.moving(small)
        large = blobs(moving, self._least(moving.shape))
        still = float(moving.mean()) < _STILL
        if self.by == "motion":
            found = _detections(heads(small, large, self.radius * min(moving.shape)), small)
            return Seen(frame.index, frame.t, found, _boxes(large), (), still)
        told = self.teacher(frame.image)
        strangers = told.unclear + _boxes(self._beside(moving, large, told.heads))
        return Seen(frame.index, frame.t, told.heads, _boxes(large), strangers, still)

    def _beside(self, moving: Mask, large: Sequence[Blob], found: Detections) -> list[Blob]:
        """Who moves beside those whom the teacher sees, and in one blob with them."""
        if not large or not len(found):
            return []
        rest = np.any([blob.mask for blob in large], axis=0) & ~_bodies(found, moving.shape)
        return blobs(rest, self._least(moving.shape))

    def _least(self, shape: tuple[int, ...]) -> float:
        """Pixels of a blob that may be a person."""
        if self.by == "teacher":
            return _PERSON * shape[0] * shape[1]
        return _HEADS * math.pi * (self.radius * min(shape)) ** 2


def _boxes(found: Sequence[Blob]) -> tuple[Box, ...]:
    """Their boxes, 0..1."""
    boxes = []
    for blob in found:
        height, width = blob.mask.shape
        x1, y1, x2, y2 = blob.box
        boxes.append((x1 / width, y1 / height, x2 / width, y2 / height))
    return tuple(boxes)


def _bodies(found: Detections, shape: tuple[int, ...]) -> Mask:
    """(height, width) where the people are whose heads are found."""
    mask = np.zeros(shape, bool)
    across, down = _BODY
    for x1, y1, x2, y2 in found.boxes * np.array([shape[1], shape[0]] * 2):
        aside = (across - 1) / 2 * (x2 - x1)
        left, top = max(0, round(x1 - aside)), max(0, round(y1 - (y2 - y1) / 2))
        mask[top : round(y1 + down * (y2 - y1)), left : round(x2 + aside)] = True
    return mask


def _detections(discs: Sequence[Disc], image: Image) -> Detections:
    """Discs as boxes around them."""
    size = np.array([image.shape[1], image.shape[0]] * 2, float)
    sides = [(d.x - d.radius, d.y - d.radius, d.x + d.radius, d.y + d.radius) for d in discs]
    return Detections.of(np.array(sides).reshape(-1, 4) / size, [d.roundness for d in discs])


def open_eye(video: Video, teacher: Teacher, by: By | None = None) -> Eye | None:
    """Learn the background, find out whether the teacher sees, and how large heads are.

    Args:
        video: the recording.
        teacher: what it takes for heads; only scores matter that reach `SURE`.
        by: to be used whatever is found out.

    Returns:
        None if nobody moves through the picture.
    """
    samples = [shrink(f.image) for f in video.frames(max(1, video.count // PICTURES))]
    background = learn_background(samples)
    looks = list(_with_people(video, background, teacher))
    if not looks:
        return None
    share = sum(seen for _, _, seen in looks) / sum(len(moving) for _, moving, _ in looks)
    if by is None:
        by = "teacher" if share >= SEES else "motion"
    small = [(image, moving) for image, moving, _ in looks]
    radius = head_radius(small) / min(small[0][0].shape[:2]) if by == "motion" else 0.0
    return Eye(by, background, radius, share, teacher)


def _with_people(
    video: Video, background: Background, teacher: Teacher
) -> Iterator[tuple[Image, Sequence[Blob], int]]:
    """Some pictures in which somebody moves: shrunken, their blobs, how many the teacher sees."""
    for frame in video.frames(max(video.stride, video.count // _SAMPLES)):
        small = shrink(frame.image)
        moving = background.moving(small)
        large = blobs(moving, _PERSON * moving.size)
        if large:
            yield small, large, _seen(teacher(frame.image).heads, large, moving.shape)


def _seen(found: Detections, moving: Sequence[Blob], shape: tuple[int, ...]) -> int:
    """In how many of the blobs of a picture (height, width) the teacher surely sees somebody."""
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 * (shape[1], shape[0])
    sure = middles[found.scores >= SURE]
    return sum(any(_holds(blob.box, x, y) for x, y in sure) for blob in moving)


def _holds(box: tuple[int, int, int, int], x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
