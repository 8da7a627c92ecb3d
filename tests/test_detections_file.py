"""Recorded boxes: what is written is read, what is wrong is told with its line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.detections import Detections
from edge.detections_file import DetectionsWriter, read_detections
from edge.errors import DataError, WorldError
from edge.types import Frame, Sighting

NO_PICTURE = np.empty((0, 0, 3), np.uint8)
ROW: dict[str, Any] = {"frame": 0, "t": 0.0, "boxes": [[0.1, 0.2, 0.3, 0.4]], "scores": [0.9]}


def sighting(index: int, t: float, detections: Detections) -> Sighting:
    return Sighting(Frame(NO_PICTURE, index, t), detections, 1.0)


def write(folder: Path, *rows: object) -> Path:
    path = folder / "boxes.jsonl"
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("\n".join(text) + "\n")
    return path


corner = st.floats(0, 0.5, width=32)
scores = st.floats(0, 1, width=32)
boxes = st.lists(st.tuples(corner, corner, scores), max_size=4)


@given(st.lists(boxes, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, recording: list[list[tuple[float, float, float]]]
) -> None:
    """Frames, times, boxes and scores come back, to a millionth of the picture."""
    path = tmp_path_factory.mktemp("boxes") / "boxes.jsonl"
    seen = [
        Detections.of([(x, y, x + 0.25, y + 0.5) for x, y, _ in frame], [s for *_, s in frame])
        for frame in recording
    ]
    with DetectionsWriter(path, size=(640, 480), fps=12.5, score=0.4) as writer:
        for index, detections in enumerate(seen):
            writer.write(sighting(index, index / 12.5, detections))
    read = read_detections(path)
    again = list(read.sightings())

    assert ((640, 480), 12.5, 0.4) == (read.size, read.fps, read.score)
    assert [(i, i / 12.5) for i in range(len(seen))] == [(s.frame.index, s.frame.t) for s in again]
    for before, after in zip(seen, again, strict=True):
        np.testing.assert_allclose(before.boxes, after.detections.boxes, atol=1e-6)
        np.testing.assert_allclose(before.scores, after.detections.scores, atol=1e-6)


def test_a_missing_frame_had_no_boxes(tmp_path: Path) -> None:
    """It is seen all the same, at its time, so that gaps have their length."""
    rows = [{**ROW, "frame": 1, "t": 0.1}, {**ROW, "frame": 4, "t": 0.4}]
    read = read_detections(write(tmp_path, *rows))

    assert [0, 1, 0, 0, 1] == [len(each.detections) for each in read.sightings()]
    assert [0, 1, 2, 3, 4] == [each.frame.index for each in read.sightings()]
    assert pytest.approx([0, 0.1, 0.2, 0.3, 0.4]) == [each.frame.t for each in read.sightings()]
    assert pytest.approx(10.0) == read.fps


def test_without_a_first_line_the_picture_is_square_and_no_score_is_cut(tmp_path: Path) -> None:
    """The defaults of a bare file."""
    read = read_detections(write(tmp_path, ROW))

    assert ((1, 1), None) == (read.size, read.score)


def test_blank_lines_and_an_empty_file_are_no_boxes(tmp_path: Path) -> None:
    """Nothing to count is no error."""
    assert [] == list(read_detections(write(tmp_path, "")).sightings())
    assert 1 == len(list(read_detections(write(tmp_path, "", ROW, "")).sightings()))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([ROW, "{"], ":2: is not JSON", id="not JSON"),
        pytest.param([ROW, [1]], ":2: must be a JSON object", id="no object"),
        pytest.param([{"frame": 0, "t": 0}], ":1: 'boxes' is missing", id="no boxes"),
        pytest.param([{**ROW, "scores": []}], ":1: 1 boxes need 1 scores", id="no scores"),
        pytest.param([{**ROW, "boxes": [[0, 0, 1]]}], ":1: boxes must be rows", id="three corners"),
        pytest.param([{**ROW, "boxes": "x"}], ":1: ", id="text"),
        pytest.param([{**ROW, "boxes": [[0.3, 0.2, 0.1, 0.4]]}], ":1: a box has no size", id="out"),
        pytest.param([{**ROW, "boxes": [[10, 20, 30, 40]]}], ":1: .*not pixels", id="pixels"),
        pytest.param([{**ROW, "scores": [90]}], ":1: scores must be 0..1", id="percent"),
        pytest.param([{**ROW, "scores": [float("nan")]}], ":1: .*finite", id="no number"),
        pytest.param([{**ROW, "frame": -1}], ":1: frame must be", id="negative frame"),
        pytest.param([{**ROW, "frame": "0"}], ":1: frame must be", id="frame as text"),
        pytest.param([{**ROW, "t": "soon"}], ":1: ", id="no time"),
        pytest.param([ROW, ROW], ":2: frames and times must grow", id="one frame twice"),
        pytest.param([ROW, {**ROW, "frame": 10**12}], ":2: frame 10{12} follows", id="a leap"),
        pytest.param([{**ROW, "frame": 10**12}], ":1: frame 10{12} follows", id="a first leap"),
        pytest.param([{"size": [0, 1]}, ROW], ":1: size and fps must be above 0", id="no size"),
        pytest.param([{"fps": -1}, ROW], ":1: size and fps must be above 0", id="no rate"),
    ],
)
def test_a_wrong_line_is_told(tmp_path: Path, rows: list[object], message: str) -> None:
    """With the file and the number of the line, in one line."""
    with pytest.raises(DataError, match=r"boxes\.jsonl" + message) as caught:
        read_detections(write(tmp_path, *rows))

    assert "\n" not in str(caught.value)


def test_a_wrong_line_is_told_with_its_own_number(tmp_path: Path) -> None:
    """Blank lines are counted, and the first line need not be the first that tells anything."""
    with pytest.raises(DataError, match=r"boxes\.jsonl:3: size and fps"):
        read_detections(write(tmp_path, "", "", {"fps": -1}, ROW))
    with pytest.raises(DataError, match=r"boxes\.jsonl:4: frames and times"):
        read_detections(write(tmp_path, "", ROW, "", ROW))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """Wherever in the file they are."""
    path = write(tmp_path, ROW)
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(DataError, match=r"boxes\.jsonl: cannot be read: .*utf-8"):
        read_detections(path)


def test_a_file_is_read_as_it_is_taken(tmp_path: Path) -> None:
    """Nothing of it is held: a line that is spoilt after the check is told when it is reached."""
    path = write(tmp_path, ROW, {**ROW, "frame": 1, "t": 0.1})
    sightings = read_detections(path).sightings()
    path.write_text(path.read_text().replace('"frame": 1', '"frame": x'))

    assert 0 == next(sightings).frame.index
    with pytest.raises(DataError, match=r"boxes\.jsonl:2: is not JSON"):
        next(sightings)


def test_what_can_be_read_only_once_is_told(tmp_path: Path) -> None:
    """A pipe would be empty when the boxes are wanted; a folder never has any."""
    pipe = tmp_path / "boxes.jsonl"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(DataError, match="it must be a file"):
            read_detections(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(DataError, match="no such detections file"):
        read_detections(tmp_path / "none.jsonl")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before anything is counted."""
    with pytest.raises(WorldError, match="boxes cannot be written"):
        DetectionsWriter(tmp_path / "none" / "boxes.jsonl", size=(1, 1), fps=1.0, score=0.0)
