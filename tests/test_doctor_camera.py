"""Doctor's look at a source: what a picture is like, what is missing, and a picture for aiming."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import Config, SourceConfig, parse_config
from edge.doctor_camera import check_source
from edge.errors import WorldError
from edge.types import Image
from tests.conftest import Outcome, headcount
from tests.picameras import PiCamera

LINE = "[[line]]\na = [0.1, 0.5]\nb = [0.9, 0.5]\nin_side = [0.5, 0.9]\n"
YELLOW = (40, 220, 250)


def video(folder: Path, picture: Image) -> Config:
    """A source that shows one picture."""
    path = folder / "door.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, picture.shape[1::-1])
    for _ in range(3):
        writer.write(picture)
    writer.release()
    return parse_config(f'[source]\nuri = "{path}"\n{LINE}')


@pytest.mark.parametrize(
    ("picture", "words", "not_said"),
    [
        pytest.param(
            np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8).repeat(2, 1),
            ("640x240", "brightness 12"),
            ("blurred", "dark", "bright:"),
            id="sharp",
        ),
        pytest.param(
            np.full((240, 320, 3), 9, np.uint8), ("very dark", "blurred?"), ("bright:",), id="dark"
        ),
        pytest.param(
            np.full((240, 320, 3), 250, np.uint8), ("very bright",), ("dark",), id="bright"
        ),
    ],
)
def test_what_a_picture_is_like(
    tmp_path: Path, picture: Image, words: tuple[str, ...], not_said: tuple[str, ...]
) -> None:
    """Size, light and focus, with a hint where one is bad; nothing is kept unasked."""
    well, seen = check_source(video(tmp_path, picture), None)

    assert well
    assert all(word in seen for word in words), seen
    assert not any(word in seen for word in not_said), seen
    assert ["door.avi"] == [path.name for path in tmp_path.iterdir()]


def test_a_picture_is_kept_for_aiming(tmp_path: Path) -> None:
    """In the size of the source, with the lines of the configuration."""
    config = video(tmp_path, np.full((240, 320, 3), 60, np.uint8))
    check_source(config, tmp_path / "aim.png")
    kept = cv2.imread(str(tmp_path / "aim.png"))

    assert kept is not None
    assert (240, 320, 3) == kept.shape
    assert (np.abs(kept[120, 40:280].astype(int) - YELLOW) < 10).all(axis=1).mean() > 0.8
    assert kept[200, 300, 0] < 70


def test_a_picture_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """The file and how to mend it."""
    config = video(tmp_path, np.full((240, 320, 3), 60, np.uint8))
    with pytest.raises(WorldError, match=r"none/aim.jpg: cannot be written: .*; name a file"):
        check_source(config, tmp_path / "none" / "aim.jpg")


def test_a_password_is_not_told(tmp_path: Path) -> None:
    """Nor is it where a network camera does not answer."""
    source = SourceConfig(uri="rtsp://anna:secret@127.0.0.1:9/door")
    with pytest.raises(WorldError) as caught:
        check_source(Config(source=source), None)

    assert "secret" not in str(caught.value)


def doctor(camera: PiCamera, *more: object) -> Outcome:
    config = camera.folder / "door.toml"
    config.write_text(
        f'[source]\nuri = "picamera2:"\nwidth = 64\nheight = 48\nrotation = 90\n'
        f'camera_python = "{camera.python}"\n{LINE}[ledger]\npath = "{camera.folder}/ledger.db"\n'
    )
    return headcount("doctor", "-c", config, "--json", *more)


def test_doctor_looks_at_the_camera_of_the_pi(tmp_path: Path) -> None:
    """Library, versions and cameras; then a picture, turned, and kept where asked."""
    outcome = doctor(PiCamera.build(tmp_path), "--camera", tmp_path / "aim.jpg")
    seen = {finding["check"]: finding for finding in outcome.json}

    assert 0 == outcome.code, outcome.out
    assert "Picamera2 0.3.31, libcamera v0.5.2" in seen["picamera2"]["seen"]
    assert "cameras: 0 imx219" in seen["picamera2"]["seen"]
    assert "picamera2:0: 48x64, first picture after" in seen["source"]["seen"]
    kept = cv2.imread(str(tmp_path / "aim.jpg"))
    assert kept is not None
    assert (64, 48, 3) == kept.shape


@pytest.mark.parametrize(
    ("orders", "bad", "mend"),
    [
        (
            {"fail": {"import": "No module named 'picamera2'"}},
            ["picamera2", "source"],
            "sudo apt install python3-picamera2",
        ),
        ({"cameras": []}, ["picamera2", "source"], "rpicam-hello --list-cameras"),
        ({"busy": True}, ["source"], "sudo fuser -v /dev/media*"),
    ],
    ids=["no library", "no camera", "in use"],
)
def test_doctor_names_what_the_camera_lacks(
    tmp_path: Path, orders: dict[str, object], bad: list[str], mend: str
) -> None:
    """Each fault with its mending command, and exit status 1."""
    outcome = doctor(PiCamera.build(tmp_path, **orders))
    found = [finding for finding in outcome.json if finding["vital"] and not finding["well"]]

    assert (1, bad) == (outcome.code, [finding["check"] for finding in found])
    assert all(mend in finding["mend"] for finding in found), json.dumps(found)


def test_a_picture_needs_a_known_ending(tmp_path: Path) -> None:
    """A file that is no picture is a wrong call."""
    outcome = headcount("doctor", "--camera", tmp_path / "aim.txt")

    assert 2 == outcome.code
    assert outcome.is_one_clear_line()
