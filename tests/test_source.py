"""Sources: every frame of a file, the newest of a camera, and a clear word where there is none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import SourceConfig
from edge.errors import CallError, SourceError
from edge.recording import Options, Outputs, replay_recording
from edge.scene import Scene
from edge.source import Clock, SceneSource, Source, open_source
from edge.source.camera import CameraSource
from edge.source.file import FileSource
from edge.source.rtsp import open_rtsp, without_password
from edge.source.turned import TurnedSource
from edge.types import Frame
from tests.cameras import FakeCapture, rtsp_camera

FRAMES = 30
LINE = "[[line]]\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 1]\n"
EPOCH = datetime(2026, 1, 31, tzinfo=UTC)


class FakeClock:
    """Time that passes only by sleeping and by `pass_`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(
            lambda: self.now, self.sleep, lambda: EPOCH + timedelta(seconds=self.now - 1000)
        )


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames at 10 a second, each lighter than the one before."""
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for index in range(FRAMES):
        writer.write(np.full((48, 64, 3), 8 * index, np.uint8))
    writer.release()
    return path


def test_file_gives_every_frame(video: Path) -> None:
    """In order, with t = index / fps and no wall clock."""
    with open_source(SourceConfig(uri=str(video))) as source:
        frames = list(source)

    assert (10.0, (64, 48), False, FRAMES) == (
        source.fps,
        source.size,
        source.live,
        source.frames,
    )
    assert list(range(FRAMES)) == [frame.index for frame in frames]
    assert [index / 10 for index in range(FRAMES)] == [frame.t for frame in frames]
    assert {None} == {frame.utc for frame in frames}
    greys = [frame.image.mean() for frame in frames]
    np.testing.assert_allclose(greys, [8 * index for index in range(FRAMES)], atol=4)


def test_file_can_be_read_again(video: Path) -> None:
    """Each iteration begins at the first frame."""
    source = open_source(SourceConfig(uri=str(video)))
    first = next(iter(source))

    assert FRAMES == len(list(source))
    assert 0 == first.index


def test_file_in_a_loop(video: Path) -> None:
    """Index and time go on when the file begins again; it has no last frame."""
    with open_source(SourceConfig(uri=str(video), loop=True)) as source:
        frames = [frame for _, frame in zip(range(FRAMES + 5), source, strict=False)]

    assert source.frames is None
    assert (FRAMES + 4, (FRAMES + 4) / 10) == (frames[-1].index, frames[-1].t)
    np.testing.assert_allclose(frames[4].image.mean(), frames[-1].image.mean(), atol=1)


def test_rate_of_a_file_can_be_set(video: Path) -> None:
    """A file that states a wrong rate is put right by the configuration."""
    source = open_source(SourceConfig(uri=str(video), fps=20))

    assert (20.0, 0.05) == (source.fps, list(source)[1].t)


def test_paced_file_keeps_its_own_rate(video: Path) -> None:
    """Frames come when they are due; after a delay the file catches up and leaves none out."""
    fake = FakeClock()
    given: list[tuple[float, datetime | None]] = []
    for frame in FileSource(SourceConfig(uri=str(video)), fake.clock()):
        given.append((round(fake.now - 1000, 6), frame.utc))
        fake.pass_(0.25 if frame.index == 4 else 0.01)

    assert FRAMES == len(given)
    expected = [0, 0.1, 0.2, 0.3, 0.4, 0.65, 0.66, 0.7, 0.8]
    assert expected == [when for when, _ in given[:9]]
    assert EPOCH + timedelta(seconds=0.2) == given[2][1]


def test_paced_sleeps_by_the_given_clock(video: Path) -> None:
    """`open_source` hands its clock on."""
    fake = FakeClock()
    source = open_source(SourceConfig(uri=str(video)), paced=True, clock=fake.clock())

    assert FRAMES == len(list(source))
    np.testing.assert_allclose(2.9, sum(fake.slept))


def refusal(uri: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(SourceConfig(uri=uri))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_such_video(tmp_path: Path) -> None:
    """A file that is not there, and a folder."""
    assert "none.mp4: no such video" in refusal(str(tmp_path / "none.mp4"))
    assert "is a folder" in refusal(str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is no video" * 100, id="text"),
        pytest.param(bytes(range(256)) * 40, id="bytes"),
    ],
)
def test_file_that_does_not_decode(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that is no video, and no word of OpenCV or FFmpeg beside ours."""
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)

    assert "broken.mp4: does not decode" in refusal(str(path))
    assert ("", "") == tuple(capfd.readouterr())


def test_video_that_is_cut_off(tmp_path: Path, video: Path) -> None:
    """An MP4 without its end has no index and does not decode."""
    path = tmp_path / "cut.mp4"
    path.write_bytes(video.read_bytes()[:-400])

    assert "does not decode" in refusal(str(path))


def test_video_damaged_in_the_middle(
    tmp_path: Path, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What can be decoded is given, and a warning tells how much that is."""
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    rng = np.random.default_rng(1)
    for _ in range(FRAMES):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    path = tmp_path / "v.avi"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        count = len(list(open_source(SourceConfig(uri=str(path)))))

    assert 0 < count < FRAMES
    assert f"ends after {count} of" in caplog.text


def test_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    """What is asked for, and what there is instead."""
    message = refusal("v4l2:77")

    assert "v4l2:77: no such camera" in message
    assert "there are" in message or "plug one in" in message
    assert ("", "") == tuple(capfd.readouterr())


def test_device_that_is_no_camera(capfd: pytest.CaptureFixture[str]) -> None:
    """A device file that is something else."""
    assert "cannot be opened as a camera" in refusal("v4l2:/dev/null")
    assert ("", "") == tuple(capfd.readouterr())


@pytest.mark.parametrize(
    ("degrees", "size", "corner"),
    [(90, (48, 64), (0, -1)), (180, (64, 48), (-1, -1)), (270, (48, 64), (-1, 0))],
)
def test_pictures_are_turned(
    tmp_path: Path, degrees: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    """Clockwise, of every kind of source; the rest is as it was."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255
    path = tmp_path / "corner.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    with open_source(SourceConfig(uri=str(path), rotation=degrees)) as source:
        frames = list(source)

    assert (str(path), 10.0, size, False, 3) == (
        source.name,
        source.fps,
        source.size,
        source.live,
        source.frames,
    )
    assert [(0, 0.0), (1, 0.1), (2, 0.2)] == [(frame.index, frame.t) for frame in frames]
    for frame in frames:
        assert frame.image[corner].min() > 200
        assert frame.image.mean() < 40


def test_a_replay_takes_a_recording_as_it_is(tmp_path: Path, video: Path) -> None:
    """The keys about the camera are not about a recording."""
    config, drawn = tmp_path / "door.toml", tmp_path / "drawn.mp4"
    config.write_text("[source]\nuri = 'picamera2:'\nrotation = 90\nexposure = 8000\n" + LINE)
    replay_recording(str(video), Options(), config_path=config, outputs=Outputs(annotated=drawn))

    width, _ = open_source(SourceConfig(uri=str(drawn))).size

    assert 2 * 64 == width  # small pictures are drawn twice as large; turned it would be 2 * 48


def test_a_turned_camera_is_a_camera(capture: FakeCapture) -> None:
    """What was dropped is still told, and closing closes it."""
    with TurnedSource(CameraSource("cam", capture, Clock(), stall=5), 180) as source:
        frames = iter(source)
        next(frames)
        capture.shutter(4)
        next(frames)

        assert (3, True) == (source.dropped, source.live)
        capture.end()

    assert capture.released


@pytest.mark.parametrize(
    "uri",
    ["", "v4l2:", "v4l2:first", "v4l2:../x", "scene:", "scene:x", "scene:1:2:3", "ftp://a/b.mp4"],
)
def test_uri_that_is_none(uri: str) -> None:
    """A wrong uri is a wrong call."""
    with pytest.raises(CallError):
        open_source(SourceConfig(uri=uri))


def test_scene_is_the_simulator() -> None:
    """Its pictures are those of the scene, as fast as they are taken."""
    source = open_source(SourceConfig(uri="scene:7:1", width=64, height=48, fps=5))
    frames = list(source)

    assert (5.0, (64, 48), 5) == (source.fps, source.size, source.frames)
    assert [(index, index / 5) for index in range(5)] == [(f.index, f.t) for f in frames]
    drawn = Scene(7, duration=1, fps=5, size=(64, 48))
    for frame, truth in zip(frames, drawn, strict=True):
        np.testing.assert_array_equal(truth.image, frame.image)


def test_scene_without_end() -> None:
    """`scene:SEED` goes on for ever, in the size and rate of its own choice."""
    source = open_source(SourceConfig(uri="scene:7"))

    assert (None, (640, 480), 15.0) == (source.frames, source.size, source.fps)


def test_paced_scene_keeps_its_truth() -> None:
    """A scene at its own rate, and the truth is still to be had from it."""
    fake = FakeClock()
    scene = Scene(7, duration=1, fps=5, size=(64, 48))
    frames = list(SceneSource(scene, paced=True, clock=fake.clock()))

    np.testing.assert_allclose(0.8, sum(fake.slept))
    assert EPOCH + timedelta(seconds=0.8) == frames[-1].utc
    assert [] == scene.crossings


def numbers(frames: Iterator[Frame], count: int) -> list[tuple[int, int]]:
    """Index and first pixel of some frames."""
    return [(f.index, int(f.image[0, 0, 0])) for _, f in zip(range(count), frames, strict=False)]


@pytest.fixture
def capture() -> FakeCapture:
    """A camera that took one picture."""
    capture = FakeCapture()
    threading.Thread(target=capture.shutter, daemon=True).start()
    return capture


def test_newest_picture_wins(capture: FakeCapture) -> None:
    """Who is slow gets the last picture; what was missed is counted and shows in the index."""
    fake = FakeClock()
    with CameraSource("cam", capture, fake.clock(), stall=5) as source:
        frames = iter(source)
        first = numbers(frames, 1)
        capture.shutter(4)
        fake.pass_(3)
        second = next(frames)
        capture.end()

    assert [(0, 0)] == first
    assert (4, 4) == (second.index, int(second.image[0, 0, 0]))
    assert 3 == source.dropped
    assert (1000.0, EPOCH) == (second.t, second.utc)
    assert (12.0, (64, 48), True, None) == (
        source.fps,
        source.size,
        source.live,
        source.frames,
    )


def test_camera_that_stalls(capture: FakeCapture) -> None:
    """No picture for some time is an error, which names the camera."""
    with CameraSource("cam", capture, Clock(), stall=0.2) as source:
        frames = iter(source)
        next(frames)
        with pytest.raises(SourceError, match=r"cam: no picture for 0\.2 s"):
            next(frames)
        capture.end()


def test_camera_that_never_gives_a_picture() -> None:
    """Then it does not open at all."""
    capture = FakeCapture()
    threading.Timer(0.4, capture.end).start()
    with pytest.raises(SourceError, match="no picture"):
        CameraSource("cam", capture, Clock(), stall=0.1)

    assert capture.released


def test_camera_that_is_pulled_out(capture: FakeCapture) -> None:
    """The last picture is still given, then the end of pictures is an error."""
    with CameraSource("cam", capture, Clock(), stall=5) as source:
        frames = iter(source)
        capture.end()
        next(frames)
        with pytest.raises(SourceError, match="the pictures ended"):
            next(frames)

    assert capture.released


def test_closing_ends_an_iteration_that_waits(capture: FakeCapture) -> None:
    """A stop from elsewhere ends the frames without an error."""
    source = CameraSource("cam", capture, Clock(), stall=5)
    frames = iter(source)
    next(frames)
    threading.Timer(0.1, lambda: (capture.end(), source.close())).start()

    assert [] == list(frames)


def open_simulated(uri: str) -> Source:
    return open_rtsp(SourceConfig(uri=uri), Clock(), stall=1.5)


def test_network_camera(tmp_path: Path) -> None:
    """Pictures of a camera that speaks RTSP; when it falls silent, that is an error."""
    with rtsp_camera(tmp_path) as camera, open_simulated(camera.uri) as source:
        seen = []
        with pytest.raises(SourceError, match=r"no picture|ended") as caught:
            for frame in source:
                seen.append(frame)

    greys = [frame.image.mean() for frame in seen]
    assert sorted(greys) == greys
    assert greys[-1] > 150
    assert (64, 48) == source.size
    assert "secret" not in str(caught.value) + source.name


def test_network_camera_that_hangs_up(tmp_path: Path) -> None:
    """A closed connection is an error, too."""
    with (
        rtsp_camera(tmp_path, hangs_up=True) as camera,
        open_simulated(camera.uri) as source,
        pytest.raises(SourceError),
    ):
        list(source)


def test_network_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody answers: one line, without the password, and no word of FFmpeg."""
    message = refusal("rtsp://anna:secret@127.0.0.1:9/door")

    assert "rtsp://127.0.0.1:9/door: the camera does not answer" in message
    assert "secret" not in message
    assert ("", "") == tuple(capfd.readouterr())


def test_password_never_shows() -> None:
    """Even one with the signs that divide an address."""
    assert "rtsp://cam/1" == without_password("rtsp://a:p@ss/w@cam/1")
    assert "rtsp://cam/1" == without_password("rtsp://cam/1")
