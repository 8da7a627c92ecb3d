"""Pictures with boxes, for people: what a detector found, missed and made up.

green  a head that was found
red    a box where no head is
blue   a head that was missed
grey   a head that need not be found
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import write_file
from edge.contract.detections import Boxes, Detections
from edge.types import Image
from training.data.cache import Picture
from training.data.statistics import normalised
from training.evaluate import WORKING, Detect
from training.matching import match_heads
from training.runlog import attempt

FOUND, FALSE, MISSED, IGNORED = (60, 200, 60), (50, 50, 230), (230, 120, 30), (150, 150, 150)
_COLUMNS, _ROWS, _TILE = 4, 3, (320, 240)  # of a grid; a tile's width and height in pixels


@dataclass(frozen=True, slots=True)
class Finding:
    """One picture beside what was found in it above a threshold; boxes (n, 4) xyxy 0..1."""

    picture: Picture
    found: Boxes
    false: Boxes
    false_scores: NDArray[np.float32]
    missed: Boxes
    ignored: Boxes


def look(detections: Detections, picture: Picture, score: float) -> Finding:
    """Hold the detections of at least a score against the heads of a picture."""
    heads = normalised(picture)
    kept = detections.keep(np.flatnonzero(detections.scores >= score))
    match = match_heads(kept, heads, picture.ignore)
    false = (match.head < 0) & match.counts
    hit = np.zeros(len(heads), bool)
    hit[match.head[match.head >= 0]] = True
    return Finding(
        picture, match.boxes[match.head >= 0], match.boxes[false], match.scores[false],
        heads[~hit & ~picture.ignore], heads[picture.ignore],
    )  # fmt: skip


def draw(finding: Finding, size: tuple[int, int] = _TILE) -> Image:
    """The picture within (width, height), its aspect kept, with the boxes of a finding."""
    rows, columns = finding.picture.image.shape[:2]
    scale = min(size[0] / columns, size[1] / rows)
    whole = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(finding.picture.image, whole, interpolation=cv2.INTER_AREA)
    tile = np.full((size[1], size[0], 3), 32, np.uint8)
    part = tile[: whole[1], : whole[0]]
    part[:] = small
    groups = (
        (finding.ignored, IGNORED), (finding.found, FOUND),
        (finding.missed, MISSED), (finding.false, FALSE),
    )  # fmt: skip
    for boxes, colour in groups:
        for x1, y1, x2, y2 in (boxes * (*whole, *whole)).round().astype(int).tolist():
            cv2.rectangle(part, (x1, y1), (x2, y2), colour, 1)
    return tile


def grid(findings: Sequence[Finding], columns: int = _COLUMNS) -> Image:
    """Pictures in rows; empty places are dark."""
    tiles = [draw(finding) for finding in findings]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    return np.vstack(rows)


def jpeg(image: Image) -> bytes:
    """The picture as a JPEG file."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return data.tobytes()


def write_samples(detect: Detect, pictures: Sequence[Picture], out: Path, step: int) -> None:
    """Write `out`/samples/step-N.jpg: twelve pictures spread over a set, the same at every step.

    Raises:
        DataError: it cannot be written.
    """
    count = min(_COLUMNS * _ROWS, len(pictures))
    chosen = [pictures[k * len(pictures) // count] for k in range(count)]
    findings = [look(detect(picture.image), picture, WORKING) for picture in chosen]
    path = out / "samples" / f"step-{step:06d}.jpg"
    attempt(path, lambda: write_file(path, jpeg(grid(findings))))
