"""A recording is labelled by itself: what is said of a simulated door is held against its truth."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.detections import Detections
from edge.contract.ssd import iou_matrix
from edge.errors import CallError, DataError
from edge.scene.scene import Scene
from edge.types import Image
from training.autolabel.background import learn_background
from training.autolabel.folder import strike
from training.autolabel.labelling import autolabel
from training.autolabel.looks import Seen, Told
from training.autolabel.roundness import Edges
from training.autolabel.teacher import head_of_body, of_bodies, of_heads
from training.autolabel.video import open_video
from training.autolabel.ways import Verdict, follow
from training.data.heads import read_heads

SIZE = (240, 180)
FPS = 10.0


def blind(image: Image) -> Told:
    """A teacher that sees nobody from above."""
    return Told(Detections.empty())


def record(path: Path, pictures: Any) -> Path:
    """Write a video."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, np.ndarray]]:
    """Half a minute of a simulated door, and where its heads are, 0..1, by picture."""
    frames = list(Scene(104, duration=30, fps=FPS, size=SIZE))
    path = record(tmp_path_factory.mktemp("door") / "tür 1.mp4", (f.image for f in frames))
    return path, {n: frame.heads for n, frame in enumerate(frames)}


@pytest.fixture(scope="module")
def labelled(
    door: tuple[Path, dict[int, np.ndarray]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The door's labels by motion alone."""
    out = tmp_path_factory.mktemp("labels") / "out"
    return out, autolabel([door[0]], out, blind, told_by="nobody", count=32)


def test_heads_from_above_are_found_by_motion(
    door: tuple[Path, dict[int, np.ndarray]], labelled: tuple[Path, dict[str, Any]]
) -> None:
    """Without any detector, five of six boxes called heads are heads."""
    good = total = 0
    for sample in read_heads(labelled[0]):
        number = int(re.findall(r"_(\d+)\.png", sample.path.name)[0])
        boxes = sample.boxes[~sample.ignore] / np.tile(np.array(SIZE, np.float32), 2)
        overlap = iou_matrix(boxes.astype(np.float32), door[1][number])
        good, total = good + int((overlap.max(axis=1, initial=0) >= 0.5).sum()), total + len(boxes)

    assert total >= 12
    assert good >= 5 / 6 * total


def test_the_story_is_told(labelled: tuple[Path, dict[str, Any]]) -> None:
    """Who labelled, why, and from which file; and a sheet with each picture to look through."""
    out, figures = labelled
    story = json.loads((out / "autolabel.json").read_text())
    page = (out / "sheet.html").read_text()

    assert ("motion", 0.0) == (story["recordings"][0]["by"], story["recordings"][0]["seen_share"])
    assert re.fullmatch("[0-9a-f]{64}", story["recordings"][0]["sha256"])
    assert figures["pictures"] == len(list((out / "images").iterdir())) == page.count("<figure")
    assert "http" not in page


def test_a_teacher_that_sees_is_believed(
    door: tuple[Path, dict[int, np.ndarray]], tmp_path: Path
) -> None:
    """Boxes of one who sees nearly all heads are taken, also of people who stand."""
    video = open_video(door[0])
    truth = {frame.image.tobytes(): door[1][frame.index] for frame in video.frames(1)}

    def teacher(image: Image) -> Detections:
        boxes = truth[image.tobytes()]
        return Detections.of(boxes, np.full(len(boxes), 0.9))

    told = autolabel([door[0]], tmp_path / "out", of_heads(teacher), told_by="truth", count=32)
    recordings: Any = told["recordings"]

    assert "teacher" == recordings[0]["by"]
    assert recordings[0]["seen_share"] >= 0.5


def test_who_is_not_seen_beside_one_who_is_is_left_out(tmp_path: Path) -> None:
    """Two walk so close that they move as one, and the teacher sees the left one alone: the other
    is no place to learn that nobody is there.
    """
    floor = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)

    def picture(number: int) -> Image:
        image, x = floor.copy(), 10 + 3 * number
        for left in (x, x + 36):
            cv2.rectangle(image, (left, 60), (left + 34, 150), (40, 60, 200), -1)
        return image

    def teacher(image: Image) -> Detections:
        columns = np.flatnonzero((image[100, :, 2].astype(int) - image[100, :, 0]) > 80)
        if not len(columns):
            return Detections.empty()
        x = (columns[0] + 17) / SIZE[0]
        return Detections.of([[x - 0.025, 0.33, x + 0.025, 0.42]], [0.9])

    pictures = [*[picture(n) for n in range(45)], *[floor] * 60]
    autolabel(
        [record(tmp_path / "two.mp4", pictures)],
        tmp_path / "out",
        of_heads(teacher),
        told_by="half",
    )
    with_somebody = [s for s in read_heads(tmp_path / "out") if (~s.ignore).any()]

    assert len(with_somebody) >= 10
    for sample in with_somebody:
        head = sample.boxes[~sample.ignore][0]
        beside = (head[[0, 2]].mean() + 36, head[[1, 3]].mean())
        assert any(
            x1 <= beside[0] <= x2 and y1 <= beside[1] <= y2
            for x1, y1, x2, y2 in sample.boxes[sample.ignore]
        )


def test_what_is_struck_out_is_not_learned_from(
    labelled: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A picture goes, a box becomes a place where nobody is asked, the rest stays as it is."""
    folder = tmp_path / "copy"
    (folder / "images").mkdir(parents=True)
    for path in [*labelled[0].glob("images/*"), labelled[0] / "heads.csv"]:
        (folder / path.relative_to(labelled[0])).write_bytes(path.read_bytes())
    before = {s.path.name: s for s in read_heads(folder)}
    gone, other = sorted(name for name, s in before.items() if not s.ignore.all())[:2]
    number = int(np.flatnonzero(~before[other].ignore)[0])
    (tmp_path / "struck.csv").write_text(f"image,box\n{gone},\n{other},{number}\n")

    assert (1, 1) == strike(folder, tmp_path / "struck.csv")
    after = {s.path.name: s for s in read_heads(folder)}
    assert before.keys() - after.keys() == {gone}
    assert after[other].ignore[number]
    assert all(np.array_equal(before[n].boxes, s.boxes) for n, s in after.items())


def test_a_wrong_strike_list_is_told_with_its_line(
    labelled: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A list of another folder changes nothing."""
    (tmp_path / "struck.csv").write_text("image,box\nother.png,\n")

    with pytest.raises(DataError, match=r"struck\.csv:2: .* no picture 'other\.png'"):
        strike(labelled[0], tmp_path / "struck.csv")


def test_a_recording_without_people_is_left_out(
    door: tuple[Path, dict[int, np.ndarray]], tmp_path: Path
) -> None:
    """The others are labelled."""
    empty = record(tmp_path / "empty.mp4", [np.full((*SIZE[::-1], 3), 90, np.uint8)] * 30)
    said: list[str] = []
    told: Any = autolabel(
        [empty, door[0]], tmp_path / "out", blind, told_by="nobody", count=4, say=said.append
    )

    assert "left out" in said[0]
    assert ["tür 1.mp4"] == [each["video"] for each in told["recordings"]]


def test_recordings_that_cannot_be_labelled(tmp_path: Path) -> None:
    """No video, nobody in it, or a folder that is there: one line each, and nothing is written."""
    rng = np.random.default_rng(1)
    floor = rng.integers(80, 90, (*SIZE[::-1], 3)).astype(np.uint8)
    empty = record(tmp_path / "empty.mp4", [floor] * 30)
    (tmp_path / "text.mp4").write_text("no video")
    cases: list[tuple[Path, type[Exception], str]] = [
        (tmp_path / "none.mp4", DataError, "no such file"),
        (tmp_path / "text.mp4", DataError, "cannot be decoded"),
        (empty, DataError, "nobody moves"),
    ]

    for path, kind, told in cases:
        with pytest.raises(kind, match=told):
            autolabel([path], tmp_path / "out", blind, told_by="nobody")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CallError, match="called alike"):
        autolabel([empty, tmp_path / "." / "empty.mp4"], tmp_path / "out", blind, told_by="n")


def test_a_shadow_is_no_motion() -> None:
    """A darker floor of the same colour is the floor; a person on it moves."""
    floor = np.full((120, 160, 3), (90, 110, 140), np.uint8)
    shade, person = floor.copy(), floor.copy()
    shade[30:90, 40:100] = (54, 66, 84)
    person[30:90, 40:100] = (140, 60, 40)
    background = learn_background([floor] * 3)

    assert not background.moving(shade).any()
    assert background.moving(person)[40:80, 50:90].all()


@given(st.integers(12, 24), st.integers(40, 120), st.integers(40, 80))
def test_a_disc_is_found_where_it_is(radius: int, x: int, y: int) -> None:
    """Of a dark disc on a light body the votes meet at its centre."""
    image = np.full((120, 160, 3), 30, np.uint8)
    cv2.ellipse(image, (x, y), (2 * radius, round(1.3 * radius)), 0, 0, 360, (200, 190, 180), -1)
    cv2.circle(image, (x, y), radius, (20, 20, 20), -1, cv2.LINE_AA)
    votes = Edges(image).votes(float(radius))
    row, column = np.unravel_index(votes.argmax(), votes.shape)

    assert abs(row - y) <= 2
    assert abs(column - x) <= 2


def walk(score: float, xs: list[float], seen: Callable[[int], bool] = lambda _: True) -> list[Seen]:
    """One candidate of 0.1 from x to x."""
    pictures = []
    for number, x in enumerate(xs):
        box = Detections.of([[x, 0.4, x + 0.1, 0.5]], [score])
        found = box if seen(number) else Detections.empty()
        pictures.append(Seen(number, number / FPS, found, (), (), still=False))
    return pictures


@pytest.mark.parametrize(
    ("pictures", "verdict"),
    [
        (walk(0.6, [0.1 + 0.04 * i for i in range(15)]), Verdict.HEAD),
        (walk(0.35, [0.1 + 0.04 * i for i in range(15)]), Verdict.DOUBT),
        (walk(0.9, [0.1 + 0.04 * i for i in range(4)]), Verdict.DOUBT),
        (walk(0.5, [0.5] * 30), Verdict.CLUTTER),
        (walk(0.9, [0.5] * 30), Verdict.HEAD),
    ],
    ids=["walks", "hardly seen", "seen too shortly", "a chair", "somebody who stands"],
)
def test_ways_decide_who_is_believed(pictures: list[Seen], verdict: Verdict) -> None:
    """One candidate along one way."""
    (way,) = follow(pictures, 4 / 3)

    assert verdict is way.verdict()


def test_heads_of_upright_bodies_are_told() -> None:
    """Where the head of somebody is who strides or bends down, a body's box does not tell: it may
    be anywhere in it.
    """

    def bodies(image: Image) -> Detections:
        return Detections.of([[0.2, 0.1, 0.4, 0.9], [0.5, 0.5, 0.9, 0.9]], [0.9, 0.8])

    told = of_bodies(bodies)(np.zeros((90, 90, 3), np.uint8))

    assert [0.9] == pytest.approx(told.heads.scores.tolist())
    assert [(0.5, 0.5, 0.9, 0.9)] == [pytest.approx(box) for box in told.unclear]


def test_the_head_of_a_body_is_at_its_top() -> None:
    """In the middle, and about as wide as high in pixels."""
    (head,) = head_of_body(np.array([[0.2, 0.1, 0.4, 0.9]], np.float32), 16 / 9)
    width, height = (head[2] - head[0]) * 16, (head[3] - head[1]) * 9

    assert 0.3 == pytest.approx((head[0] + head[2]) / 2)
    assert 0.1 == pytest.approx(head[1])
    assert 0.85 == pytest.approx(width / height)
