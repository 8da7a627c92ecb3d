"""The Pi's own camera: its pictures and times as they are, and one clear line where there is none.

The camera is simulated (`tests.picameras`); worker, child and pipes are real.
"""

from __future__ import annotations

import ast
import itertools
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.config import SourceConfig
from edge.errors import CallError, SourceError
from edge.source import Clock, open_source
from edge.source.camera_child import BACKEND, CameraChild
from edge.source.picamera import Patience, open_picamera, survey
from edge.types import Frame, Image
from tests.picameras import FPS, SIZE, PiCamera, taken
from tests.processes import open_files

UNTURN = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@pytest.fixture
def camera(tmp_path: Path) -> PiCamera:
    """A camera in order."""
    return PiCamera.build(tmp_path)


def first(settings: SourceConfig, count: int = 1) -> list[Frame]:
    with open_source(settings) as source:
        return list(itertools.islice(source, count))


def test_pictures_are_those_of_the_camera(camera: PiCamera) -> None:
    """Blue, green, red; counted from 0; each with the sensor's own time, and a wall clock to it."""
    before = time.monotonic()
    with open_source(camera.settings()) as source:
        frames = list(itertools.islice(source, 10))

    assert ("picamera2:0", SIZE, True, None) == (
        source.name,
        source.size,
        source.live,
        source.frames,
    )
    assert source.fps == pytest.approx(FPS, 0.01)
    for earlier, frame in itertools.pairwise(frames):
        assert earlier.index < frame.index
        assert before < earlier.t < frame.t < time.monotonic()
    for frame in frames:
        assert taken(frame.image) == pytest.approx(frame.t, abs=1e-6)
        np.testing.assert_array_equal((0, 0, 200), frame.image[5, 7])
        assert frame.utc is not None
        passed = timedelta(seconds=time.monotonic() - frame.t)
        assert abs(datetime.now(UTC) - passed - frame.utc) < timedelta(seconds=0.5)


@pytest.mark.parametrize("padding", [1, 64])
def test_padding_of_rows_is_no_picture(camera: PiCamera, padding: int) -> None:
    """Rows that the camera pads come without their padding."""
    camera.order(padding=padding)
    (frame,) = first(camera.settings())
    frame.image[0, :2] = 0, 0, 200

    assert (SIZE[1], SIZE[0], 3) == frame.image.shape
    assert ((0, 0, 200) == frame.image).all()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_turned(camera: PiCamera, degrees: int) -> None:
    """Clockwise, in quarters."""
    with open_source(camera.settings(rotation=degrees)) as source:
        frame = next(iter(source))
    back: Image = cv2.rotate(frame.image, UNTURN[degrees]) if degrees else frame.image

    assert (SIZE if degrees in (0, 180) else SIZE[::-1]) == source.size
    assert source.size == (frame.image.shape[1], frame.image.shape[0])
    assert taken(back) == pytest.approx(frame.t, abs=1e-6)


@pytest.mark.parametrize(
    ("keys", "sensor", "size"),
    [
        ({"width": None, "height": None}, (3280, 2464), (640, 480)),
        ({"width": None, "height": None}, (4608, 2592), (640, 360)),
        ({"width": 320, "height": None}, (4608, 2592), (320, 180)),
        ({"width": None, "height": 90}, (4608, 2592), (160, 90)),
        ({"width": 200, "height": 100}, (3280, 2464), (200, 100)),
    ],
)
def test_size_keeps_the_whole_view(
    camera: PiCamera, keys: dict[str, Any], sensor: tuple[int, int], size: tuple[int, int]
) -> None:
    """What is not asked for follows the sensor's shape; the sensor's mode is one without a crop."""
    camera.order(sensor=sensor)
    with open_source(camera.settings(**keys)) as source:
        assert size == source.size

    assert {"size": [1640, 1232]} == camera.asked()["raw"]


def test_modes_that_cannot_be_read(camera: PiCamera, capfd: pytest.CaptureFixture[str]) -> None:
    """A sensor whose modes do not fit the memory gives pictures still, and a word of the view."""
    camera.order(fail={"modes": "Cannot allocate memory"})
    first(camera.settings())

    assert camera.asked()["raw"] is None
    assert "may be cropped: Cannot allocate memory" in capfd.readouterr().err


def test_exposure_and_rate_are_asked_for(camera: PiCamera) -> None:
    """An exposure leaves the gain automatic; without these keys the camera has its own way."""
    first(camera.settings(fps=20, exposure=8000))
    asked = camera.asked()["controls"]
    first(camera.settings(fps=None))

    assert {"FrameDurationLimits": [50000, 50000], "ExposureTime": 8000} == asked
    assert {} == camera.asked()["controls"]


def test_a_rate_that_the_camera_cannot_is_told(
    camera: PiCamera, caplog: pytest.LogCaptureFixture
) -> None:
    """The camera's own rate is believed, and a difference is a warning."""
    camera.order(rate=25)
    with open_source(camera.settings(fps=100)) as source:
        assert source.fps == pytest.approx(25)

    assert "100 pictures/s asked, the camera gives 25" in caplog.text


def test_times_that_cannot_be_are_not_believed(camera: PiCamera) -> None:
    """Without a sensor's time, or with one in the future, a picture has that of its arrival."""
    camera.order(untold=["SensorTimestamp", "FrameDuration", "Lux"])
    (untold,) = first(camera.settings())
    camera.order()
    clock = Clock(monotonic=lambda: time.monotonic() - 1e6)  # of another machine, as it were
    with open_picamera(camera.settings(), clock) as source:
        frames = list(itertools.islice(source, 5))

    assert 0 < untold.t - taken(untold.image) < 5
    for frame in frames:
        assert 0 < frame.t - taken(frame.image) + 1e6 < 5
    assert sorted({frame.t for frame in frames}) == [frame.t for frame in frames]


def test_newest_picture_wins(camera: PiCamera) -> None:
    """Who is slow gets the present; what was missed is counted and shows in the index."""
    with open_source(camera.settings()) as source:
        pictures = iter(source)
        next(pictures)
        time.sleep(1.0)
        late = next(pictures)

        assert time.monotonic() - late.t < 0.5
        assert late.index > 5
        assert source.dropped >= late.index - 5


def test_the_child_does_not_queue(camera: PiCamera) -> None:
    """While nobody reads, only what the pipe holds grows old; then pictures are fresh at once."""
    settings = camera.settings(width=640, height=480)
    with CameraChild("cam", settings, 0) as child:
        child.greet(20)
        child.picture(20)
        time.sleep(1.0)
        ages = []
        for _ in range(6):
            head, _ = child.picture(20)
            ages.append(time.monotonic() - head["t"])

    assert sum(age > 0.5 for age in ages) <= 3
    assert ages[-1] < 0.5


QUICK = Patience(hello=5, first=1, busy=0.4)
BUSY = {"busy": True}


@pytest.mark.parametrize(
    ("orders", "words", "mend"),
    [
        pytest.param(
            {"fail": {"import": "No module named 'picamera2'"}},
            "has no Picamera2 (No module named 'picamera2')",
            "sudo apt install python3-picamera2",
            id="no picamera2",
        ),
        pytest.param(
            {"fail": {"numpy": "numpy.dtype size changed"}},
            "cannot load Picamera2 (numpy.dtype size changed)",
            "a NumPy that pip put before the system's",
            id="pip's numpy",
        ),
        pytest.param(
            {"cameras": []},
            "no such camera (none is detected)",
            "rpicam-hello --list-cameras",
            id="none",
        ),
        pytest.param(BUSY, "Device or resource busy", "fuser -v /dev/media*", id="busy"),
        pytest.param({"fail": {"open": "i2c: no\nanswer;"}}, "i2c: no answer", "cable", id="open"),
        pytest.param({"fail": {"configure": "Invalid"}}, "the camera fails (Invalid)", "cable"),
        pytest.param({"fail": {"start": "EIO"}}, "the camera fails (EIO)", "cable", id="start"),
        pytest.param({"fail": {"start": "block"}}, "no picture: silent for", "cable"),
        pytest.param({"fail": {"capture": "block"}}, "no picture: silent for", "cable"),
        pytest.param({"fail": {"capture": "crash"}}, "ended with exit status 7", "cable"),
        pytest.param({"fail": {"start": "EIO", "stop": "block"}}, "(EIO)", "cable", id="and stop"),
        pytest.param({"format": "YUYV"}, "gives YUYV, not RGB", "v4l2:N", id="a USB camera"),
        pytest.param({"controls": []}, "has no FrameDurationLimits", "leave out source.fps"),
    ],
)
def test_a_camera_that_does_not_open_is_told(
    camera: PiCamera, orders: dict[str, Any], words: str, mend: str
) -> None:
    """One line says what, where and how to mend it; neither process nor pipe is left."""
    files = open_files()
    camera.order(**orders)
    with pytest.raises(SourceError) as caught:
        open_picamera(camera.settings(), Clock(), QUICK)
    what, _, advice = str(caught.value).partition("; ")

    assert what.startswith("picamera2:0: ")
    assert words in what
    assert mend in advice
    assert "\n" not in advice
    assert files == open_files()


def test_a_camera_number_that_is_not_there(camera: PiCamera) -> None:
    """The number and how many there are."""
    with pytest.raises(SourceError, match=r"^picamera2:3: no such camera \(there are 1\)"):
        first(camera.settings(uri="picamera2:3"))


def interpreter(camera: PiCamera, *lines: str) -> SourceConfig:
    """A `[source]` whose Python is some other program."""
    camera.python.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    return camera.settings()


def test_an_interpreter_that_is_none_is_told(camera: PiCamera) -> None:
    """No such file, another program, and a child of another version."""
    with pytest.raises(SourceError, match=r"none cannot be started: No such file.*camera_python"):
        first(camera.settings(camera_python=Path("/none")))
    with pytest.raises(SourceError, match=r"exit status 4; try .*python3 -c 'import picamera2'"):
        first(interpreter(camera, "exit 4"))
    other = r"printf '\014\000\000\000\000\000\000\000{\"hello\":99}'; sleep 5"
    with pytest.raises(SourceError, match="protocol 99, not 1; install headcount anew"):
        first(interpreter(camera, other.replace('\\"', '"')))


def test_a_camera_that_is_in_use(camera: PiCamera) -> None:
    """Who comes second is told; who was first goes on."""
    with open_source(camera.settings()) as source:
        with pytest.raises(SourceError, match="another program uses the camera"):
            open_picamera(camera.settings(), Clock(), QUICK)

        assert len(list(itertools.islice(source, 3))) == 3


def test_a_predecessor_may_hold_the_camera_for_a_moment(camera: PiCamera) -> None:
    """A camera that is in use at first opens when it is let go."""
    camera.order(**BUSY)
    threading.Timer(0.6, camera.order).start()
    with open_picamera(camera.settings(), Clock(), Patience(busy=20)) as source:
        assert SIZE == source.size


@pytest.mark.parametrize(
    "keys",
    [
        {"uri": "picamera2:first"},
        {"uri": "picamera2:-1"},
        {"uri": "picamera2:0 "},
        {"exposure": 20_000, "fps": 60},
        {"exposure": 40_000, "fps": None},
    ],
)
def test_a_wrong_call_is_refused(camera: PiCamera, keys: dict[str, Any]) -> None:
    """A uri that names no camera, and an exposure that does not fit the rate."""
    with pytest.raises(CallError):
        open_source(camera.settings(**keys))


def test_what_is_for_this_camera_is_refused_by_others() -> None:
    """An exposure for another source is an error, never silence."""
    with pytest.raises(CallError, match="exposure is for picamera2"):
        open_source(SourceConfig(uri="scene:1", exposure=8000))


def test_what_is_there_can_be_asked(camera: PiCamera) -> None:
    """Versions and cameras, also where a camera cannot be opened."""
    camera.order(cameras=["imx708", "imx219"], busy=True)
    seen = survey(camera.settings())

    assert ("0.3.31", "v0.5.2", ["imx708", "imx219"]) == (
        seen["picamera2"],
        seen["libcamera"],
        seen["cameras"],
    )
    camera.order(fail={"import": "No module named 'picamera2'"})
    with pytest.raises(SourceError, match="has no Picamera2"):
        survey(camera.settings())


def test_closing_leaves_nothing(camera: PiCamera) -> None:
    """A camera whose stop blocks is closed as fast as another; an iteration that waits ends."""
    camera.order(fail={"stop": "block"})
    files = open_files()
    source = open_source(camera.settings())
    pictures = iter(source)
    next(pictures)
    camera.order(fail={"stop": "block", "capture": "block"})
    begun = time.monotonic()
    source.close()

    assert time.monotonic() - begun < 3
    assert [] == list(pictures)
    assert files == open_files()


def test_the_backend_is_plain() -> None:
    """Its file is of Python 3.9, and of the standard library and Picamera2 alone."""
    tree = ast.parse(BACKEND.read_text(), feature_version=(3, 9))
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}

    assert names - sys.stdlib_module_names == {"picamera2", "libcamera"}
