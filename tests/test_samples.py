"""Hard pictures for a retraining: kept only where that is wanted, within a budget, as a set."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import samples
from edge.config import SamplesConfig
from edge.contract.detections import Detections
from edge.pipeline import Step
from edge.samples import Samples
from edge.types import Box, Frame, Sighting, Track, TrackUpdate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SURE, UNSURE = 0.9, 0.3
HEAD: Box = (0.25, 0.25, 0.5, 0.5)


def step(scores: Sequence[float] = (), ended: tuple[Track, ...] = ()) -> Step:
    """A picture of grey tiles with one box a score."""
    tiles = np.random.default_rng(1).integers(0, 256, (15, 20), np.uint8)
    image = np.dstack([np.kron(tiles, np.ones((8, 8), np.uint8))] * 3)
    seen = Detections.of([HEAD] * len(scores), list(scores))
    return Step(Sighting(Frame(image, 0, 0.0), seen, 20.0), TrackUpdate((), ended), ())


def ended(x: float, y: float, *, confirmed: bool = True) -> Track:
    box = (x - 0.1, y - 0.1, x + 0.1, y + 0.1)
    return Track(1, box, (x, y), (x, y), 2.0, confirmed, False, 0.8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "samples"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jpg"))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (step([SURE]), ""),
        (step(), ""),
        (step([SURE, UNSURE]), "unsure"),
        (step([SURE], (ended(0.5, 0.5),)), "lost"),
        (step([SURE], (ended(0.5, 0.99),)), ""),
        (step([SURE], (ended(0.5, 0.5, confirmed=False),)), ""),
    ],
    ids=["sure", "empty", "unsure", "lost", "left", "a flicker"],
)
def test_a_hard_picture_is_kept(folder: Path, made: Step, reason: str) -> None:
    """What is too low to be a head, and who is lost inside; not who leaves, not what is clear."""
    Samples(SamplesConfig(enabled=True), folder, 0.4).note(made, NOON, 0.0)

    assert ([f"20261120T120000000Z-{reason}.jpg"] if reason else []) == names(folder)


def test_nothing_is_kept_by_default(folder: Path) -> None:
    """No file, no folder."""
    Samples(SamplesConfig(), folder, 0.4).note(step([UNSURE]), NOON, 0.0)

    assert not folder.exists()


def test_the_budget_and_the_pace(folder: Path) -> None:
    """One in so many seconds, and none any more when the room is used; clearing makes room."""
    keeper = Samples(SamplesConfig(enabled=True, every_s=60, max_mb=1), folder, 0.4)
    for second in range(0, 240, 20):
        keeper.note(step([UNSURE]), NOON + timedelta(seconds=second), second)
    assert 4 == len(names(folder))
    (folder / "large.jpg").write_bytes(bytes(1_000_000))
    keeper.note(step([UNSURE]), NOON + timedelta(seconds=300), 300)
    assert 5 == len(names(folder))
    assert 5 == samples.clear(folder)
    keeper.note(step([UNSURE]), NOON + timedelta(seconds=400), 400)
    assert 1 == len(names(folder))
    assert 0o700 == folder.stat().st_mode & 0o777


@pytest.mark.parametrize("blur", [True, False])
def test_heads_are_blurred_unless_wanted(folder: Path, blur: bool) -> None:
    """All that may be a head is; the rest of the picture is as it was."""
    keeper = Samples(SamplesConfig(enabled=True, blur=blur), folder, 0.4)
    made = step([UNSURE])
    keeper.note(made, NOON, 0.0)
    kept = cv2.imread(str(folder / names(folder)[0])).astype(float)
    difference = np.abs(kept - made.sighting.frame.image)
    inside, outside = difference[32:58, 42:78].mean(), difference[70:, 90:].mean()

    assert (inside > 30) == blur
    assert outside < 10


def test_a_disk_that_takes_nothing_does_not_stop_the_count(tmp_path: Path) -> None:
    """It is told, and that is all."""
    (tmp_path / "samples").write_text("no folder")
    Samples(SamplesConfig(enabled=True), tmp_path / "samples", 0.4).note(step([UNSURE]), NOON, 0.0)


def test_what_is_packed_is_our_own_layout(folder: Path, tmp_path: Path) -> None:
    """Sure heads are heads, what is unsure or lost is ignored; one without its file is left out."""
    keeper = Samples(SamplesConfig(enabled=True, every_s=1), folder, 0.4)
    keeper.note(step([SURE, UNSURE], (ended(0.75, 0.75),)), NOON, 0.0)
    (folder / "alone.jpg").write_bytes(b"of a power cut")
    assert 1 == samples.pack(folder, tmp_path / "s.tar")
    with tarfile.open(tmp_path / "s.tar") as archive:
        found = {member.name: archive.extractfile(member) for member in archive}
        content = {name: file.read() for name, file in found.items() if file}
        archive.extractall(tmp_path / "doors", filter="data")
    rows = io.StringIO(content["heads.csv"].decode()).read().splitlines()
    (picture,) = [name for name in content if name.startswith("images/")]
    name = picture.removeprefix("images/")

    assert [f"{name},head,40,30,80,60,160,120", f"{name},ignore,40,30,80,60,160,120"] == rows[1:3]
    assert rows[3].startswith(f"{name},ignore,104,78,136,102")
    assert json.loads((folder / name).with_suffix(".json").read_text())["reason"] == "unsure"
    headcsv = pytest.importorskip("training.data.headcsv")
    read = headcsv.read_csv_set(tmp_path / "doors")
    assert not read.problems
