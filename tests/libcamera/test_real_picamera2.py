"""The real Picamera2 and libcamera, on a virtual camera: what the simulated ones stand for.

It shows that names, order of calls, metadata, times and versions are as `camera_worker` takes them
to be. Exposure, the sensor's modes, the order of colours and a camera that another program holds
are of a Pi and not seen here.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from edge.config import SourceConfig
from edge.errors import SourceError
from edge.source import open_source
from edge.source.camera_child import CameraChild
from edge.source.picamera import survey
from tests.faults.test_camera import children
from tests.libcamera.virtual import MissingError, virtual_camera
from tests.test_worker import gone

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def settings() -> SourceConfig:
    """A `[source]` that leads to the virtual camera, or a skip that says what is missing."""
    try:
        python = virtual_camera()
    except MissingError as missing:
        pytest.skip(f"no virtual camera here: {missing}")
    settings = SourceConfig(uri="picamera2:", camera_python=python)
    try:
        open_source(settings).close()
    except SourceError as error:
        if "silent" not in str(error):
            raise
        # For some minutes, libcamera 0.4's own thread was seen to spin without a picture.
        pytest.skip(f"libcamera's virtual camera is stuck: {error}")
    return settings


def test_libraries_and_cameras_are_told(settings: SourceConfig) -> None:
    """Versions and models come out of the real libraries."""
    seen = survey(settings)

    assert seen["libcamera"].startswith("v0.")
    assert ["Virtual Video Device"] == seen["cameras"]


def test_pictures_come_with_the_sensors_time(settings: SourceConfig) -> None:
    """In the sensor's own shape; SensorTimestamp is on the clock that Python calls monotonic."""
    with CameraChild("cam", settings, 0) as child:
        child.greet(20)
        heads, images = zip(*(child.picture(20) for _ in range(10)), strict=True)
        ages = [time.monotonic() - head["t"] for head in heads[-1:]]

    assert all(0 <= age < 1 for age in ages)
    assert list(range(10)) == [head["index"] for head in heads]
    assert all(earlier["t"] < later["t"] for earlier, later in itertools.pairwise(heads))
    for image in images:
        assert (480, 640, 3) == image.shape
        assert image.max() > 200 > 50 > image.min()  # bars
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_pictures_come_again_after_a_kill(settings: SourceConfig) -> None:
    """The camera of a child that was killed can be had at once; closing leaves nothing."""
    with open_source(settings) as source:
        pictures = iter(source)
        before = next(pictures)
        (child,) = children()
        os.kill(child, 9)
        struck = time.monotonic()
        after = next(picture for picture in pictures if picture.t > struck)

    assert after.index > before.index
    assert after.t - struck < 5
    assert gone(child)


def test_a_control_that_is_not_there_is_told(settings: SourceConfig) -> None:
    """The virtual camera has no exposure that can be set, as some USB cameras have none."""
    with pytest.raises(SourceError, match=r"has no ExposureTime; leave out source\.fps"):
        open_source(replace(settings, exposure=8000))
