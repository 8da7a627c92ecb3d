"""The loop: it learns, it resumes to the same weights, it stops at nonsense."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np

from edge.errors import DataError
from tests.training.kit import pictures, pools, recipe
from training.checkpoint import Leg, State, build, load, new_state, restore, resume
from training.config import Augment, Distil, Model, Recipe
from training.data.sampler import batch
from training.engine import Batch, batch_losses, collate, fit
from training.evaluate import quick, torch_detector
from training.models.ssd import SSD
from training.ranks import Ranks
from training.schedule import lengthen, rate

pytestmark = pytest.mark.training


def fresh(plan: Recipe) -> State:
    """A run that has not begun."""
    return new_state(build(plan), plan.fit, plan.model.frozen)


def go(state: State, plan: Recipe, out: Path, *, until: int | None = None) -> State:
    """Train; `until` stops early, by a clock that shows one minute a step."""
    return fit(
        state,
        pools(plan),
        plan,
        out=out,
        validate=lambda ema: {"ap50": float(ema.head0.loc.bias.abs().sum())},
        report=lambda _: None,
        clock=lambda: state.step * 60.0,
        minutes=float("inf") if until is None else until - 0.5,
    )


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    """Stopped after 3 of 6 steps and resumed in a new process's state: the very same weights."""
    plan = recipe(steps=6)
    whole = go(fresh(plan), plan, tmp_path / "a")
    first = go(fresh(plan), plan, tmp_path / "b", until=3)
    torch.rand(7)  # another process has another RNG state
    second = go(resume(fresh(plan), tmp_path / "b" / "last.pt"), plan, tmp_path / "b")
    ends = [load(tmp_path / name / "last.pt") for name in ("a", "b")]

    assert 3 == first.step
    assert 6 == second.step == whole.step
    for part in ("model", "ema"):
        for key, tensor in ends[0][part].items():
            assert torch.equal(tensor, ends[1][part][key]), key
    for key, values in ends[0]["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(value, ends[1]["optimizer"]["state"][key][name])
    assert torch.equal(ends[0]["rng"], ends[1]["rng"])
    assert whole.best == second.best


def test_workers_change_no_weight(tmp_path: Path) -> None:
    """Batches that two processes make are those that a thread makes, in the same order."""
    alone = recipe(steps=5)
    helped = dataclasses.replace(alone, fit=dataclasses.replace(alone.fit, workers=2))
    go(fresh(alone), alone, tmp_path / "a")
    go(fresh(helped), helped, tmp_path / "b")
    ends = [load(tmp_path / name / "last.pt") for name in ("a", "b")]

    assert torch.equal(ends[0]["rng"], ends[1]["rng"])
    for key, tensor in ends[0]["model"].items():
        assert torch.equal(tensor, ends[1]["model"][key]), key


def test_metrics_and_checkpoints_are_written(tmp_path: Path) -> None:
    """One JSON line for each log and each validation; the recipe is in the checkpoint."""
    plan = recipe(steps=6)
    go(fresh(plan), plan, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    trained = restore(tmp_path / "best.pt")

    assert [2, 4, 6] == [line["step"] for line in lines if "loss_conf" in line]
    assert [3, 6] == [line["step"] for line in lines if "ap50" in line]
    assert plan == trained.recipe
    assert trained.plan is None
    assert not trained.net.training
    assert ["best.pt", "last.pt", "metrics.jsonl", "results.csv"] == sorted(
        p.name for p in tmp_path.iterdir()
    )


def test_the_averaged_weights_end_as_fp16_can_hold_them(tmp_path: Path) -> None:
    """With `half` the last checkpoint loses nothing when it is written as FP16; others do."""
    exact = []
    for half in (True, False):
        plan = recipe(steps=2)
        plan = dataclasses.replace(plan, fit=dataclasses.replace(plan.fit, half=half))
        go(fresh(plan), plan, tmp_path / str(half))
        weights = restore(tmp_path / str(half) / "last.pt").net.parameters()
        exact.append(all(torch.equal(w, w.half().float()) for w in weights))

    assert [True, False] == exact


def attentive(plan: Recipe, weight: float) -> Recipe:
    """The recipe with a teacher's attention at a weight."""
    return dataclasses.replace(plan, distil=Distil(weight_attention=weight))


def test_a_teacher_of_other_channels_shows_where_to_look() -> None:
    """Nothing is owed by an equal; a narrower student learns by it down to the first layer."""
    plan = attentive(recipe(), 1000.0)
    data = collate(batch(pools(plan), plan, 0), plan)
    teacher = build(dataclasses.replace(plan, model=Model(width=0.5, neck=16))).eval()
    student = build(plan)
    found = batch_losses(student, data, plan, teacher)
    found["loss_attention"].backward()

    assert 0 == float(batch_losses(teacher, data, plan, teacher)["loss_attention"].detach())
    assert 0 < float(found["loss_attention"].detach())
    assert student.backbone.stem.conv.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_attention_that_weighs_nothing_is_not_looked_at() -> None:
    """Nor logged."""
    plan = attentive(recipe(), 0.0)
    data = collate(batch(pools(plan), plan, 0), plan)

    assert "loss_attention" not in batch_losses(build(plan), data, plan, build(plan))


class OfThree(Ranks):
    """One of several processes, whose pictures are three in all."""

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The number of pictures, whatever is asked for."""
        return torch.full_like(value, 3)


def test_parts_of_a_batch_owe_together_what_the_whole_does() -> None:
    """Two pictures and one: each process has its part of the mean over all three."""
    plan = attentive(recipe(batch=3), 1000.0)
    whole = collate(batch(pools(plan), plan, 0), plan)
    teacher = build(dataclasses.replace(plan, model=Model(width=0.5, neck=16)))
    student = build(plan)

    def owed(part: slice, ranks: Ranks) -> float:
        data = Batch(whole.pictures[part], whole.targets[part], whole.names[part])
        losses = batch_losses(student, data, plan, teacher, ranks)
        return float(losses["loss_attention"].detach())

    parts = [owed(slice(0, 2), OfThree()), owed(slice(2, 3), OfThree())]
    assert owed(slice(0, 3), Ranks()) == pytest.approx(sum(parts), rel=1e-5)


def test_frozen_convolutions_stay_and_others_move(tmp_path: Path) -> None:
    """The first ones keep their ImageNet weights."""
    plan = dataclasses.replace(recipe(steps=2), model=Model(width=0.25, neck=16, frozen=3))
    before = build(plan).backbone.convolutions()
    after = go(fresh(plan), plan, tmp_path).net.backbone.convolutions()
    same = [torch.equal(a.weight, b.weight) for a, b in zip(before, after, strict=True)]

    assert [True] * 3 == same[:3]
    assert not any(same[3:])


def test_learning_rate_warms_up_and_ends_at_nothing() -> None:
    """Linear to the peak, then half a cosine."""
    plan = dataclasses.replace(recipe().fit, steps=100, warmup=10)
    rates = [rate(step, plan, Leg()) for step in range(101)]

    assert 0.1 == pytest.approx(rates[0])
    assert 10 == pytest.approx(rates.index(max(rates)), abs=1)
    assert 0 == pytest.approx(rates[100])
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_nonsense_stops_the_run_and_names_the_pictures(tmp_path: Path) -> None:
    """Weights that are not numbers: an error, and no checkpoint of them."""
    plan = recipe(steps=2)
    state = fresh(plan)
    with torch.no_grad():
        state.net.head0.conf.bias.fill_(float("nan"))

    with pytest.raises(DataError, match="disc"):
        go(state, plan, tmp_path)
    assert not (tmp_path / "last.pt").exists()


def test_a_run_that_diverges_stops_and_keeps_the_last_good_weights(tmp_path: Path) -> None:
    """A rate out of all reason: what is told names the step, last.pt is of before and finite."""
    plan = recipe(steps=40, batch=2, check_every=1, lr_heads=1e30)

    with pytest.raises(DataError, match="not finite") as caught:
        go(fresh(plan), plan, tmp_path)
    kept = load(tmp_path / "last.pt")

    assert 0 < kept["step"] < 40
    assert f"after step {kept['step']}" in str(caught.value)
    assert "\n" not in str(caught.value)
    for part in ("model", "ema"):
        assert all(bool(torch.isfinite(weights).all()) for weights in kept[part].values())


def test_the_pictures_of_a_bad_step_are_told(tmp_path: Path) -> None:
    """Weights that spoil step 4: its whole batch is named, and what step 3 left is kept."""
    plan = recipe(steps=6)
    go(fresh(plan), plan, tmp_path, until=3)
    before = (tmp_path / "last.pt").read_bytes()
    state = resume(fresh(plan), tmp_path / "last.pt")
    with torch.no_grad():
        state.net.head0.conf.bias.fill_(float("inf"))

    with pytest.raises(DataError, match="step 4: the loss is not finite") as caught:
        go(state, plan, tmp_path)
    names = [view.name for view in batch(pools(plan), plan, 3)]

    assert f"the batch was {', '.join(names)}; " in str(caught.value)
    assert "last.pt stays as it was after step 3" in str(caught.value)
    assert before == (tmp_path / "last.pt").read_bytes()


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    """The loss may be finite and its gradient not: the step is not taken."""
    plan = recipe(steps=2)
    state = fresh(plan)
    before = [weights.clone() for weights in state.net.parameters()]
    state.net.head0.loc.weight.register_hook(lambda gradient: gradient * float("inf"))

    with pytest.raises(DataError, match="gradient is not finite; the batch was disc"):
        go(state, plan, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, state.net.parameters(), strict=True))


def test_a_longer_run_rises_from_the_rate_it_had() -> None:
    """Given another length, the rate goes in a line to the new cosine, and never jumps."""
    short, long = (dataclasses.replace(recipe().fit, steps=steps, warmup=10) for steps in (50, 100))
    state = fresh(recipe())
    state.step = 30
    had = rate(30, short, state.leg)
    lengthen(state, short, long)
    rates = [rate(step, long, state.leg) for step in range(30, 101)]
    jumps = np.abs(np.diff([had, *rates]))

    assert Leg(30, had) == state.leg
    assert rate(45, long, Leg()) == pytest.approx(rates[15])
    assert 0.05 > jumps.max()
    assert 0 == pytest.approx(rates[-1])


def test_a_worse_checkpoint_never_replaces_the_best(tmp_path: Path) -> None:
    """Even where last.pt knows nothing of it, as after a kill between the two files."""
    plan = recipe(steps=4, check_every=2)

    def run(ap50: float, state: State, steps: int) -> None:
        longer = dataclasses.replace(plan, fit=dataclasses.replace(plan.fit, steps=steps))
        fit(
            state, pools(plan), longer, out=tmp_path,
            validate=lambda _: {"ap50": ap50}, report=lambda _: None,
        )  # fmt: skip

    run(0.3, fresh(plan), 2)
    last = (tmp_path / "last.pt").read_bytes()
    run(0.9, resume(fresh(plan), tmp_path / "last.pt"), 4)
    (tmp_path / "last.pt").write_bytes(last)
    run(0.5, resume(fresh(plan), tmp_path / "last.pt"), 4)

    assert 0.9 == load(tmp_path / "best.pt")["ap50"]
    assert 0.5 == load(tmp_path / "last.pt")["ap50"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    """Resuming a narrow run with a wider recipe is told in one line."""
    plan = recipe(steps=2)
    go(fresh(plan), plan, tmp_path)
    wide = dataclasses.replace(plan, model=Model(width=0.5, neck=16, frozen=0))

    with pytest.raises(DataError, match="another network") as caught:
        resume(fresh(wide), tmp_path / "last.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint", "torch"])
def test_a_file_that_is_no_checkpoint_is_refused(
    tmp_path: Path, content: bytes | str | None
) -> None:
    """Missing, empty, foreign: one line that names the file."""
    path = tmp_path / "last.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save({"step": 1}, path)

    with pytest.raises(DataError, match=r"last\.pt") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_tiny_net_learns_dark_discs(tmp_path: Path) -> None:
    """From random weights to AP50 above 0.8 on its own eight pictures in seconds.

    Wrong priors, matching, codes, signs of the loss, channel order or averaging fail here.
    """
    plan = dataclasses.replace(
        recipe(steps=120, batch=8, ema=0.9, lr_backbone=3e-3, lr_heads=3e-3, check_every=1000),
        augment=Augment(zoom=0, zoom_out=0, grey=0, dark=0, blur=0, noise=0, jpeg=0),
    )

    def validate(net: SSD) -> dict[str, float]:
        return quick(torch_detector(net), pictures(8))

    state = fit(
        fresh(plan), pools(plan), plan, out=tmp_path, validate=validate, report=lambda _: None
    )

    assert state.best > 0.8
