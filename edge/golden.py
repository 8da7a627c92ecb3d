"""Records the clip of a door, on which a new model is tested: `headcount record`.

The camera is looked at for some seconds, the model in service counts, and the owner says who truly
passed. The clip stays on the device.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from edge.audit import load_truth
from edge.config import Config
from edge.contract.bundle import fsync_folder, write_file
from edge.errors import CallError, DataError, WorldError
from edge.recording import count_clip
from edge.replay import Replay
from edge.source import open_source
from edge.types import Crossing, Direction, Frame, Image
from edge.updater.clip import MOST_FRAMES, Clip, clip_of
from edge.upkeep import model_in_service

RATE = 10.0  # pictures a second that are kept; more tell no more, and the test must be over soon
SHARE = 0.6  # of the time of a test that counting the clip should take at most
NEAR_S = 1.0  # a crossing that is this near to the true one is the true one
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
_COLUMNS = ("event", "line", "frame", "time_s", "direction", "frame_lo", "frame_hi", "optional")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a recording. `accepted` is whether new models are tested with it now."""

    clip: Clip
    counted: Replay
    seconds: float  # that counting it took
    accepted: bool


def record(config: Config, frames: int, seen: tuple[int, int] | None) -> Recorded:
    """Record the camera, count, and keep it as the truth if that is what the owner saw.

    Args:
        config: the door's; its source must be free.
        frames: pictures to keep, at most 200.
        seen: how many went in and out while it recorded, by somebody who watched.

    Raises:
        CallError: there is no line.
        WorldError: there are no pictures, or nothing can be written.
    """
    if not config.lines:
        raise CallError("record: no line to count at; give -c FILE with a [[line]]")
    clip = clip_of(config.models)
    with open_source(config.source) as source:  # what is no camera need not be waited for
        step = max(1, round(source.fps / RATE))
        pictures, fps = _take(source, min(frames, MOST_FRAMES), step)
    try:
        _write(clip, config, pictures, fps)
    except OSError as error:
        raise WorldError(f"{clip.folder}: {error.strerror}; the clip is not kept") from error
    begun = time.monotonic()
    model = replace(config.detector, model=model_in_service(config).folder)
    counted = count_clip(clip.video, replace(config, detector=model), config.lines)
    seconds = time.monotonic() - begun
    ways = counted.total(Direction.IN), counted.total(Direction.OUT)
    accepted = seen == ways
    target = clip.events if accepted else clip.draft
    write_file(target, _events(counted.crossings, fps))
    return Recorded(clip, counted, seconds, accepted)


def tell(recorded: Recorded, config: Config, place: Path) -> str:
    """What a person is to know and to do; `place` is where the door's relative paths begin."""
    clip, counted = recorded.clip, recorded.counted
    ways = f"in {counted.total(Direction.IN)}, out {counted.total(Direction.OUT)}"
    about = f"{counted.frames} pictures, {counted.source_fps:.1f} a second; {ways}"
    rows = [f"{place / clip.video}: {about}"]
    if recorded.accepted:
        rows.append("that is what you saw: new models are tested with it from now on")
    else:
        draft = place / clip.draft
        rows.append(f"mend {draft} where it is wrong, then: headcount record --accept")
    if recorded.seconds > SHARE * config.update.self_test_s:
        rows.append(
            f"counting it took {recorded.seconds:.0f} s, and a test may take "
            f"{config.update.self_test_s:g} s: record fewer --frames, or set update.self_test_s"
        )
    return "\n".join(rows)


def accept(config: Config) -> int:
    """Take the draft, which its owner has looked through, as the truth; how many passed.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    clip = clip_of(config.models)
    if not clip.draft.is_file():
        raise DataError(f"{clip.draft}: no such file; record a clip first")
    clip.draft.replace(clip.events)
    try:
        truth = load_truth(clip.truth)
    except DataError:
        clip.events.replace(clip.draft)
        raise
    fsync_folder(clip.folder)
    return sum(not event.optional for event in truth.events)


def _take(source: Iterable[Frame], count: int, step: int) -> tuple[list[bytes], float]:
    """Pictures as JPEG, and their true rate."""
    kept, times = [], []
    for frame in islice(source, 0, count * step, step):
        done, data = cv2.imencode(".jpg", frame.image, _JPEG)
        if not done:
            raise WorldError("a picture cannot be packed")
        kept.append(data.tobytes())
        times.append(frame.t)
    if len(kept) < 2:
        raise WorldError("record: the source gave no two pictures")
    return kept, (len(times) - 1) / (times[-1] - times[0])


def _write(clip: Clip, config: Config, pictures: list[bytes], fps: float) -> None:
    """Put a clip without a truth in place of the one that is there."""
    clip.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (clip.events, clip.draft):
        path.unlink(missing_ok=True)
    height, width = _image(pictures[0]).shape[:2]
    beside = clip.video.with_name(f".{clip.video.name}")
    writer = cv2.VideoWriter(str(beside), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    for picture in pictures:
        writer.write(_image(picture))
    writer.release()
    beside.chmod(0o600)
    beside.replace(clip.video)
    lines = [
        {"id": line.name, "a": line.a, "b": line.b, "in_side": line.in_side}
        for line in config.lines
    ]
    about: dict[str, Any] = {"video": clip.video.name, "width": width, "height": height}
    about |= {"fps": fps, "frames": len(pictures), "lines": lines}
    write_file(clip.truth, json.dumps(about).encode())


def _image(picture: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return cast(Image, image)


def _events(crossings: Iterable[Crossing], fps: float) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    rows.writerows(_rows(crossings, fps))
    return text.getvalue().encode()


def _rows(crossings: Iterable[Crossing], fps: float) -> Iterator[tuple[object, ...]]:
    near = round(NEAR_S * fps)
    for number, crossing in enumerate(crossings, 1):
        frame = crossing.frame
        first, last = max(0, frame - near), frame + near
        about = (round(crossing.t, 3), crossing.direction.value)
        yield number, crossing.line, frame, *about, first, last, 0
