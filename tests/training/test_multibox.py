"""Which prior answers for which head, and what a miss costs."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.ssd import PriorMap, PriorSpec, decode, priors
from edge.errors import DataError
from training.config import Loss
from training.models.multibox import IGNORED, NEGATIVE, POSITIVE, Target, match, multibox_loss

pytestmark = pytest.mark.training

SPEC = PriorSpec(64, 64, (PriorMap(16, (16.0, 24.0)),))
NONE = np.zeros(0, bool)


def around(x: float, y: float, width: float, height: float) -> list[float]:
    """A box around a point, from pixels to 0..1."""
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    return [value / 64 for value in box]


def test_a_head_that_is_a_prior_has_that_prior_and_a_zero_code() -> None:
    """Prior 0 is the 16 px square at (8, 8); its neighbours far away stay negative."""
    target = match(np.array([around(8, 8, 16, 16)], np.float32), np.array([False]), SPEC, Loss())

    assert POSITIVE == target.state[0]
    assert np.allclose(0, target.loc[0], atol=1e-5)
    assert NEGATIVE == target.state[-1]


def test_a_head_that_no_prior_fits_takes_the_best_one() -> None:
    """A long thin head is still taught, by one prior, and its code decodes to it."""
    box = np.array([around(32, 32, 60, 10)], np.float32)
    target = match(box, np.array([False]), SPEC, Loss())
    positive = target.state == POSITIVE

    assert 1 == positive.sum()
    found = decode(target.loc[positive], priors(SPEC)[positive], SPEC.variances)
    assert np.allclose(box, found, atol=1e-4)


def test_between_the_thresholds_a_prior_is_ignored() -> None:
    """A 24 px prior around a 16 px head overlaps by 0.44: neither right nor wrong."""
    target = match(np.array([around(8, 8, 16, 16)], np.float32), np.array([False]), SPEC, Loss())

    assert IGNORED == target.state[1]


@pytest.mark.parametrize("side", [16.0, 3.0])
def test_ignored_and_tiny_heads_are_not_taught(side: float) -> None:
    """Neither as heads nor, where a prior lies on them, as background."""
    ignore = np.array([side > 4])
    target = match(np.array([around(8, 8, side, side)], np.float32), ignore, SPEC, Loss())

    assert not (target.state == POSITIVE).any()
    assert side < 4 or target.state[0] == IGNORED


def test_a_picture_without_heads_is_all_background() -> None:
    """An empty door teaches what no head looks like."""
    target = match(np.zeros((0, 4), np.float32), NONE, SPEC, Loss())

    assert (target.state == NEGATIVE).all()


@settings(deadline=None, max_examples=60)
@given(
    corners=st.lists(st.tuples(*[st.floats(-0.5, 1.5, width=32)] * 4), max_size=6),
    ignored=st.integers(0, 63),
)
def test_degenerate_boxes_never_break_the_targets(
    corners: list[tuple[float, ...]], ignored: int
) -> None:
    """Points, swapped corners, boxes outside: targets stay finite, and states are known ones."""
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    ignore = np.array([bool(ignored >> k & 1) for k in range(len(boxes))], bool)
    target = match(boxes, ignore, SPEC, Loss())

    assert np.isfinite(target.loc).all()
    assert np.isin(target.state, (POSITIVE, NEGATIVE, IGNORED)).all()


def loss(conf: list[list[float]], state: list[int], negatives: float = 3.0) -> tuple[float, float]:
    """The two losses of one picture whose codes are all wrong by 1."""
    target = Target(np.array(state, np.int8), np.zeros((len(state), 4), np.float32))
    both = multibox_loss(
        torch.ones(1, len(state), 4), torch.tensor([conf]), [target], negatives, ["p"]
    )
    return float(both[0]), float(both[1])


def test_loss_of_a_hand_example() -> None:
    """One positive at even odds, one sure negative, one ignored: log 2, and four times 0.5."""
    conf, loc = loss([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]], [POSITIVE, NEGATIVE, IGNORED])

    assert np.log(2) == pytest.approx(conf, abs=1e-5)
    assert 4 * 0.5 == pytest.approx(loc)


def test_only_the_hardest_negatives_count() -> None:
    """Of 100 negatives the worst 8 do, for pictures with next to no head."""
    conf, loc = loss([[0.0, 5.0]] * 4 + [[5.0, 0.0]] * 96, [NEGATIVE] * 100, negatives=0.5)

    assert 4 * 5.0067 == pytest.approx(conf, abs=1e-3)
    assert 0 == loc


def test_a_loss_that_is_not_finite_names_its_pictures() -> None:
    """A run stops at once and says which pictures to look at."""
    with pytest.raises(DataError, match=r"finite.* p"):
        loss([[float("nan"), 0]], [POSITIVE])


def test_the_picture_to_blame_is_told_before_the_batch() -> None:
    """One bad negative of the second picture is enough, though no head is in the batch."""
    conf = torch.zeros(2, 3, 2)
    conf[1, 2, 0] = float("nan")
    target = Target(np.full(3, NEGATIVE, np.int8), np.zeros((3, 4), np.float32))

    with pytest.raises(DataError, match=r"not finite, by b\.jpg; the batch was a\.jpg, b\.jpg"):
        multibox_loss(torch.zeros(2, 3, 4), conf, [target] * 2, 3.0, ["a.jpg", "b.jpg"])
