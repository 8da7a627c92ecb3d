"""Arms: cut to their share, learnt, written, and not run twice."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
from pathlib import Path
from typing import Any

from edge.errors import CallError, DataError
from tests.training.cifar.kit import NETS, recipe, run
from training.cifar.arms import ARMS, BASE, arm_of, rounds_of
from training.cifar.running import WEIGHTS, load_net, run_arm, run_base, size_of
from training.cifar.table import read_results, table
from training.cifar.timing import latencies
from training.profile.latency import Timing

pytestmark = pytest.mark.training


def result(out: Path, arm: str, net: str = "resnet56", **more: float) -> dict[str, Any]:
    made = run(out, net, **more)
    return run_base(made, out) if arm == BASE else run_arm(made, arm_of(arm))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("arm", ["l1", "icp-published", "icp-kt"])
def test_an_arm_leaves_half_of_the_multiplications(tmp_path: Path, net: str, arm: str) -> None:
    """Never more than the share, and what is written down is what the network has."""
    base = result(tmp_path, BASE, net)
    made = result(tmp_path, arm, net)
    kept = load_net(recipe(net), run(tmp_path, net).folder(arm, 1))

    assert 0.35 * base["macs"] < made["macs"] <= 0.505 * base["macs"]
    assert (made["macs"], made["parameters"]) == dataclasses.astuple(size_of(kept))
    assert made["parameters"] < base["parameters"]


@pytest.mark.parametrize(
    "arm",
    ["hybrid-taylor-layers", "hybrid-weight-channels", "hybrid-bn-layers", "hybrid-rank-layers"],
)
def test_a_hybrid_takes_blocks_and_channels(tmp_path: Path, arm: str) -> None:
    """Whole blocks are gone, but never the first of a stage, and channels beside them."""
    base = result(tmp_path, BASE)
    made = result(tmp_path, arm)

    assert made["removed"]
    assert not [name for name in made["removed"] if name.endswith(".0")]
    assert made["macs"] <= 0.505 * base["macs"]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """The result of an earlier run is given; without one all is computed anew to the same bits."""
    base, first = result(tmp_path / "a", BASE), result(tmp_path / "a", "l1-kt")
    weights = tmp_path / "a" / "resnet56" / "l1-kt-s1" / WEIGHTS
    written = weights.stat().st_mtime_ns
    again = result(tmp_path / "a", "l1-kt")
    result(tmp_path / "b", BASE)
    other = result(tmp_path / "b", "l1-kt")

    assert first == again
    assert written == weights.stat().st_mtime_ns
    assert (first["test"], first["macs"]) == (other["test"], other["macs"])
    assert weights.read_bytes() == (tmp_path / "b/resnet56/l1-kt-s1" / WEIGHTS).read_bytes()
    assert base["macs"] > first["macs"]


def test_an_arm_without_a_base_says_so(tmp_path: Path) -> None:
    """And an arm that nobody knows is named with those which are known."""
    with pytest.raises(DataError, match="run `base` first"):
        result(tmp_path, "l1")
    with pytest.raises(CallError, match="'l2' is unknown; known are base, dense"):
        arm_of("l2")


def test_time_that_is_up_ends_a_lesson_early(tmp_path: Path) -> None:
    """The schedule ends with the time; how far it came is written down."""
    ticks = iter(range(10_000))
    made = run(tmp_path, deadline=20.0, clock=lambda: float(next(ticks)), epochs=50.0)
    done = run_base(made, tmp_path)

    assert done["planned"] == 50
    assert 0 < done["epochs"] < 10


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_arm_ends_at_the_share_with_all_its_epochs(arm: Any) -> None:
    """The last cut reaches the share of all; the parts of the epochs make one."""
    rounds = rounds_of(arm, recipe().cut)

    assert bool(arm.ways) == bool(rounds)
    if rounds:
        assert rounds[-1].share == pytest.approx(0.5)
        assert sum(part.epochs for part in rounds) == pytest.approx(1)


def test_the_table_sets_every_arm_beside_the_base(tmp_path: Path) -> None:
    """In the order of the comparison, with what is left of the network."""
    for arm in (BASE, "l1", "dense"):
        result(tmp_path, arm)
    rows = table(read_results(tmp_path)["resnet56"]).splitlines()

    assert ["dense", "dense, same extra epochs", "L1, uniform"] == [
        row.split(" | ")[0].removeprefix("| ") for row in rows[2:]
    ]
    assert "+0.00" in rows[2]
    with pytest.raises(DataError, match="no arm was finished"):
        read_results(tmp_path / "elsewhere")


def test_latencies_are_set_beside_what_is_left(tmp_path: Path) -> None:
    """Of the arms whose weights are there; shares are of the base's time."""
    for arm in (BASE, "l1"):
        result(tmp_path, arm)

    def measured(graphs: dict[str, Any], rounds: int) -> dict[str, Timing]:
        assert rounds > 0
        return {name: Timing(*[2.0 if name == BASE else 1.5] * 4, rounds) for name in graphs}

    rows = latencies(recipe(), tmp_path, measured=measured).splitlines()

    assert "| dense | 2.000 ms | 100.0% | 0.0% | 0.0% |" == rows[2]
    assert rows[3].startswith("| L1, uniform | 1.500 ms | 75.0% | 25.0% | ")
    assert 4 == len(rows)
