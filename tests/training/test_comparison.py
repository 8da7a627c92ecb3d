"""The statistics of the comparison: pairs, ties, and honest gaps."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
from pathlib import Path

import numpy as np

from edge.errors import DataError
from training.arms import ARMS, Arm, recipe_of
from training.choosing import reach
from training.comparison import Row, compare, from_json, table, to_json
from training.config import load_recipe
from training.prune.plan import PruningPlan

pytestmark = pytest.mark.training

PICTURES = 40


def cell(quality: float, seed: int = 0) -> dict[str, object]:
    """A cell whose detector finds each of four heads a picture with this chance."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(PICTURES):
        scores = np.sort(rng.random(6))[::-1]
        hit = [k for k in range(4) if rng.random() < quality]
        pictures.append({"scores": scores.tolist(), "hit": hit, "heads": 4})
    return {"ap50": quality, "macs": 100 * quality, "parameters": 10, "pictures": pictures}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Dense and ours with two seeds, L1 with one, everything else not run."""
    cells = {"dense-1": 0.9, "dense-2": 0.9, "cluster-1": 0.8, "cluster-2": 0.8, "l1-1": 0.3}
    for number, (name, quality) in enumerate(cells.items()):
        (tmp_path / f"{name}.json").write_text(json.dumps(cell(quality, number)))
    clock = {name: {"ms": 2.0, "share": 0.5} for name in cells}
    (tmp_path / "latency.json").write_text(json.dumps(clock))
    return tmp_path


def by_name(rows: list[Row | Arm]) -> dict[str, Row | Arm]:
    return {row.name: row for row in rows}


def test_every_arm_has_a_row_and_gaps_say_so(out: Path) -> None:
    """What was not run is in the table, as not run; half-run arms show the seeds they have."""
    rows = by_name(compare(out, [1, 2]))

    assert [arm.name for arm in ARMS] == list(rows)
    assert isinstance(rows["filter"], Arm)
    assert "| filter pruning | not run |" in table(list(rows.values()))
    assert (30.0,) == rows["l1"].ap50


def test_a_clear_lead_is_one_and_equal_arms_tie(out: Path) -> None:
    """Ours against a far worse arm is above zero throughout; against itself it is a tie."""
    (out / "l1-aligned-1.json").write_text((out / "cluster-1.json").read_text())
    (out / "l1-aligned-2.json").write_text((out / "cluster-2.json").read_text())
    clock = json.loads((out / "latency.json").read_text())
    clock |= {f"l1-aligned-{seed}": {"ms": 2.0, "share": 0.5} for seed in (1, 2)}
    (out / "latency.json").write_text(json.dumps(clock))
    rows = by_name(compare(out, [1, 2]))

    assert rows["l1"].low > 0
    assert not rows["l1"].tied
    assert (0.0, 0.0, 0.0) == (
        rows["l1-aligned"].ahead,
        rows["l1-aligned"].low,
        rows["l1-aligned"].high,
    )
    assert rows["l1-aligned"].tied
    assert rows["cluster"].ahead is None
    assert "a tie" in table([rows["l1-aligned"]])


def test_json_and_back(out: Path) -> None:
    """Rows and gaps survive their file."""
    rows = compare(out, [1, 2])

    assert rows == from_json(json.loads(json.dumps(to_json(rows))))


def test_without_the_dense_network_there_is_nothing_to_compare(out: Path) -> None:
    """The message says what to run."""
    (out / "dense-1.json").unlink()
    (out / "dense-2.json").unlink()

    with pytest.raises(DataError, match="dense network was not run"):
        compare(out, [1, 2])


def test_a_network_that_was_not_timed_is_told(out: Path) -> None:
    """A cell that another run wrote after the clock was read: one line, and what to run."""
    (out / "filter-1.json").write_text((out / "l1-1.json").read_text())

    with pytest.raises(DataError, match="filter-1 was not put on the clock yet; run"):
        compare(out, [1, 2])


def test_all_arms_take_as_many_steps() -> None:
    """Short fits and the last one add up to the same for every arm that begins with weights."""
    base, dense = load_recipe(Path("arms")), load_recipe(Path("bench"))
    totals = set()
    for arm in ARMS:
        if arm.scratch or arm.int8:
            continue
        recipe = recipe_of(arm, base, dense, 1)
        rounds = recipe.prune.rounds - 1 if arm.prune else 0
        totals.add(recipe.fit.steps + rounds * recipe.prune.round_steps)
    (scratch,) = [recipe_of(arm, base, dense, 1) for arm in ARMS if arm.scratch]

    assert 1 == len(totals)
    assert scratch.fit.steps == totals.pop() + dense.fit.steps


def test_the_hybrid_recipe_is_the_arms() -> None:
    """What somebody prunes with is what was compared: same steps, same rule."""
    base, dense, recipe = (load_recipe(Path(name)) for name in ("arms", "bench", "hybrid"))
    (arm,) = [arm for arm in ARMS if arm.name == "hybrid"]

    assert recipe.fit == base.fit
    assert recipe.prune == recipe_of(arm, base, dense, 1).prune


def plan(left: float) -> PruningPlan:
    """A plan whose width says how much was left; too little cannot be had."""
    if left < 0.2:
        raise DataError("the target cannot be reached")
    return PruningPlan({"a": 1000}, {"a": tuple(range(max(1, round(1000 * left))))})


def test_the_knob_is_turned_until_the_clock_agrees() -> None:
    """A latency that is not what was predicted is found by halving."""
    found = reach(plan, lambda p: (p.width("a") / 1000) ** 2, 0.45, 0.02, lambda _: None)

    assert 0.45 == pytest.approx((found.width("a") / 1000) ** 2, rel=0.02)


def test_a_latency_between_two_steps_is_an_error() -> None:
    """A device that jumps over the target is told with the nearest that was measured."""
    with pytest.raises(DataError, match=r"nearest was 0\.600"):
        reach(plan, lambda p: 0.6 if p.width("a") > 400 else 0.1, 0.45, 0.02, lambda _: None)
