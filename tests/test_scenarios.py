"""The door scenarios, counted exactly with one set of defaults."""

from __future__ import annotations

from itertools import permutations

import pytest

from edge.contract.detections import Detections
from edge.line import LineSettings
from tests.scenarios import EPISODES, PAUSE, SCENARIOS, Scenario, frames, play, totals

SEEDS = (1, 2, 3, 4)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize(
    ("scenario", "fps"),
    [
        pytest.param(scenario, fps, id=f"{scenario.name}, {fps:g} fps")
        for scenario in SCENARIOS
        for fps in scenario.fps
    ],
)
def test_every_door_is_counted_exactly(scenario: Scenario, fps: float) -> None:
    """In and out of 20 episodes on each of four seeds, in immediate mode."""
    counted = [totals(play(frames(scenario, seed), fps)) for seed in SEEDS]

    assert [scenario.truth] * len(SEEDS) == counted


@pytest.mark.parametrize("name", ["clean in", "stops on the line, turns back", "two head-on"])
def test_deferred_counts_alike_where_nobody_turns_back(name: str) -> None:
    """The mode changes when a crossing is told, and what a U-turn is."""
    scenario = BY_NAME[name]

    assert scenario.truth == totals(play(frames(scenario, 1), 10.0, LineSettings("deferred")))


def test_u_turns_are_nothing_when_deferred_unless_asked_for() -> None:
    """Twenty people go in and come out again in one view."""
    scenario = BY_NAME["in and out again"]
    counted = [
        totals(play(frames(scenario, 1), 10.0, LineSettings("deferred", u_turns=u_turns)))
        for u_turns in (False, True)
    ]

    assert [(0, 0), (20, 20)] == counted


def test_the_order_of_the_boxes_does_not_matter() -> None:
    """Two people, their boxes swapped in every other frame."""
    scenario = BY_NAME["two abreast"]
    seen = list(frames(scenario, 1))
    orders = [list(order) for order in permutations((0, 1))]
    mixed = [
        Detections.of(each.boxes[orders[i % 2]], each.scores[orders[i % 2]])
        if len(each) == 2
        else each
        for i, each in enumerate(seen)
    ]

    assert play(iter(seen), 10.0) == play(iter(mixed), 10.0)


@pytest.mark.parametrize(
    ("name", "passages"),
    [("clean in", [17.5]), ("in and out again", [17.5, 52.5]), ("hidden at the line", [14.0])],
)
def test_crossings_tell_the_frame_of_the_passage(name: str, passages: list[float]) -> None:
    """Within a sixth of a second of when the head is at the line, in every episode."""
    scenario = BY_NAME[name]
    period = len(scenario.script(300.0)) + PAUSE
    expected = [n * period + passage for n in range(EPISODES) for passage in passages]
    told = [crossing.frame for crossing in play(frames(scenario, 2), 25.0)]

    assert expected == pytest.approx(told, abs=4.0)


def test_noise_costs_little() -> None:
    """A third of the boxes missing and a false one every tenth frame: few errors, no storm."""
    errors = 0
    for scenario in SCENARIOS:
        ins, outs = totals(play(frames(scenario, 1, dropped=1 / 3, false=0.1), 10.0))
        errors += abs(ins - scenario.truth[0]) + abs(outs - scenario.truth[1])

    assert errors <= 25  # of 180 crossings and 100 episodes without one
