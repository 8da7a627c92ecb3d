"""Remembers what the others counted, so that a change of ours can be compared within minutes.

An entry is named by all that the counts depend on: the boxes, what was told of the recording, the
arms, their packages' versions and the code that drives them. Change one and it is counted anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from counters import Arm, View, count

from edge.contract.detections import Detections
from edge.types import Crossing, Direction

Counts = Mapping[str, tuple[Crossing, ...]]
DRIVERS = ("peers.py", "sides.py")


def remembered(
    folder: Path,
    arms: Sequence[Arm],
    versions: Mapping[str, str],
    view: View,
    frames: Sequence[Detections],
) -> Counts:
    """What the arms count, from an earlier run where there was one."""
    path = folder / f"{_name(arms, versions, view, frames)}.json"
    if path.exists():
        return _read(path.read_text(), view.fps)
    counted = count(arms, view, frames)
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(_write(counted))
    beside.replace(path)
    return counted


def _name(
    arms: Sequence[Arm], versions: Mapping[str, str], view: View, frames: Sequence[Detections]
) -> str:
    drivers = [(Path(__file__).parent / name).read_text() for name in DRIVERS]
    told = [arm.key for arm in arms], sorted(versions.items()), repr(view), drivers
    digest = hashlib.sha256(repr(told).encode())
    for seen in frames:
        digest.update(len(seen).to_bytes(4))
        digest.update(seen.boxes.tobytes() + seen.scores.tobytes())
    return digest.hexdigest()[:32]


def _write(counted: Counts) -> str:
    rows = {
        key: [[c.line, c.direction.value, c.frame, c.track] for c in crossings]
        for key, crossings in counted.items()
    }
    return json.dumps(rows)


def _read(text: str, fps: float) -> Counts:
    return {
        key: tuple(
            Crossing(line, Direction(way), frame, frame / fps, track, 0.0, 1.0)
            for line, way, frame, track in rows
        )
        for key, rows in json.loads(text).items()
    }
