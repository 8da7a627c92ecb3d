"""Pictures to train on: exact boxes, drawn by the generator alone."""

from __future__ import annotations

import numpy as np
import pytest

from edge.scene.pictures import render_training_picture


@pytest.mark.parametrize("size", [(320, 240), (97, 130)])
def test_picture_has_the_asked_size_and_fitting_arrays(size: tuple[int, int]) -> None:
    """Image, boxes and visibility fit together, whatever is drawn."""
    for seed in range(12):
        image, heads, visible = render_training_picture(np.random.default_rng(seed), *size)

        assert (size[1], size[0], 3) == image.shape
        assert np.uint8 == image.dtype
        assert (len(visible), 4) == heads.shape
        assert (heads[:, 2:] > heads[:, :2]).all()
        assert ((visible >= 0) & (visible <= 1)).all()


def test_the_generator_decides_everything() -> None:
    """Equal generators draw equal pictures, other ones others."""
    one, two, other = (
        render_training_picture(np.random.default_rng(seed), 160, 120)[0] for seed in (3, 3, 4)
    )

    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_heads_are_where_something_is_painted() -> None:
    """Where a head is visible the picture differs from its surroundings more often than not."""
    contrasts = []
    for seed in range(30):
        image, heads, visible = render_training_picture(np.random.default_rng(seed), 320, 240)
        grey = image.mean(axis=2)
        for box, share in zip(heads.astype(int), visible, strict=True):
            x1, y1, x2, y2 = box
            if share > 0.8 and x1 > 20 and y1 > 20 and x2 < 300 and y2 < 220:
                around = grey[y1 - 15 : y2 + 15, x1 - 15 : x2 + 15]
                contrasts.append(abs(grey[y1:y2, x1:x2].mean() - around.mean()))

    assert len(contrasts) > 15
    assert np.median(contrasts) > 3
