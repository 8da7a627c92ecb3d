"""Views of a picture: boxes stay on their heads and in the view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.kit import HEIGHT, WIDTH, pictures
from training.config import Augment
from training.data.augment import augment, whole
from training.data.cache import Picture

PLAIN = Augment(colour=0, grey=0, dark=0, blur=0, noise=0, jpeg=0)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    overhead=st.booleans(),
    shape=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    corners=st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5),
)
def test_boxes_stay_within_the_view(
    seed: int, overhead: bool, shape: tuple[int, int], corners: list[tuple[float, ...]]
) -> None:
    """Whatever picture, window and flips: boxes have an area and lie in 0..1, arrays fit."""
    low_high = np.array(corners, np.float32).reshape(-1, 2, 2)
    boxes = np.concatenate([low_high.min(1), low_high.max(1) + 0.01], 1)
    boxes = (boxes * np.array([*shape[::-1]] * 2)).astype(np.float32)
    image = np.zeros((*shape, 3), np.uint8)
    picture = Picture("p", image, boxes, np.zeros(len(boxes), bool))
    view = augment(np.random.default_rng(seed), picture, (40, 32), Augment(), overhead=overhead)

    assert (32, 40, 3) == view.image.shape
    assert view.image.flags["C_CONTIGUOUS"]
    assert np.uint8 == view.image.dtype
    assert len(view.boxes) == len(view.ignore) <= len(boxes)
    assert ((view.boxes >= 0) & (view.boxes <= 1)).all()
    assert (view.boxes[:, 2:] >= view.boxes[:, :2]).all()


@pytest.mark.parametrize("overhead", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_their_heads(seed: int, overhead: bool) -> None:
    """The middle of each box shows the dark disc that the box is of."""
    picture = pictures(1, seed)[0]
    view = augment(np.random.default_rng(seed), picture, (96, 64), PLAIN, overhead=overhead)
    for box, ignored in zip(view.boxes, view.ignore, strict=True):
        x, y = (box[:2] + box[2:]) / 2 * (96, 64)

        assert ignored or view.image[int(y), int(x)].mean() < 60


def test_the_generator_decides_everything() -> None:
    """The same generator gives the same view."""
    picture = pictures(1)[0]
    one, two = (augment(np.random.default_rng(5), picture, (64, 48), Augment()) for _ in "ab")

    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.boxes, two.boxes)


def test_a_head_cut_by_the_window_is_ignored() -> None:
    """A head of which a window leaves less than asked is ignored, not taught as a head."""
    boxes = np.array([[30, 20, 54, 44]], np.float32)
    picture = Picture("p", np.zeros((64, 96, 3), np.uint8), boxes, np.zeros(1, bool))
    zoom = Augment(zoom=1, zoom_out=0, zoom_min=0.22)
    for seed in range(40):
        view = augment(np.random.default_rng(seed), picture, (96, 64), zoom, min_visible=0.9)
        edge = (view.boxes[:, :2] == 0).any() or (view.boxes[:, 2:] == 1).any()

        assert edge or not view.ignore.any()


def test_the_whole_picture_is_what_a_detector_sees() -> None:
    """No cut, no flip: boxes are divided by the picture's size."""
    picture = pictures(1)[0]
    view = whole(picture, (48, 48))

    assert np.allclose(picture.boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT], view.boxes, atol=1e-6)
    assert (48, 48, 3) == view.image.shape


def test_some_views_are_flipped_vertically_only_from_above() -> None:
    """An oblique picture keeps its up; one from straight above has none."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[:8] = 200
    picture = Picture("p", image, np.zeros((0, 4), np.float32), np.zeros(0, bool))
    still = Augment(zoom=0, zoom_out=0, colour=0, grey=0, dark=0, blur=0, noise=0, jpeg=0)

    def upside_down(overhead: bool) -> int:
        views = (
            augment(np.random.default_rng(s), picture, (32, 32), still, overhead=overhead)
            for s in range(40)
        )
        return sum(int(view.image[-1].mean() > 100) for view in views)

    assert 0 == upside_down(overhead=False)
    assert 10 < upside_down(overhead=True) < 30
