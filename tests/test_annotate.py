"""The annotated video: what is on it, where, for how long, and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.annotate import Annotator, draw_lines, draw_ways
from edge.canvas import BLUE, RED, YELLOW, Canvas, zoom
from edge.contract.detections import Detections
from edge.errors import WorldError
from edge.line import LineCounter, LineSettings
from edge.pipeline import Corridor, Step
from edge.tracker import Tracker, TrackerSettings
from edge.types import Direction, Frame, Image, Line, Sighting

FPS = 10.0
SIZE = (320, 240)
LINE = Line("L1", (0.1, 0.5), (0.9, 0.5), (0.5, 0.9))
SIDE = 0.15  # of a head, picture heights
GREY = np.full((240, 320, 3), 90, np.uint8)


def walk(ys: list[float], *, empty: int, boxes: int = 1000) -> Iterator[Sighting]:
    """A head at x = 0.3 going through `ys`, one a frame, then `empty` frames without any."""
    half = SIDE / 2
    for index, y in enumerate([*ys, *[None] * empty]):
        box = [] if y is None or index >= boxes else [[0.3 - half, y - half, 0.3 + half, y + half]]
        detections = Detections.of(box, [0.9] * len(box))
        yield Sighting(Frame(GREY, index, index / FPS), detections, 1.0)


def corridor() -> Corridor:
    aspect = SIZE[0] / SIZE[1]
    return Corridor(Tracker(TrackerSettings(), aspect), LineCounter([LINE], LineSettings(), aspect))


def annotate(path: Path, sightings: Iterator[Sighting]) -> tuple[list[Step], list[Image]]:
    """The steps, and the pictures of the video that was made of them."""
    through, steps = corridor(), []
    annotator = Annotator(path, (LINE,), SIZE, FPS)
    for sighting in sightings:
        steps.append(through.step(sighting))
        annotator.draw(steps[-1])
    annotator.finish([c for step in steps for c in step.crossings] + list(through.finish()))
    annotator.close()
    return steps, pictures(path)


def pictures(path: Path) -> list[Image]:
    video, found = cv2.VideoCapture(str(path)), []
    while True:
        more, picture = video.read()
        if not more:
            return found
        found.append(picture)


def share(picture: Image, colour: tuple[int, int, int], x: float, y: float) -> float:
    """Share of this colour within 16 pixels of a place of the drawing of a 320x240 picture."""
    row, column = round(y * 480), round(x * 640)
    part = picture[row - 16 : row + 16, column - 16 : column + 16].astype(int)
    return float((np.abs(part - colour).max(axis=2) < 70).mean())


WAY = np.arange(0.2, 0.81, 0.04).tolist()  # 16 looks from above the line to below it


def test_a_crossing_is_marked_where_it_was_for_a_second(tmp_path: Path) -> None:
    """The line and the place of the passage turn red when it is told, and yellow again later."""
    steps, drawn = annotate(tmp_path / "a.mp4", walk(WAY, empty=20))
    (told,) = (i for i, step in enumerate(steps) if step.crossings)
    marked = [i for i, picture in enumerate(drawn) if share(picture, RED, 0.3, 0.5) > 0.05]

    assert list(range(told, told + 10)) == marked
    assert share(drawn[-1], YELLOW, 0.3, 0.5) > 0.05


def test_a_crossing_told_at_the_end_is_marked_on_the_last_picture(tmp_path: Path) -> None:
    """It holds for two seconds, as the counts that are printed include it."""
    late = WAY[: WAY.index(next(y for y in WAY if y > 0.55)) + 1]  # ends within the dead band
    steps, drawn = annotate(tmp_path / "a.mp4", walk(late, empty=0))

    assert not any(step.crossings for step in steps)
    assert len(steps) + 20 == len(drawn)
    assert share(drawn[-1], RED, 0.3, 0.5) > 0.05 > share(drawn[len(steps) - 1], RED, 0.3, 0.5)


def test_nothing_is_added_where_nothing_is_late(tmp_path: Path) -> None:
    """As many pictures as frames."""
    steps, drawn = annotate(tmp_path / "a.mp4", walk(WAY, empty=20))

    assert len(steps) == len(drawn)


@pytest.mark.parametrize("looks", [1, 2, 16], ids=["a blink", "unconfirmed", "a person"])
def test_trails_are_forgotten_with_their_tracks(tmp_path: Path, looks: int) -> None:
    """Whoever has left, and whatever never was a person, takes no memory."""
    through, annotator = corridor(), Annotator(tmp_path / "a.mp4", (LINE,), SIZE, FPS)
    remembered = []
    for sighting in walk(WAY[:looks], empty=20):
        annotator.draw(through.step(sighting))
        remembered.append(annotator.remembered)
    annotator.close()

    assert (1, 0) == (remembered[0], remembered[-1])


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((320, 240), (640, 480)), ((240, 240), (480, 480)), ((768, 432), (768, 432))],
    ids=str,
)
def test_small_pictures_are_enlarged(
    tmp_path: Path, size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    """The video is as large as the picture, twice that where it is narrow, and a bar below it."""
    path = tmp_path / "a.mp4"
    annotator = Annotator(path, (LINE,), size, FPS)
    frame = Frame(np.full((size[1], size[0], 3), 90, np.uint8), 0, 0.0)
    annotator.draw(corridor().step(Sighting(frame, Detections.empty(), 1.0)))
    annotator.close()
    (picture,) = pictures(path)

    assert drawn[0] == picture.shape[1]
    assert drawn[1] + 30 < picture.shape[0] < drawn[1] + 100
    assert zoom(size) == drawn[0] / size[0]
    assert picture[drawn[1] + 4 :].max() > 150  # the bar tells the counts


def test_a_box_is_drawn_where_it_was_seen(tmp_path: Path) -> None:
    """The edges of the box that the detector gave differ from the picture; its middle does not."""
    _, drawn = annotate(tmp_path / "a.mp4", walk([0.2, 0.2, 0.2], empty=0))
    half = round(SIDE / 2 * 640)
    across = drawn[-1][round(0.2 * 480), :, :].astype(int)
    changed = np.flatnonzero(np.abs(across - 90).max(axis=1) > 60)

    assert {round(0.3 * 640) - half, round(0.3 * 640) + half} <= set(changed)
    assert round(0.3 * 640) + half // 2 not in changed


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (-0.3, 1.4)])
def test_text_stays_in_the_picture(at: tuple[float, float]) -> None:
    """The same ink in a corner as in the middle."""
    inks = []
    for place in ((0.5, 0.5), at):
        canvas = Canvas(GREY)
        canvas.text("#12345", place, RED)
        inks.append(int((np.abs(canvas.image.astype(int) - RED).max(axis=2) < 70).sum()))

    assert inks[0] == inks[1] > 50


@pytest.mark.parametrize("side", [(0.5, 0.9), (0.5, 0.1)], ids=["below", "above"])
def test_the_arrow_points_to_the_in_side(side: tuple[float, float]) -> None:
    """Ink from the middle of the line towards in_side, none on the other side."""
    large = np.full((480, 640, 3), 90, np.uint8)
    drawn = draw_lines(large, [Line("L1", (0.1, 0.5), (0.9, 0.5), side)])
    towards = 0.5 + (0.06 if side[1] > 0.5 else -0.06)

    assert share(drawn, YELLOW, 0.5, towards) > 0.05
    assert 0 == share(drawn, YELLOW, 0.5, 1 - towards)


def test_a_picture_for_aiming_keeps_its_size() -> None:
    """What the camera shows is not enlarged, and the picture that was given stays as it was."""
    assert GREY.shape == draw_lines(GREY, [LINE]).shape
    assert 90 == GREY.max()


def test_ways_and_both_kinds_of_lines_are_drawn() -> None:
    """Trails blue, given lines yellow, better ones green."""
    better = Line("L1", (0.1, 0.8), (0.9, 0.8), (0.5, 0.9))
    drawn = draw_ways(GREY, [[(0.2, 0.1), (0.2, 0.3)]], [LINE], [better])

    assert share(drawn, BLUE, 0.2, 0.2) > 0.02
    assert share(drawn, YELLOW, 0.3, 0.5) > 0.05
    assert share(drawn, (80, 220, 80), 0.3, 0.8) > 0.05


def test_a_video_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that does not exist: one clear line."""
    with pytest.raises(WorldError, match="does its folder exist"):
        Annotator(tmp_path / "none" / "a.mp4", (LINE,), SIZE, FPS)


def test_both_directions_are_told(tmp_path: Path) -> None:
    """A person who goes in and out again is marked twice."""
    steps, _ = annotate(tmp_path / "a.mp4", walk([*WAY, *WAY[::-1]], empty=20))

    assert [Direction.IN, Direction.OUT] == [c.direction for s in steps for c in s.crossings]
