"""The door scenarios through the command line: recorded boxes in, counts out, defaults only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from tests.scenarios import KNOWN, Place, Scenario, frames

LINE = Place().lines[0]

CASES = [
    pytest.param(scenario, fps, id=f"{scenario.name}, {fps:g} fps")
    for scenario in KNOWN
    for fps in scenario.fps
]


def write_boxes(path: Path, scenario: Scenario, fps: float, seed: int) -> None:
    """Write a scenario as a detections file, with the picture's shape and without a score."""
    rows: list[dict[str, object]] = [{"size": list(scenario.place.size), "fps": fps}]
    for index, seen in enumerate(frames(scenario, seed, fps)):
        boxes, scores = seen.boxes.tolist(), seen.scores.tolist()
        rows.append({"frame": index, "t": index / fps, "boxes": boxes, "scores": scores})
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def replay(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """`headcount replay --detections`: in, out."""
    line = ",".join(map(str, (*LINE.a, *LINE.b)))
    side = ",".join(map(str, LINE.in_side))
    code = main(["replay", "--detections", str(path), "--line", line, "--in-side", side, "--json"])
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert 0 == code
    return counted["in"], counted["out"]


@pytest.mark.parametrize(("scenario", "fps"), CASES)
def test_a_door_is_counted_exactly(
    scenario: Scenario, fps: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty episodes, immediate mode, default settings: no error (seed 1)."""
    write_boxes(tmp_path / "boxes.jsonl", scenario, fps, 1)

    assert scenario.truth == replay(tmp_path / "boxes.jsonl", capsys)
