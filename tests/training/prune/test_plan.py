"""A plan is data: it says what stays, survives its file, and refuses nonsense."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from training.prune.plan import PruningPlan, from_json, read_plan, write_plan

pytestmark = pytest.mark.training


@st.composite
def plans(draw: st.DrawFn) -> PruningPlan:
    sizes = draw(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), min_size=1))
    kept = {
        name: tuple(sorted(draw(st.sets(st.integers(0, size - 1), min_size=1))))
        for name, size in sizes.items()
    }
    return PruningPlan(sizes, kept, ("block",))


@given(plans())
def test_json_and_back(plan: PruningPlan) -> None:
    """Nothing is lost on the way through JSON."""
    assert plan == from_json(json.loads(json.dumps(plan.to_json())))


@given(plans(), st.data())
def test_after_gives_positions_in_the_earlier_plan(plan: PruningPlan, data: st.DataObject) -> None:
    """The n-th channel that is left stands where the earlier plan's n-th kept channel was."""
    earlier = PruningPlan(plan.sizes, plan.kept)
    later = earlier.with_kept(
        {n: data.draw(st.sets(st.sampled_from(k), min_size=1)) for n, k in plan.kept.items()}
    )
    relative = later.after(earlier)

    for name, kept in relative.kept.items():
        assert later.kept[name] == tuple(earlier.kept[name][k] for k in kept)


@pytest.mark.parametrize("kept", [(), (1, 0), (0, 0), (-1, 0), (0, 4)])
def test_impossible_channels_are_refused(kept: tuple[int, ...]) -> None:
    """None at all, out of order, twice, or out of range: never silence."""
    with pytest.raises(DataError, match="group a"):
        PruningPlan({"a": 4}, {"a": kept})


@pytest.mark.parametrize(
    "data",
    [[], {}, {"schema": 9}, {"schema": 1, "sizes": {"a": 2}, "kept": {"a": "x"}, "removed": []}],
)
def test_what_is_no_plan_is_refused(data: object) -> None:
    """The message says what was expected."""
    with pytest.raises(DataError, match="pruning plan"):
        from_json(data)


def test_a_file_is_read_or_refused(tmp_path: Path) -> None:
    """Written and read; a damaged one names itself."""
    plan = PruningPlan({"a": 3, "b": 2}, {"a": (0, 2), "b": (0, 1)})
    write_plan(plan, tmp_path / "plan.json")
    (tmp_path / "bad.json").write_text("{")

    assert plan == read_plan(tmp_path / "plan.json")
    with pytest.raises(DataError, match=r"bad\.json"):
        read_plan(tmp_path / "bad.json")
    with pytest.raises(DataError, match="cannot be written"):
        write_plan(plan, tmp_path / "bad.json" / "plan.json")


def test_plans_of_two_networks_do_not_mix() -> None:
    """Nor can a later plan keep what an earlier one has cut."""
    plan = PruningPlan({"a": 3}, {"a": (0, 1)})

    with pytest.raises(DataError, match="one network"):
        plan.after(PruningPlan({"a": 4}, {"a": (0,)}))
    with pytest.raises(DataError, match="are gone"):
        plan.after(PruningPlan({"a": 3}, {"a": (1, 2)}))
