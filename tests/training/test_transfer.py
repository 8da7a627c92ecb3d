"""Attention and classes of a teacher: nothing owed by an equal, channels of any number."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.transfer import (
    Transfer,
    attention_loss,
    attention_map,
    classifier_loss,
    transfer_loss,
)

pytestmark = pytest.mark.training


def maps(seed: int, channels: int = 5) -> Tensor:
    return torch.randn(3, channels, 4, 6, generator=torch.Generator().manual_seed(seed))


def logits(seed: int) -> Tensor:
    return 3 * torch.randn(3, 7, generator=torch.Generator().manual_seed(seed))


def test_attention_by_hand() -> None:
    """Mean of the squares over two channels, 5 and 10, to the length of 1."""
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])

    assert [5 / 125**0.5, 10 / 125**0.5] == pytest.approx(attention_map(x)[0].tolist())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), scale=st.floats(0.1, 10), channels=st.integers(1, 9))
def test_attention_knows_places_not_channels_nor_strength(
    seed: int, scale: float, channels: int
) -> None:
    """The same map, stronger, or with its channels told several times, owes nothing."""
    mine = maps(seed, channels)

    assert float(attention_loss([mine], [scale * mine])) == pytest.approx(0, abs=1e-12)
    assert float(attention_loss([mine], [mine.repeat(1, 3, 1, 1)])) == pytest.approx(0, abs=1e-12)
    assert float(attention_loss([mine], [maps(seed + 1, 4)])) > 1e-5


def test_attention_of_nothing_is_no_fault() -> None:
    """A layer that is silent on a picture owes what the teacher's attention is."""
    silent = torch.zeros(3, 5, 4, 6, requires_grad=True)
    loss = attention_loss([silent], [maps(0)])
    loss.backward()

    assert 1 / 24 == pytest.approx(float(loss.detach()))
    assert bool(torch.isfinite(silent.grad).all())


def test_the_layers_add_up() -> None:
    """Each has its own size; one more layer is one more debt."""
    pairs = [(maps(1), maps(2)), (maps(3)[..., :2], maps(4)[..., :2])]
    alone = [float(attention_loss([mine], [theirs])) for mine, theirs in pairs]

    assert sum(alone) == pytest.approx(float(attention_loss(*map(list, zip(*pairs, strict=True)))))


def test_classes_by_hand() -> None:
    """A quarter of an undecided student's divergence at T = 2, times four; the rest to labels."""
    student, teacher = torch.zeros(1, 2), torch.tensor([[0.0, 2.0]])
    soft = 1 / (1 + np.exp(-1))
    apart = soft * np.log(2 * soft) + (1 - soft) * np.log(2 * (1 - soft))
    loss = classifier_loss(student, torch.tensor([1]), teacher, Transfer(0.25, 2.0, 0.0))

    assert 0.75 * np.log(2) + 0.25 * 4 * apart == pytest.approx(float(loss), rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), share=st.floats(0, 1), temperature=st.floats(1, 20))
def test_an_equal_student_owes_the_labels_alone(
    seed: int, share: float, temperature: float
) -> None:
    """Its teacher has nothing to add, and takes no gradient."""
    student, labels = logits(seed).requires_grad_(True), torch.tensor([1, 2, 3])
    taught = student.detach().clone().requires_grad_(True)
    rule = Transfer(share, temperature, 1.0)
    loss = transfer_loss((student, [maps(seed)]), (taught, [maps(seed)]), labels, rule)
    loss.backward()
    told = torch.nn.functional.cross_entropy(student, labels)

    assert (1 - share) * float(told.detach()) == pytest.approx(float(loss.detach()), abs=1e-4)
    assert taught.grad is None


@pytest.mark.parametrize(
    "wrong", [{"share": 1.1}, {"temperature": 0.0}, {"attention": float("nan")}]
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    """The limits are told."""
    with pytest.raises(ValueError, match="must be"):
        Transfer(**wrong)
