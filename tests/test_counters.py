"""The arms of the counting benchmark: the same boxes for all, each in its own form."""
# ruff: noqa: PLC0415 - what is tested lies among the benchmarks

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.detections import Detections
from edge.types import Direction, Line
from tests.scenarios import SCENARIOS, play

ROOT = Path(__file__).parent.parent
SIZE = (640, 480)
LINE = Line("L1", (0.25, 0.5), (0.75, 0.5), (0.5, 0.9))


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def walk(*points: tuple[float, float], steps: int = 30) -> list[Detections]:
    """A head of 60 px from point to point, shares of the picture, then nobody."""
    half = np.array([30, 30]) / SIZE
    seen = []
    for a, b in pairwise(points):
        for share in np.linspace(0, 1, steps):
            centre = np.array(a) + share * (np.array(b) - a)
            seen.append(Detections.of([[*(centre - half), *(centre + half)]], [0.9]))
    return [*seen, *[Detections.empty()] * 30]


@pytest.mark.parametrize(
    ("ys", "told"),
    [
        ((100, 300), [Direction.IN]),
        ((300, 100), [Direction.OUT]),
        ((100, 235, 245, 255, 100), []),
        ((100, 300, 235, 300), [Direction.IN]),
        ((100, 300, 100), [Direction.IN, Direction.OUT]),
    ],
    ids=["in", "out", "within the band", "back into the band", "in and out"],
)
def test_the_textbook_rule_counts_changes_of_side(ys: tuple[int, ...], told: list[str]) -> None:
    """The band of 20 px changes nothing."""
    from sides import Sides

    rule = Sides(LINE, SIZE, 20.0)
    found = [c for i, y in enumerate(ys) for c in rule.look(7, (320.0, float(y)), i, i / 10)]

    assert told == [crossing.direction for crossing in found]


def test_the_textbook_rule_counts_at_the_line_alone() -> None:
    """Who passes beside it is nobody; who comes from beside it and passes over it is one."""
    from sides import Sides

    rule = Sides(LINE, SIZE, 20.0)
    beside = [*rule.look(1, (560, 100), 0, 0.0), *rule.look(1, (560, 300), 1, 0.1)]
    over = [*rule.look(2, (100, 150), 2, 0.2), *rule.look(2, (300, 300), 3, 0.3)]

    assert ([], 1) == (beside, len(over))


def test_ours_counts_as_the_suite_does() -> None:
    """The benchmark's way in is the one that the tests use."""
    from counters import OURS, OWN, count
    from doors import CASES

    case = next(case for case in CASES if case.name == "two head-on")
    found = count(OWN, case.view, case.frames(1))

    assert tuple(play(case.frames(1), case.fps)) == found[OURS.key]
    assert {"ours", "deferred"} == set(found)


def test_every_scenario_is_a_case_with_one_usual_rate() -> None:
    """None is left out."""
    from doors import CASES

    assert [s.name for s in SCENARIOS] == [case.name for case in CASES if case.usual]
    assert sum(len(s.fps) for s in SCENARIOS) == len(CASES)


def test_counts_are_remembered_until_something_changes(tmp_path: Path) -> None:
    """The same boxes are not counted again; others are."""
    from counters import OURS, View
    from memory import remembered

    view = View((LINE,), SIZE, 10.0, 0.3)
    seen = walk((0.5, 0.2), (0.5, 0.8))
    first = remembered(tmp_path, [OURS], {}, view, seen)
    again = remembered(tmp_path, [OURS], {}, view, seen)
    other = remembered(tmp_path, [OURS], {}, view, seen[::-1])
    newer = remembered(tmp_path, [OURS], {"supervision": "9"}, view, seen)

    assert 3 == len(list(tmp_path.iterdir()))
    assert [1, 1, 1, 1] == [len(each["ours"]) for each in (first, again, other, newer)]
    assert first["ours"][0].frame == again["ours"][0].frame


def test_walkers_stay_in_view() -> None:
    """As many as are asked for, but for the boxes that are missing."""
    from stopwatch import FRAMES, walkers

    seen = walkers(40)

    assert FRAMES == len(seen)
    assert 40 >= max(map(len, seen)) >= min(map(len, seen)) >= 30
    assert all(np.abs(each.boxes - 0.5).max() < 0.6 for each in seen)


@pytest.fixture
def peers() -> Any:
    """The others, in the environment that has them."""
    for name in ("norfair", "supervision", "trackers"):
        pytest.importorskip(name, reason=f"needs the [bench] extra: {name} is missing")
    import peers

    return peers


@pytest.mark.parametrize(
    ("line", "way"),
    [
        (LINE, ((0.5, 0.2), (0.5, 0.8))),
        (Line("L1", LINE.b, LINE.a, LINE.in_side), ((0.5, 0.2), (0.5, 0.8))),
        (Line("L1", LINE.a, LINE.b, (0.5, 0.1)), ((0.5, 0.8), (0.5, 0.2))),
        (Line("L1", (0.5, 0.2), (0.5, 0.8), (0.9, 0.5)), ((0.2, 0.5), (0.8, 0.5))),
    ],
    ids=["down", "line turned round", "up", "to the right"],
)
@pytest.mark.parametrize("back", [False, True], ids=["in", "out"])
def test_everybody_counts_a_plain_walk(peers: Any, line: Line, way: Any, back: bool) -> None:
    """In is where the in side is, for each package."""
    from counters import OWN, View, count

    seen = walk(*(way[::-1] if back else way))
    found = count((*OWN, *peers.PEERS), View((line,), SIZE, 10.0, 0.3), seen)
    told = Direction.OUT if back else Direction.IN

    assert {arm: [told] for arm in found} == {
        arm: [crossing.direction for crossing in crossings] for arm, crossings in found.items()
    }


def test_nobody_counts_a_walk_beside_the_line(peers: Any) -> None:
    """Lines are finite for all."""
    from counters import View, count

    seen = walk((0.9, 0.2), (0.9, 0.8))
    found = count(peers.PEERS, View((LINE,), SIZE, 10.0, 0.3), seen)

    assert not any(found.values())


def test_one_door_is_scored_for_every_arm(peers: Any, monkeypatch: Any, tmp_path: Path) -> None:
    """What the command keeps of a case."""
    import counting

    monkeypatch.setattr(counting, "KEPT", tmp_path)
    row = counting.door((0, 1))

    assert {"name", "fps", "seed", "truth", "usual", "counted"} == set(row)
    assert {arm.key for arm in counting.ARMS} == set(row["counted"])
    assert row["truth"] == row["counted"]["ours"]
