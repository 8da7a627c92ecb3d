"""`headcount audit --suggest-line`: from a recording to a line that counts, by the command line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.config import read_config
from tests.conftest import headcount
from tests.walkers import FPS, HEIGHT, WIDTH, Way, sightings, through

DOWN: list[Way] = [through((x, 0.08), (x, 0.92)) for x in np.linspace(0.35, 0.65, 8)]
EDGE = ("--line", "0.2,0.98,0.8,0.98", "--in-side", "0.5,0.5")
MIDDLE = ("--line", "0.2,0.5,0.8,0.5", "--in-side", "0.5,0.9")


def write_boxes(path: Path, ways: Sequence[Way]) -> Path:
    """The people as recorded boxes."""
    rows: list[dict[str, Any]] = [{"size": [WIDTH, HEIGHT], "fps": FPS}]
    for sighting in sightings(ways):
        seen = sighting.detections
        boxes, scores = seen.boxes.tolist(), seen.scores.tolist()
        rows.append(
            {"frame": sighting.frame.index, "t": sighting.frame.t, "boxes": boxes, "scores": scores}
        )
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people who walk down through the picture."""
    return write_boxes(tmp_path_factory.mktemp("boxes") / "down.jsonl", DOWN)


def suggest(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What `headcount audit --suggest-line` prints; it always ends well."""
    assert 0 == main(["audit", "--suggest-line", *map(str, arguments)])
    return capsys.readouterr().out


def suggest_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    return json.loads(suggest(capsys, *arguments, "--json").splitlines()[-1])


def options(line: dict[str, Any]) -> list[str]:
    """A line of the report as options of `replay`."""
    ends, side = (",".join(map(str, each)) for each in ([*line["a"], *line["b"]], line["in_side"]))
    return ["--line", ends, "--in-side", side]


def replay(capsys: pytest.CaptureFixture[str], boxes: Path, *arguments: str) -> tuple[int, int]:
    assert 0 == main(["replay", "--detections", str(boxes), *arguments, "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told["in"], told["out"]


def test_what_is_printed_can_be_pasted(
    boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option into a command line and the section into a configuration: both count all."""
    printed = suggest(capsys, "--detections", boxes, *EDGE)
    better = printed[printed.index("better:") :]
    found = re.search(r"--line \S+ --in-side \S+", better)
    config = tmp_path / "door.toml"
    config.write_text(better[better.index("[[line]]") :])

    assert found is not None
    assert "warning: " in printed
    assert (0, 8) == replay(capsys, boxes, *found[0].split())
    assert (0, 8) == replay(capsys, boxes, "-c", str(config))
    assert "L1" == tomllib.loads(config.read_text())["line"][0]["name"]


def test_the_report_as_json(boxes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line with figures and warnings, and a better one with its own."""
    report = suggest_json(capsys, "--detections", boxes, *MIDDLE, *EDGE)
    good, bad = report["lines"]

    assert (8, 8, True) == (report["followed"], report["people"], report["enough"])
    assert ([], None) == (good["warnings"], good["proposal"])
    assert (8, 0) == (good["figures"]["clear_in"], good["figures"]["clear_out"])
    assert {"edge", "unseen", "idle"} == {warning["kind"] for warning in bad["warnings"]}
    assert 8 == bad["proposal"]["figures"]["clear_out"]
    assert "proposal" not in report


def test_without_lines_one_is_proposed(boxes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts everybody, in whichever direction is chosen."""
    report = suggest_json(capsys, "--detections", boxes)
    proposal = report["proposal"]
    other = {**proposal, "in_side": proposal["other_side"]}

    assert [] == report["lines"]
    assert not proposal["side_is_known"]
    assert {(8, 0), (0, 8)} == {replay(capsys, boxes, *options(x)) for x in (proposal, other)}
    assert "choose one" in suggest(capsys, "--detections", boxes)


def test_lines_come_from_a_configuration(
    boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, by name; names that need quotes are printed so that they can be read again."""
    config = tmp_path / "door.toml"
    section = "a = [0.2, 0.98]\nb = [0.8, 0.98]\nin_side = [0.5, 0.5]\n"
    config.write_text(f'[[line]]\nname = "the \\"back\\" door"\n{section}')
    printed = suggest(capsys, "--detections", boxes, "-c", config)
    config.write_text(printed[printed.index("[[line]]") :])

    assert ['the "back" door'] == [line.name for line in read_config(config).lines]


def test_too_few_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said plainly; no proposal, exit 0."""
    few = write_boxes(tmp_path / "few.jsonl", DOWN[:3])

    assert "3 people followed" in suggest(capsys, "--detections", few, *EDGE)
    assert not suggest_json(capsys, "--detections", few)["enough"]
    assert suggest_json(capsys, "--detections", few)["proposal"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--suggest-line",), "VIDEO or --detections", id="no recording"),
        pytest.param((), "--truth GT.json, or --suggest-line", id="neither"),
        pytest.param(("v.mp4", "--truth", "t.json", "-c", "c.toml"), "leave out", id="config"),
        pytest.param(("v.mp4", "--truth", "t.json", "--picture", "p.jpg"), "belongs", id="picture"),
        pytest.param(
            ("v.mp4", "--suggest-line", "--truth", "t.json", *MIDDLE), "not from both", id="both"
        ),
        pytest.param(("v.mp4", "--suggest-line", *MIDDLE[:2]), "in side", id="no in side"),
        pytest.param(("v.mp4", "--suggest-line", "--picture", "p.gif"), ".jpg or", id="kind"),
        pytest.param(
            ("--detections", "b.jsonl", "--suggest-line", "--picture", "p.jpg"),
            "needs pictures",
            id="no pictures",
        ),
    ],
)
def test_wrong_calls(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and one clear line."""
    assert 2 == main(["audit", *arguments])
    assert says in capsys.readouterr().err


def test_a_picture_shows_trails_and_lines(scene_video: Path, tmp_path: Path) -> None:
    """From a video, of however few people; one clear line where it cannot lie."""
    truth, picture = scene_video.with_suffix(".json"), tmp_path / "ways.jpg"
    asked = ("audit", scene_video, "--suggest-line", "--truth", truth, "--picture")
    outcome = headcount(*asked, picture)
    refused = headcount(*asked, tmp_path / "none" / "ways.jpg")
    drawn = cv2.imread(str(picture))

    assert 0 == outcome.code, outcome.err
    assert "4 people followed" in outcome.out
    assert drawn is not None
    yellow = np.abs(drawn[340:380].astype(int) - (40, 220, 250)).max(axis=2) < 90
    assert yellow.any(axis=0).mean() > 0.8  # the line, from side to side
    assert 1 == refused.code
    assert refused.is_one_clear_line()


def record(data: Path, name: str, path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The boxes that the shipped detector sees in a recording."""
    video = data / "videos" / f"{name}.mp4"
    assert 0 == main(["replay", str(video), *MIDDLE, "--save-detections", str(path)])
    capsys.readouterr()
    return path


@pytest.mark.data
@pytest.mark.proof
@pytest.mark.timeout(900)
def test_six_people_enter_and_leave(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """intel_one_by_one: L1, where heads first appear, is moved; proposed lines count all six."""
    boxes = record(data, "intel_one_by_one", tmp_path / "boxes.jsonl", capsys)
    truth = data / "gt" / "intel_one_by_one.json"
    report = suggest_json(capsys, "--detections", boxes, "--truth", truth)
    first, second = report["lines"]

    assert 6 == report["people"]
    assert "unseen" in {warning["kind"] for warning in first["warnings"]}
    assert (6, 0) == replay(capsys, boxes, *options(first["proposal"]))
    assert ([], None) == (second["warnings"], second["proposal"])
    proposal = suggest_json(capsys, "--detections", boxes)["proposal"]
    assert (0, 6) == tuple(sorted(replay(capsys, boxes, *options(proposal))))


@pytest.mark.data
@pytest.mark.timeout(900)
def test_a_line_at_the_edge_of_the_bus_is_moved(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """bus_overhead: the middle is good; a line at the lower edge is moved to count as many."""
    boxes = record(data, "bus_overhead", tmp_path / "boxes.jsonl", capsys)
    middle = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")
    report = suggest_json(
        capsys, "--detections", boxes, *middle, "--line", "0,0.96,1,0.96", "--in-side", "0.5,1"
    )
    good, bad = report["lines"]

    assert good["proposal"] is None
    assert "edge" in {warning["kind"] for warning in bad["warnings"]}
    moved = replay(capsys, boxes, *options(bad["proposal"]))
    assert sum(moved) >= sum(replay(capsys, boxes, *middle)) - 1
    assert moved[0] >= 5


@pytest.mark.data
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["opencv_vtest_480x360", "footfall_overhead"])
def test_recordings_that_tell_little_say_so(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four people are too few to propose anything from; more are enough."""
    boxes = record(data, name, tmp_path / "boxes.jsonl", capsys)
    report = suggest_json(capsys, "--detections", boxes)

    assert ("footfall_overhead" != name) == report["enough"]
    assert report["enough"] == (report["proposal"] is not None)
