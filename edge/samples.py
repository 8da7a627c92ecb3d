"""Keeps pictures that the detector finds hard, for a retraining: only where the owner wants that.

    samples/
      20261120T100000123Z-unsure.jpg     the picture, heads blurred unless the owner wants them
      20261120T100000123Z-unsure.json    why, and the boxes as the detector sees them

A picture is hard when something scores too low to be a new person and too high to be nothing, or
when somebody who was followed is lost inside the picture. They stay on the device, within a budget,
until their owner fetches them.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2

from edge.config import SamplesConfig
from edge.contract.bundle import write_file
from edge.errors import WorldError
from edge.pipeline import Step
from edge.types import Box, Image, Track

UNSURE, LOST = "unsure", "lost"
HEAD, IGNORE = "head", "ignore"  # the labels of our own layout of pictures
_EDGE = 0.03  # of the picture; who is lost nearer to its edge has left
_ROOM = 200_000_000  # bytes that stay free for counting
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]
_COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax", "width", "height")

_log = logging.getLogger(__name__)


class Samples:
    """The pictures that are kept in `folder`.

    Args:
        config: whether, how many, and how.
        folder: made when the first one is kept.
        score: lowest score of a new person, 0..1.
    """

    def __init__(self, config: SamplesConfig, folder: Path, score: float) -> None:
        self._config = config
        self._folder = folder
        self._score = score
        self._due = float("-inf")  # monotonic s from which on one may be kept
        self._told = False

    def note(self, step: Step, utc: datetime, now: float) -> None:
        """Keep the picture of a step, if it is hard and one is due at monotonic second `now`."""
        if not self._config.enabled or now < self._due:
            return
        reason = self._hard(step)
        if reason is None:
            return
        self._due = now + self._config.every_s
        try:
            self._keep(step, reason, utc)
        except OSError as error:
            self._tell(f"{self._folder}: {error.strerror}; no pictures are kept")

    def _hard(self, step: Step) -> str | None:
        if any(score < self._score for score in step.sighting.detections.scores):
            return UNSURE
        return LOST if any(map(_is_lost, step.tracks.ended)) else None

    def _keep(self, step: Step, reason: str, utc: datetime) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = sum(path.stat().st_size for path in self._folder.iterdir())
        if used >= self._config.max_mb * 1_000_000:
            self._tell(f"{self._folder}: is full (samples.max_mb); fetch what is there")
            return
        if shutil.disk_usage(self._folder).free < _ROOM:
            self._tell(f"{self._folder}: the disk is nearly full; no pictures are kept")
            return
        self._told = False
        image = step.sighting.frame.image
        boxes = _labelled(step, self._score)
        drawn = _blurred(image, [box for _, box in boxes]) if self._config.blur else image
        done, data = cv2.imencode(".jpg", drawn, _JPEG)
        if done:
            name = f"{utc.strftime('%Y%m%dT%H%M%S')}{utc.microsecond // 1000:03}Z-{reason}"
            height, width = image.shape[:2]
            about = {"reason": reason, "width": width, "height": height, "boxes": boxes}
            write_file(self._folder / f"{name}.json", json.dumps(about).encode())
            write_file(self._folder / f"{name}.jpg", data.tobytes())

    def _tell(self, message: str) -> None:
        if not self._told:
            _log.warning("%s", message)
        self._told = True


def _is_lost(track: Track) -> bool:
    """Whether somebody vanished who was surely there, and not by leaving."""
    x, y = track.anchor
    return track.confirmed and all(_EDGE < place < 1 - _EDGE for place in (x, y))


def _labelled(step: Step, score: float) -> list[tuple[str, Box]]:
    """Boxes with their labels: what is surely a head, and what must not teach anything."""
    seen = step.sighting.detections
    found: list[tuple[str, Box]] = []
    for (x1, y1, x2, y2), sure in zip(seen.boxes.tolist(), seen.scores.tolist(), strict=True):
        found.append((HEAD if sure >= score else IGNORE, (x1, y1, x2, y2)))
    found += [(IGNORE, track.box) for track in step.tracks.ended if _is_lost(track)]
    return found


def _blurred(image: Image, boxes: Iterable[Box]) -> Image:
    """A copy on which nobody's head can be known."""
    copy = image.copy()
    for box in boxes:
        x1, y1, x2, y2 = _pixels(box, image.shape[1], image.shape[0])
        part = copy[y1:y2, x1:x2]
        if part.size:
            small = cv2.resize(part, (4, 4), interpolation=cv2.INTER_AREA)
            copy[y1:y2, x1:x2] = cv2.resize(
                small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR
            )
    return copy


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = box
    left, top = max(0, int(x1 * width)), max(0, int(y1 * height))
    return left, top, min(width, round(x2 * width)), min(height, round(y2 * height))


def pack(folder: Path, target: Path) -> int:
    """Write what was kept as a tar in the layout that `headcount-train data import` reads.

    Args:
        folder: of the samples; may be missing.
        target: the file to write.

    Returns:
        How many pictures there are.

    Raises:
        WorldError: it cannot be written.
    """
    kept = list(_kept(folder))
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for picture, about in kept:
        rows.writerows(_rows(picture.name, about))
    splits = "image,split\n" + "".join(f"{picture.name},none\n" for picture, _ in kept)
    try:
        with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, "heads.csv", text.getvalue().encode())
            _add(archive, "split.csv", splits.encode())
            for picture, _ in kept:
                _add(archive, f"images/{picture.name}", picture.read_bytes())
        target.chmod(0o644)
    except OSError as error:
        raise WorldError(f"{target}: cannot be written: {error.strerror}") from error
    return len(kept)


def clear(folder: Path) -> int:
    """Remove all that was kept; how many pictures that were."""
    kept = list(folder.glob("*.jpg"))
    for path in [*kept, *folder.glob("*.json")]:
        path.unlink(missing_ok=True)
    return len(kept)


def _kept(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Pictures and what is known of them; one that a power cut left alone is passed over."""
    for picture in sorted(folder.glob("*.jpg")):
        try:
            yield picture, json.loads(picture.with_suffix(".json").read_bytes())
        except (OSError, ValueError):
            continue


def _rows(name: str, about: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    width, height = about["width"], about["height"]
    for label, box in about["boxes"]:
        x1, y1, x2, y2 = _pixels(box, width, height)
        if x1 < x2 and y1 < y2:
            yield name, label, x1, y1, x2, y2, width, height


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))
