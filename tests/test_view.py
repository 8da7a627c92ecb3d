"""Judging pictures: what blinds a camera is told within seconds, and no real picture is blamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.contract.quality import COVERED, DARK, FROZEN, OK
from edge.scene import Scene
from edge.types import Image
from edge.view import FREEZE_S, HOLD, View

VIDEOS = ("bus_overhead", "footfall_overhead", "intel_one_by_one", "opencv_vtest_480x360")
SEEDS = (1, 7, 101, 106, 110, 112)  # dim, plain, bright


def video(path: Path) -> Iterator[tuple[float, Image]]:
    """A picture a second of a recording, with its time."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    index, due = 0, 0.0
    while capture.grab():
        if index / fps >= due:
            yield index / fps, capture.retrieve()[1]
            due += 1.0
        index += 1
    capture.release()


def states(view: View, pictures: Iterator[tuple[float, Image]]) -> list[str]:
    """The state after each picture."""
    told = []
    for t, picture in pictures:
        view.look(picture, t)
        told.append(view.state)
    return told


def behind_a_hand(picture: Image, noise: np.random.Generator) -> Image:
    """Out of focus by half the picture's width."""
    return _blurred(picture, 0.5, noise)


def behind_spray(picture: Image, noise: np.random.Generator) -> Image:
    """Light and large shapes come through, edges do not."""
    return _blurred(picture, 0.08, noise)


def under_a_cap(picture: Image, noise: np.random.Generator) -> Image:
    """Black, and the noise of a sensor that tries hard."""
    return _noisy(np.zeros(picture.shape), noise)


def under_a_cap_that_lets_light_in(picture: Image, noise: np.random.Generator) -> Image:
    """One dim grey."""
    return _noisy(np.full(picture.shape, 30.0), noise)


def before_a_wall(picture: Image, noise: np.random.Generator) -> Image:
    """White, with light that falls off to the corners."""
    y, x = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    return _noisy(np.repeat((230 - 40 * (x**2 + y**2))[..., None], 3, axis=2), noise)


def at_night(picture: Image, noise: np.random.Generator) -> Image:
    """A fiftieth of the light."""
    return _noisy(picture * 0.02, noise)


def _blurred(picture: Image, share: float, noise: np.random.Generator) -> Image:
    small = cv2.resize(picture, (160, 120))
    large = cv2.resize(cv2.GaussianBlur(small, (0, 0), share * 160), picture.shape[1::-1])
    return _noisy(large, noise)


def _noisy(picture: np.ndarray, noise: np.random.Generator) -> Image:
    return np.clip(picture + noise.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.data
@pytest.mark.parametrize("name", VIDEOS)
def test_no_recording_of_a_door_is_blamed(data: Path, name: str) -> None:
    """Not the very dark bus, nor one that fades in, nor minutes in which little moves."""
    told = states(View(can_freeze=True), video(data / "videos" / f"{name}.mp4"))

    assert {OK} == set(told)
    assert len(told) >= 30


@pytest.fixture(scope="module")
def scene() -> list[tuple[float, Image]]:
    """A picture a second of a simulated door."""
    return [(picture.t, picture.image) for picture in Scene(1, duration=20, fps=1, size=(320, 240))]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_simulated_door_is_blamed(seed: int) -> None:
    """Plain floors in dim and bright light, with and without people."""
    door = ((picture.t, picture.image) for picture in Scene(seed, duration=10, fps=1))

    assert {OK} == set(states(View(can_freeze=True), door))


BLINDED = [
    (behind_a_hand, {COVERED}),
    (behind_spray, {COVERED}),
    (under_a_cap_that_lets_light_in, {COVERED}),
    (before_a_wall, {COVERED}),
    (under_a_cap, {DARK}),
    (at_night, {DARK}),
]
NAMES = [blinded.__name__ for blinded, _ in BLINDED]


def _blind(
    pictures: Iterator[tuple[float, Image]], blinded: Callable[..., Image], since: float
) -> Iterator[tuple[float, Image]]:
    noise = np.random.default_rng(1)
    for t, picture in pictures:
        if t < since + HOLD + 3:
            yield t, blinded(picture, noise) if t >= since else picture


@pytest.mark.data
@pytest.mark.parametrize(("blinded", "verdict"), BLINDED, ids=NAMES)
@pytest.mark.parametrize("name", VIDEOS)
def test_a_camera_that_is_blinded_is_told_within_seconds(
    data: Path, name: str, blinded: Callable[..., Image], verdict: set[str]
) -> None:
    """The same recordings behind a hand, spray or caps, before a wall, at night."""
    pictures = _blind(video(data / "videos" / f"{name}.mp4"), blinded, 10)
    told = states(View(can_freeze=True), pictures)
    # A very dark picture behind a hand may be either.
    accepted = {COVERED, DARK} if name == "bus_overhead" and verdict == {COVERED} else verdict

    assert {OK} == set(told[:10])
    assert told[9 + HOLD + 1] in accepted
    assert told[-1] in accepted


@pytest.mark.parametrize(("blinded", "verdict"), BLINDED, ids=NAMES)
def test_a_simulated_camera_that_is_blinded_is_told(
    scene: list[tuple[float, Image]], blinded: Callable[..., Image], verdict: set[str]
) -> None:
    """As the recordings, and it is well again as soon after it is free."""
    view = View(can_freeze=True)
    told = states(view, _blind(iter(scene), blinded, 10))
    free = states(view, ((20 + t, picture) for t, picture in scene[:HOLD]))

    assert told[-1] in verdict
    assert OK == free[-1]


@pytest.mark.data
@pytest.mark.parametrize("name", VIDEOS)
def test_a_picture_that_stands_still_is_frozen_after_a_minute(data: Path, name: str) -> None:
    """The very same picture again and again, or with a few points that differ; then it moves."""
    first, *_ = (picture for t, picture in video(data / "videos" / f"{name}.mp4") if t >= 2)
    speck = first.copy()
    speck[:3, :3] ^= 64
    view = View(can_freeze=True)
    told = states(view, ((float(t), speck if t % 7 == 0 else first) for t in range(70)))
    view.look(np.roll(first, 30, axis=1), 71.0)

    assert [OK] * int(FREEZE_S) == told[: int(FREEZE_S)]
    assert {FROZEN} == set(told[int(FREEZE_S) + 1 :])
    assert OK == view.state


def test_a_still_scene_in_a_compressed_stream_is_not_frozen(
    tmp_path: Path, scene: list[tuple[float, Image]]
) -> None:
    """Nobody comes for a minute, and the codec takes most of the sensor's noise out."""
    (_, still), *_ = scene
    path, noise = tmp_path / "still.mp4", np.random.default_rng(1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1, still.shape[1::-1])
    for _ in range(80):
        writer.write(np.clip(still + noise.normal(0, 1, still.shape), 0, 255).astype(np.uint8))
    writer.release()

    assert {OK} == set(states(View(can_freeze=True), video(path)))


def test_a_file_cannot_freeze(scene: list[tuple[float, Image]]) -> None:
    """A recording may well hold one picture for minutes."""
    picture = scene[0][1]

    assert {OK} == set(states(View(can_freeze=False), ((float(t), picture) for t in range(200))))


def test_who_passes_close_below_covers_nothing(scene: list[tuple[float, Image]]) -> None:
    """Less than five seconds without texture are no cover; nor are pictures between looks."""
    door = [picture for _, picture in scene[:4]]
    grey = np.full_like(door[0], 90)
    pictures = [grey if 20 <= n % 60 < 20 + 10 * (HOLD - 1) else door[n % 4] for n in range(300)]

    assert {OK} == set(states(View(can_freeze=True), ((n / 10, p) for n, p in enumerate(pictures))))
