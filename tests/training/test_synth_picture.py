"""Whole pictures: the same from the same seed, and what is wanted is in them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest

from edge.errors import CallError
from edge.types import Image
from training.config import PRESETS as CONFIG_PRESETS
from training.synth import FEATURES, PRESETS, Wish, render
from training.synth.chance import Chance
from training.synth.crowd import GROUPS
from training.synth.picture import draw_lens

SIZE = (128, 96)
OBLIQUE = (35.0, 50.0)  # degrees; faces, floors and walls are all in view


@lru_cache(maxsize=64)
def drawn(seed: int, *want: str, tilt: tuple[float, float] = OBLIQUE) -> tuple[Image, ...]:
    """A picture with features and its heads."""
    return render(np.random.default_rng(seed), *SIZE, Wish(tilt, want=frozenset(want)))


def test_a_picture_depends_on_its_generator_alone() -> None:
    """The same seed gives the same pixels and boxes, another one others."""
    first, again, other = drawn(3), drawn.__wrapped__(3), drawn(4)

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert (SIZE[1], SIZE[0], 3) == first[0].shape
    assert np.uint8 == first[0].dtype


def test_heads_are_of_a_size_that_their_camera_gives_them() -> None:
    """A head of 0.2 m is seen, from 0.45 to 9 m, between 1 and 60 % of the picture's width."""
    boxes = np.concatenate([drawn(seed)[1] for seed in range(16)])
    sides = boxes[:, 2:] - boxes[:, :2]

    assert len(boxes) > 20
    assert (sides > 0).all()
    assert (sides.max(axis=1) < 0.6 * SIZE[0]).all()
    assert 0.75 < np.median(sides[:, 0] / sides[:, 1]) < 1.2
    assert ((boxes[:, 0] < SIZE[0]) & (boxes[:, 2] > 0)).all()


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_a_wanted_feature_changes_the_picture(feature: str) -> None:
    """Against the same seed without it, unless chance has it there already."""
    others = ("coat",) if feature in ("child", *GROUPS) else ("child", "alone")
    pairs = ((drawn(seed, *others, feature), drawn(seed, *others)) for seed in range(12))

    assert any(not np.array_equal(there[0], gone[0]) for there, gone in pairs)


def test_an_umbrella_hides_heads_from_above() -> None:
    """Those who walk under one need not be found; the same people without one must."""
    shares = {}
    for thing in ("umbrella", "nothing"):
        seen = [drawn(s, thing, "overcast", "true tones", tilt=(0, 5))[2] for s in range(12)]
        shares[thing] = np.concatenate(seen)

    assert np.mean(shares["umbrella"] < 0.35) > 0.9
    assert np.mean(shares["nothing"] > 0.35) > 0.7


def test_a_hat_and_a_hood_belong_to_the_heads_box() -> None:
    """From above, a head is larger with a wide hat or a hood than bald."""
    sides = {}
    for wear in ("bald", "hood", "hat"):
        boxes = [drawn(seed, wear, "nothing", tilt=(0, 3))[1] for seed in range(6)]
        sides[wear] = np.median(np.concatenate([b[:, 2:] - b[:, :2] for b in boxes]))

    assert sides["bald"] < sides["hood"] < sides["hat"]


def test_monochrome_and_infrared_have_no_colour() -> None:
    """All three channels nearly agree, as far as sensor noise of colour lets them."""
    for tone in ("monochrome", "infrared"):
        image = drawn(1, tone)[0].astype(int)

        assert np.abs(image[..., 0] - image[..., 2]).mean() < 0.7 * np.abs(
            (coloured := drawn(1, "true tones")[0].astype(int))[..., 0] - coloured[..., 2]
        ).mean() or np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_gives_its_tilts(preset: str) -> None:
    """Cameras hang at 2.2 to 4 m, tilted as the preset says."""
    rng = np.random.default_rng(1)
    lenses = [draw_lens(Chance(rng), 400, 300, Wish(preset=preset)) for _ in range(60)]
    tilts = [math.degrees(lens.tilt) for lens in lenses]
    low, high = min(t[0] for t in PRESETS[preset]), max(t[1] for t in PRESETS[preset])

    assert all(2.2 <= lens.height <= 4.0 for lens in lenses)
    assert low <= min(tilts) < low + 8
    assert high - 15 < max(tilts) <= high


def test_recipes_know_all_presets() -> None:
    """What a recipe may name is what can be drawn."""
    assert set(CONFIG_PRESETS) == set(PRESETS)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"preset": "under"}, "preset 'under': must be one of"),
        ({"want": frozenset({"wings"})}, "no such feature: 'wings'; known are"),
        ({"tilt": (40.0, 20.0)}, "tilt"),
        ({"tilt": (0.0, 80.0)}, "tilt"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told(wish: dict[str, object], told: str) -> None:
    """Before anything is drawn."""
    with pytest.raises(CallError, match=told):
        Wish(**wish)  # type: ignore[arg-type]
