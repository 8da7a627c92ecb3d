"""A new model is tested as it will run, beside the one in service: what passes, what does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.assembly import DEFAULT_BUNDLE
from edge.config import Config, DetectorConfig, LedgerConfig, UpdateConfig
from edge.contract.bundle import Bundle, read_bundle
from edge.selftest import SelfTest, compare
from edge.updater.clip import clip_of
from tests import graphs


def door_at(folder: Path, **limits: float) -> SelfTest:
    """Of a door on the CPU, patient with a busy machine unless told otherwise."""
    patient = {"max_ms": 5000.0, "self_test_s": 120.0}
    return SelfTest(
        Config(
            detector=DetectorConfig(device="CPU"),
            ledger=LedgerConfig(path=folder / "ledger.db"),
            update=UpdateConfig(**{**patient, **limits}),  # type: ignore[arg-type]
        ),
        None,
    )


def test_a_model_that_does_as_well_passes(tmp_path: Path) -> None:
    """It loads, answers, and sees somebody; what was found of it is known later."""
    door = door_at(tmp_path)
    (tmp_path / "models").mkdir()
    old, new = graphs.sees_a_head(tmp_path / "a"), graphs.sees_a_head(tmp_path / "b", 2)
    verdict = door.judge(new, old)
    known = door.known(new, None)

    assert verdict.good, verdict.reason
    assert known is not None
    assert known["seen"] == known["frames"]
    assert door.known(graphs.sees_nobody(tmp_path / "c"), None) is None


@pytest.mark.parametrize(
    ("make", "limits", "words"),
    [
        (graphs.raises, {}, "ended with exit status 1"),
        pytest.param(
            graphs.hangs, {"self_test_s": 10}, "took longer than 10 s", marks=pytest.mark.proof
        ),
        (graphs.eats_memory, {}, "more than 1024 MB of memory"),
    ],
    ids=["raises", "hangs", "eats memory"],
)
def test_a_model_that_cannot_be_run(
    tmp_path: Path, make: Callable[[Path], Bundle], limits: dict[str, float], words: str
) -> None:
    """Its process is ended, and the door is told why."""
    verdict = door_at(tmp_path, **limits).judge(make(tmp_path / "b"), read_bundle(DEFAULT_BUNDLE))

    assert not verdict.good
    assert words in verdict.reason


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        ({"ms": 201, "seen": 9}, {"ms": 20, "seen": 9}, "201 ms a picture, and 200 ms are allowed"),
        ({"ms": 301, "seen": 9}, {"ms": 200, "seen": 9}, "301 ms a picture, and 300 ms are"),
        ({"ms": 299, "seen": 9}, {"ms": 200, "seen": 9}, ""),
        ({"ms": 20, "seen": 0}, {"ms": 20, "seen": 1}, "sees nobody"),
        ({"ms": 20, "seen": 0}, {"ms": 20, "seen": 0}, ""),
        ({"ms": 20, "errors": 2}, {"ms": 20, "errors": 1}, "2 errors on the recorded clip"),
        ({"ms": 20, "errors": 1}, {"ms": 20, "errors": 1}, ""),
        ({"ms": 20, "errors": 0}, {"ms": 20, "errors": 1}, ""),
    ],
    ids=str,
)
def test_the_comparison(new: dict[str, float], old: dict[str, float], words: str) -> None:
    """No more errors, not blind where the other one sees, and as fast as the door needs it."""
    verdict = compare(new, old, max_ms=200)

    assert (not words) == verdict.good
    assert words in verdict.reason


def test_a_model_that_counts_worse_on_the_clip(tmp_path: Path, scene_video: Path) -> None:
    """The clip's truth decides: one that counts nobody is refused, and gladly replaced."""
    door = door_at(tmp_path)
    clip = clip_of(door.config.models)
    clip.folder.mkdir(parents=True)
    shutil.copy(scene_video, clip.video)
    shutil.copy(scene_video.with_name("door.json"), clip.truth)
    shutil.copy(scene_video.with_name("door_events.csv"), clip.events)
    shipped, blind = read_bundle(DEFAULT_BUNDLE), graphs.sees_a_head(tmp_path / "b")
    worse, better = door.judge(blind, shipped), door.judge(shipped, blind)

    assert better.good, better.reason
    assert 0 == door.measure(shipped, clip)["errors"]
    assert "errors on the recorded clip, where there were 0" in worse.reason
