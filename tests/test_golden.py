"""`headcount record`: a clip of the door with the truth of who watched it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from edge import golden
from edge.audit import load_truth
from edge.config import Config, DetectorConfig, LedgerConfig, SourceConfig
from edge.errors import CallError, DataError
from edge.types import Direction, Line
from edge.updater.clip import clip_of, find_clip

LINE = Line("L1", (0.0, 0.5), (1.0, 0.5), (0.5, 0.9))


@pytest.fixture
def config(tmp_path: Path, scene_video: Path) -> Config:
    """A door at which somebody passes: the recording, three times as fast."""
    return Config(
        source=SourceConfig(uri=str(scene_video), fps=30),
        lines=(LINE,),
        detector=DetectorConfig(device="CPU"),
        ledger=LedgerConfig(path=tmp_path / "ledger.db"),
    )


def truth_of(video: Path) -> list[str]:
    lines = video.with_name("door_events.csv").read_text().splitlines()
    return [row["direction"] for row in csv.DictReader(lines)]


def test_a_clip_is_the_truth_once_somebody_vouches_for_it(
    config: Config, scene_video: Path
) -> None:
    """What was counted is a draft where it is not what was seen; accepted it is the truth."""
    config = replace(config, source=SourceConfig(uri=str(scene_video)))
    true = truth_of(scene_video)
    recorded = golden.record(config, 140, None)
    clip = clip_of(config.models)
    assert not recorded.accepted
    assert find_clip(config.models) is None
    at_a_door = replace(recorded, clip=clip_of(Path("models")))
    assert "mend /door/models/clip/" in golden.tell(at_a_door, config, Path("/door"))
    assert 140 == int(cv2.VideoCapture(str(clip.video)).get(cv2.CAP_PROP_FRAME_COUNT))
    assert 0o600 == clip.video.stat().st_mode & 0o777
    assert len(true) == golden.accept(config)
    found = find_clip(config.models)

    assert found is not None
    truth = load_truth(found.truth)
    assert true == [event.direction.value for event in truth.events]
    assert (LINE,) == truth.lines
    assert truth.fps == pytest.approx(10, rel=0.01)


def test_what_was_seen_is_accepted_at_once(config: Config, scene_video: Path) -> None:
    """Only if it is what was counted; a new recording takes the place of the old one."""
    config = replace(config, source=SourceConfig(uri=str(scene_video)))
    true = truth_of(scene_video)
    seen = true.count("in"), true.count("out")
    right = golden.record(config, 140, seen)
    assert right.accepted
    assert seen == (right.counted.total(Direction.IN), right.counted.total(Direction.OUT))
    assert not golden.record(config, 20, (7, 0)).accepted
    assert find_clip(config.models) is None


def test_pictures_are_kept_at_ten_a_second(config: Config) -> None:
    """Of a source of 30, each third one, at the rate at which it was seen."""
    recorded = golden.record(config, 20, None)

    assert 20 == recorded.counted.frames
    assert recorded.counted.source_fps == pytest.approx(10, rel=0.05)


def test_what_cannot_be_recorded(config: Config) -> None:
    """Without a line there is nothing to count; without a draft nothing to accept."""
    with pytest.raises(CallError, match="no line to count at"):
        golden.record(replace(config, lines=()), 20, None)
    with pytest.raises(DataError, match="record a clip first"):
        golden.accept(config)


def test_a_draft_that_was_mended_badly_stays_a_draft(config: Config) -> None:
    """The line that is wrong is told."""
    golden.record(config, 20, None)
    clip = clip_of(config.models)
    clip.draft.write_text("event,line,frame,direction,frame_lo,frame_hi\n1,L1,3,up,1,5\n")
    with pytest.raises(DataError, match=r":2: "):
        golden.accept(config)

    assert clip.draft.exists()
    assert find_clip(config.models) is None
