"""Every foreseeable fault is one clear line with the right exit code and no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edge
from tests.conftest import headcount

DEFAULT_BUNDLE = Path(edge.__file__).parent / "models" / "default"
LINE = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")


def test_no_such_video(tmp_path: Path) -> None:
    """A video that is not there: exit 1, and the line names it."""
    outcome = headcount("replay", tmp_path / "nowhere.mp4", *LINE)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "nowhere.mp4" in outcome.err


def test_video_that_does_not_decode(tmp_path: Path) -> None:
    """A file that is no video: exit 1, and the line names it."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 100)
    outcome = headcount("replay", broken, *LINE)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "broken.mp4" in outcome.err


def test_camera_that_is_not_there(tmp_path: Path) -> None:
    """A camera that is not plugged in: exit 1, and the line names it."""
    config = tmp_path / "door.toml"
    config.write_text(
        '[source]\nuri = "v4l2:77"\n'
        f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n'
        '[[line]]\nname = "door"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
    )
    outcome = headcount("run", "-c", config)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "v4l2:77" in outcome.err


def test_a_precision_that_the_bundle_has_not(scene_video: Path) -> None:
    """int8 from a bundle without an int8 form: exit 1, and the line says what to set instead."""
    outcome = headcount("replay", scene_video, *LINE, "--precision", "int8")

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "int8" in outcome.err
    assert "auto or f32" in outcome.err


def test_unknown_config_key(tmp_path: Path, scene_video: Path) -> None:
    """A key that does not exist: exit 2, with file and line of the key."""
    config = tmp_path / "door.toml"
    config.write_text(f'[source]\nuri = "{scene_video}"\ncolour = "red"\n')
    outcome = headcount("run", "-c", config)

    assert 2 == outcome.code
    assert outcome.is_one_clear_line()
    assert "door.toml:3" in outcome.err
    assert "colour" in outcome.err


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(("--line", "0.5,0.5,0.5,0.5", "--in-side", "0.5,0.9"), id="no length"),
        pytest.param(("--line", "0,0.5,1,0.5", "--in-side", "0.3,0.5"), id="in side on the line"),
        pytest.param(("--line", "0,0.5,1", "--in-side", "0.3,0.9"), id="three numbers"),
        pytest.param(("--line", "0,0.5,1,7", "--in-side", "0.3,0.9"), id="outside the picture"),
        pytest.param(("--line", "0,0.5,1,0.5"), id="no in side"),
        pytest.param((), id="no line at all"),
    ],
)
def test_line_that_cannot_count(scene_video: Path, line: tuple[str, ...]) -> None:
    """A line of no length, without an in side, outside the picture, or none: exit 2."""
    outcome = headcount("replay", scene_video, *line)

    assert 2 == outcome.code
    assert outcome.is_one_clear_line()


def test_bundle_with_a_flipped_byte(tmp_path: Path, scene_video: Path) -> None:
    """A bundle of which one byte differs is refused: exit 1, and the file is named."""
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    weights = next(bundle.glob("*.bin"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    outcome = headcount("replay", scene_video, *LINE, "--model", bundle)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert weights.name in outcome.err


def test_bundle_that_is_not_there(tmp_path: Path, scene_video: Path) -> None:
    """A folder without a bundle: exit 1, and the folder is named."""
    outcome = headcount("replay", scene_video, *LINE, "--model", tmp_path / "none")

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()


def test_device_that_does_not_exist(scene_video: Path) -> None:
    """A device that OpenVINO does not know: exit 1, and the known ones are named."""
    outcome = headcount("replay", scene_video, *LINE, "--device", "ABACUS")

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "CPU" in outcome.err


def test_detections_that_are_no_detections(tmp_path: Path) -> None:
    """A detections file with a bad line: exit 1, with file and line."""
    path = tmp_path / "boxes.jsonl"
    path.write_text('{"frame": 0, "t": 0, "boxes": [], "scores": []}\n{"frame": 1, "boxes": 3}\n')
    outcome = headcount("replay", "--detections", path, *LINE)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "boxes.jsonl:2" in outcome.err


def test_truth_that_is_not_there(tmp_path: Path, scene_video: Path) -> None:
    """An audit without its truth: exit 1, and the file is named."""
    outcome = headcount("audit", scene_video, "--truth", tmp_path / "gt.json")

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "gt.json" in outcome.err


def test_audit_takes_no_line(scene_video: Path) -> None:
    """An audit's lines come from the truth: `--line` is a wrong call."""
    truth = scene_video.with_suffix(".json")
    outcome = headcount("audit", scene_video, "--truth", truth, "--line", "0,0,1,1")

    assert 2 == outcome.code


def test_watch_without_a_broker() -> None:
    """Watching needs a broker: exit 1, and the line names it."""
    outcome = headcount("watch", "--once", "--broker", "mqtt://127.0.0.1:1")

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "127.0.0.1" in outcome.err


def test_a_verb_that_does_not_exist() -> None:
    """A wrong call ends with 2."""
    assert 2 == headcount("dance").code
