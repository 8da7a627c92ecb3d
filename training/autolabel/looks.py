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
from edge.errors import DataError
from edge.types import Frame, Image
from training.autolabel.background import PICTURES, Background, Blob, blobs, learn_background
from training.autolabel.roundness import head_radius, heads
from training.autolabel.video import Video

By = Literal["teacher", "motion"]
Teacher = Callable[[Image], Detections]  # heads of a picture, boxes 0..1

SURE = 0.4  # score of a teacher's box that counts as having seen somebody
SEES = 0.5  # share of those who move, from which on a teacher is believed
_PERSON = 0.02  # share of the picture: a smaller blob is no person near enough to be labelled
_STILL = 0.002  # share of the picture that noise moves
_HEADS = 2.5  # a person's blob is at least so many heads large
_SAMPLES = 40  # pictures from which it is found out who sees, and how large heads are


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture: candidates for heads with scores 0..1, and where something moves."""

    index: int
    t: float  # seconds
    heads: Detections
    blobs: tuple[tuple[int, int, int, int], ...]  # boxes of those large enough, pixels
    still: bool  # nothing moves but noise


@dataclass(frozen=True, slots=True)
class Eye:
    """How the heads of one recording are seen."""

    by: By
    background: Background
    radius: float  # of a head, pixels; of motion
    seen_share: float  # of those who move, by the teacher
    teacher: Teacher

    def look(self, frame: Frame) -> Seen:
        """The candidates of a picture."""
        moving = self.background.moving(frame.image)
        height, width = moving.shape
        large = blobs(moving, self._least(width * height))
        if self.by == "teacher":
            found = self.teacher(frame.image)
        else:
            discs = heads(frame.image, large, self.radius)
            found = Detections.of(
                [
                    ((d.x - d.radius) / width, (d.y - d.radius) / height,
                     (d.x + d.radius) / width, (d.y + d.radius) / height)
                    for d in discs
                ],
                [d.roundness for d in discs],
            )  # fmt: skip
        boxes = tuple(blob.box for blob in large)
        return Seen(frame.index, frame.t, found, boxes, float(moving.mean()) < _STILL)

    def _least(self, pixels: int) -> float:
        if self.by == "teacher":
            return _PERSON * pixels
        return _HEADS * math.pi * self.radius**2


def open_eye(video: Video, teacher: Teacher, by: By | None = None) -> Eye:
    """Learn the background, find out whether the teacher sees, and how large heads are.

    Args:
        video: the recording.
        teacher: what it takes for heads; only scores matter that reach `SURE`.
        by: to be used whatever is found out.

    Raises:
        DataError: nobody moves through the picture.
    """
    samples = [f.image for f in video.frames(max(1, video.count // PICTURES))]
    background = learn_background(samples)
    looks = list(_with_people(video, background))
    if not looks:
        raise DataError(
            f"{video.path}: nobody moves in it, so that there is nothing to label; "
            "give a recording in which people pass"
        )
    looks = [looks[i] for i in np.linspace(0, len(looks) - 1, _SAMPLES).astype(int)]
    share = seen_share(looks, teacher)
    if by is None:
        by = "teacher" if share >= SEES else "motion"
    radius = head_radius(looks) if by == "motion" else 0.0
    return Eye(by, background, radius, share, teacher)


def seen_share(looks: Sequence[tuple[Image, Sequence[Blob]]], teacher: Teacher) -> float:
    """Share of the large moving blobs in which the teacher surely sees somebody."""
    seen = total = 0
    for image, moving in looks:
        found = teacher(image)
        middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 * image.shape[1::-1]
        sure = middles[found.scores >= SURE]
        total += len(moving)
        seen += sum(any(_holds(blob.box, x, y) for x, y in sure) for blob in moving)
    return seen / max(total, 1)


def _with_people(video: Video, background: Background) -> Iterator[tuple[Image, Sequence[Blob]]]:
    """At most some hundred pictures in which somebody moves."""
    for frame in video.frames(max(video.stride, video.count // 400)):
        large = blobs(background.moving(frame.image), _PERSON * frame.image[..., 0].size)
        if large:
            yield frame.image, large


def _holds(box: tuple[int, int, int, int], x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
