"""The deck: pictures are moved and mirrored, the same way each time."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from tests.training.cifar.kit import pictures
from training.cifar.deck import Deck

pytestmark = pytest.mark.training

DECK = Deck(pictures(50), torch.device("cpu"))


def test_an_epoch_shows_whole_batches_without_a_picture_twice() -> None:
    """Of 50 pictures three batches of 16; labels go with their pictures."""
    batches = list(DECK.shuffled(16, seed=3, epoch=0))
    bright = torch.cat([images.mean((1, 2, 3)) for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])

    assert [(16, 3, 32, 32)] * 3 == [tuple(images.shape) for images, _ in batches]
    assert 48 == len(set(bright.tolist()))
    order = bright.argsort()
    middle = [float(bright[labels == k].mean()) for k in sorted(set(labels.tolist()))]
    assert middle == sorted(middle)
    assert len(order) == 48


def test_chance_depends_on_seed_and_epoch_alone() -> None:
    """The same seed and epoch give the same pictures, another of either does not."""
    first = next(iter(DECK.shuffled(16, 3, 0)))[0]

    assert torch.equal(first, next(iter(DECK.shuffled(16, 3, 0)))[0])
    assert not torch.equal(first, next(iter(DECK.shuffled(16, 4, 0)))[0])
    assert not torch.equal(first, next(iter(DECK.shuffled(16, 3, 1)))[0])


def test_a_picture_is_moved_by_four_pixels_at_most() -> None:
    """Each shown one is a window of the picture with four pixels of black around it."""
    plain = next(DECK.plain(50))[0]
    shown, labels = next(iter(DECK.shuffled(16, 3, 0)))
    around = torch.nn.functional.pad(plain, [4] * 4, value=float("nan"))
    for image, label in zip(shown, labels, strict=True):
        found = False
        for base in around[pictures(50).labels == int(label)]:
            for flip in (image, image.flip(2)):
                for dy in range(9):
                    for dx in range(9):
                        window = base[:, dy : dy + 32, dx : dx + 32]
                        inside = ~window.isnan()
                        found |= bool(torch.allclose(flip[inside], window[inside], atol=1e-5))
        assert found
