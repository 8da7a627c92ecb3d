"""The teacher's say: classes on the priors that are taught, boxes where it is better."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from edge.errors import DataError
from training.config import Distil
from training.distill import bounded_regression, distil_loss, divergence
from training.models.multibox import IGNORED, NEGATIVE, POSITIVE, Target

pytestmark = pytest.mark.training

STATE = [POSITIVE, NEGATIVE, IGNORED, POSITIVE, NEGATIVE, NEGATIVE]
CLASSES, BOXES = Distil(weight_conf=1.0), Distil(weight_loc=1.0)
BOTH = Distil(weight_conf=1.0, weight_loc=0.5)


def outputs(seed: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Codes (B, N, 4) and logits (B, N, 2) of some network."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, len(STATE))
    loc = torch.randn(*shape, 4, generator=generator)
    return loc, 3 * torch.randn(*shape, 2, generator=generator)


def targets(batch: int = 2, state: list[int] | None = None) -> list[Target]:
    """All codes are to be 0."""
    states = np.array(STATE if state is None else state, np.int8)
    return [Target(states, np.zeros((len(states), 4), np.float32))] * batch


def loss(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    rule: Distil,
    state: list[int] | None = None,
    negatives: float = 3.0,
) -> Tensor:
    """The loss of a batch."""
    found = targets(len(student[0]), state)
    return distil_loss(*student, *teacher, found, negatives=negatives, rule=rule)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 8))
def test_an_equal_student_owes_nothing_and_no_other_owes_less(
    seed: int, temperature: float
) -> None:
    """Zero for the teacher itself, zero or more for anybody else."""
    teacher, student = outputs(seed), outputs(seed + 1)
    rule = replace(BOTH, temperature=temperature)

    assert 0 == pytest.approx(float(loss(teacher, teacher, rule)), abs=1e-5)
    assert 0 <= float(loss(student, teacher, rule))


def test_the_gradient_leads_to_the_teacher() -> None:
    """After some steps of descent the student's classes are nearly the teacher's."""
    teacher, (loc, conf) = outputs(1), outputs(2)
    conf.requires_grad_(True)
    taught = [0, 1, 3, 4, 5]

    def apart() -> float:
        pair = (conf.detach().softmax(-1), teacher[1].softmax(-1))
        return float((pair[0] - pair[1])[:, taught].abs().mean())

    before = apart()
    optimizer = torch.optim.SGD([conf], lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        loss((loc, conf), teacher, CLASSES).backward()
        optimizer.step()

    assert apart() < 0.1 * before


def test_divergence_of_a_hand_example() -> None:
    """A sure teacher and an undecided student: log 2; at temperature 2 logits count half."""
    student, teacher = torch.zeros(1, 2), torch.tensor([[-100.0, 100.0]])
    soft = 1 / (1 + np.exp(-1))  # logits 0 and 2, halved
    expected = 4 * (soft * np.log(2 * soft) + (1 - soft) * np.log(2 * (1 - soft)))

    assert np.log(2) == pytest.approx(float(divergence(student, teacher, 1.0)))
    two = divergence(student, torch.tensor([[0.0, 2.0]]), 2.0)
    assert expected == pytest.approx(float(two), abs=1e-6)


def test_ignored_priors_have_no_say() -> None:
    """Whatever is said about them, by either side."""
    student, teacher = outputs(3), outputs(4)
    before = loss(student, teacher, BOTH)
    for loc, conf in (student, teacher):
        loc[:, 2], conf[:, 2] = 50, torch.tensor([-50.0, 50.0])

    assert float(before) == float(loss(student, teacher, BOTH))


def test_negatives_have_a_say_in_classes_not_in_boxes() -> None:
    """Background has no box."""
    student, teacher = outputs(5), outputs(6)
    classes, boxes = (loss(student, teacher, rule) for rule in (CLASSES, BOXES))
    student[0][:, 1], student[1][:, 1] = 9, 9 * student[1][:, 1]

    assert float(boxes) == float(loss(student, teacher, BOXES))
    assert float(classes) != float(loss(student, teacher, CLASSES))


def test_easy_negatives_have_no_say() -> None:
    """Of 20 negatives the 8 that the student has most wrong do, as in the loss of the heads."""
    hard, easy = [[0.0, 1.0]] * 8, [[5.0, 0.0]] * 12
    conf_s = torch.tensor([hard + easy])
    conf_t = torch.tensor([[[0.0, 1.0]] * 8 + [[0.0, 9.0]] * 12])  # they differ where it is easy
    loc = torch.zeros(1, 20, 4)
    state = [NEGATIVE] * 20

    assert 0 == float(loss((loc, conf_s), (loc, conf_t), CLASSES, state, negatives=1.0))
    assert 0 < float(loss((loc, conf_s), (loc, conf_t), CLASSES, state, negatives=3.0))


@pytest.mark.parametrize(
    ("student", "margin", "expected"),
    [
        pytest.param(0.5, 0.0, 0.0, id="better than the teacher"),
        pytest.param(1.0, 0.0, 0.0, id="as good"),
        pytest.param(2.0, 0.0, 16.0, id="worse: its own error to the truth"),
        pytest.param(0.5, 3.5, 1.0, id="better, but not by the margin"),
        pytest.param(0.1, 3.5, 0.0, id="better by the margin"),
    ],
)
def test_boxes_are_bounded_by_the_teacher(student: float, margin: float, expected: float) -> None:
    """The teacher is wrong by 1 in each of four codes; the truth is 0."""
    codes = torch.full((1, 4), student)
    owed = bounded_regression(codes, torch.ones(1, 4), torch.zeros(1, 4), margin)

    assert expected == pytest.approx(float(owed))


def test_loss_of_boxes_of_a_hand_example() -> None:
    """Two positives, one of them worse than the teacher by 2 in each code: 16 / 2."""
    loc_s, loc_t = torch.zeros(1, 6, 4), torch.zeros(1, 6, 4)
    loc_s[0, 0], loc_t[0, 0], loc_t[0, 3] = 2, 1, 1
    conf = torch.zeros(1, 6, 2)

    assert 8 == pytest.approx(float(loss((loc_s, conf), (loc_t, conf), BOXES)))


def test_the_teacher_takes_no_gradient() -> None:
    """Nor do its weights change when it is trained on by mistake."""
    student, teacher = outputs(7), outputs(8)
    for part in (*student, *teacher):
        part.requires_grad_(True)
    loss(student, teacher, BOTH).backward()

    assert [False, False, True, True] == [part.grad is None for part in (*student, *teacher)]


def test_pictures_without_heads() -> None:
    """No positive: the negatives still teach, and nothing is divided by 0."""
    empty = loss(outputs(9), outputs(10), BOTH, [NEGATIVE] * 6)

    assert 0 < float(empty) < np.inf


def test_a_loss_that_is_not_finite_is_told() -> None:
    """A teacher that gives no numbers stops the run."""
    loc, conf = outputs(11)

    with pytest.raises(DataError, match="teacher"):
        loss((loc, conf), (loc, conf * float("nan")), BOTH)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"weight_conf": -1.0}, {"weight_loc": float("nan")}, {"margin": -0.1}],
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    """The wrong one is named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Distil(**wrong)
