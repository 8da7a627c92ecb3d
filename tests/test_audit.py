"""The audit: matching counts with a truth, and reading the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audit import AuditResult, Event, load_truth, match
from edge.errors import DataError
from edge.types import Crossing, Direction
from tests.conftest import ROOT, headcount

IN, OUT = Direction.IN, Direction.OUT
FPS = 10.0  # half a second is five frames

TRUTH: dict[str, Any] = {
    "fps": 10.0,
    "lines": [{"id": "L1", "a": [0, 0.5], "b": [1, 0.5], "in_side": [0.5, 0.9]}],
}
EVENTS = """event,line,frame,time_s,direction,frame_lo,frame_hi,optional,note
1,L1,20,2.0,in,18,24,0,"a person, tall"
2,L1,40,4.0,out,38,41,1,
"""


def event(
    frame: int, direction: Direction = IN, *, optional: bool = False, line: str = "L1"
) -> Event:
    return Event(line, direction, frame, frame - 2, frame + 2, optional)


def crossing(frame: int, direction: Direction = IN, line: str = "L1") -> Crossing:
    return Crossing(line, direction, frame, frame / FPS, 1, 1.0, 0.9)


def tally(result: AuditResult) -> tuple[int, int, int]:
    told = result.to_json()
    return told["tp"], told["fn"], told["fp"]


@pytest.mark.parametrize(
    ("events", "crossings", "expected"),
    [
        pytest.param([event(20)], [crossing(20)], (1, 0, 0), id="found"),
        pytest.param([event(20)], [], (0, 1, 0), id="missed"),
        pytest.param([], [crossing(20)], (0, 0, 1), id="false"),
        pytest.param([event(20)], [crossing(27)], (1, 0, 0), id="half a second late"),
        pytest.param([event(20)], [crossing(28)], (0, 1, 1), id="later"),
        pytest.param([event(20)], [crossing(13)], (1, 0, 0), id="half a second early"),
        pytest.param([event(20)], [crossing(12)], (0, 1, 1), id="earlier"),
        pytest.param([event(20)], [crossing(20, OUT)], (0, 1, 1), id="other way"),
        pytest.param([event(20)], [crossing(20, line="L2")], (0, 1, 1), id="other line"),
        pytest.param([event(20)], [crossing(19), crossing(21)], (1, 0, 1), id="counted twice"),
        pytest.param([event(20)] * 2, [crossing(20)] * 2, (2, 0, 0), id="two abreast"),
        pytest.param([event(20)] * 2, [crossing(20)], (1, 1, 0), id="one of two abreast"),
        pytest.param(
            [event(20), event(26)], [crossing(25), crossing(14)], (2, 0, 0), id="not the nearest"
        ),
        pytest.param([event(20, optional=True)], [crossing(20)], (0, 0, 0), id="optional, counted"),
        pytest.param([event(20, optional=True)], [], (0, 0, 0), id="optional, not counted"),
        pytest.param(
            [event(20, optional=True), event(21)], [crossing(20)], (1, 0, 0), id="required first"
        ),
        pytest.param(
            [event(20, optional=True), event(26)],
            [crossing(14), crossing(21)],
            (1, 0, 0),
            id="optional takes what is left",
        ),
    ],
)
def test_matching(
    events: list[Event], crossings: list[Crossing], expected: tuple[int, int, int]
) -> None:
    """(found, missed, false) by the rule: line, way, window, one to one, as many as possible."""
    assert expected == tally(match(events, crossings, FPS))
    assert expected == tally(match(events[::-1], crossings[::-1], FPS))


def brute_force(events: Sequence[Event], crossings: Sequence[Crossing]) -> tuple[int, int]:
    """The most required events, and with them the most of all, that any matching reaches."""
    best = (0, 0)
    for chosen in product([None, *range(len(events))], repeat=len(crossings)):
        taken = [i for i in chosen if i is not None]
        fits = all(
            i is None
            or (
                events[i].direction is crossing.direction
                and events[i].frame_lo - 5 <= crossing.frame <= events[i].frame_hi + 5
            )
            for i, crossing in zip(chosen, crossings, strict=True)
        )
        if fits and len(taken) == len(set(taken)):
            best = max(best, (sum(not events[i].optional for i in taken), len(taken)))
    return best


frames, ways = st.integers(0, 40), st.sampled_from(Direction)


@given(
    st.lists(
        st.builds(lambda f, d, o: event(f, d, optional=o), frames, ways, st.booleans()), max_size=4
    ),
    st.lists(st.builds(crossing, frames, ways), max_size=4),
)
def test_no_other_matching_finds_more(events: list[Event], crossings: list[Crossing]) -> None:
    """Required events first, then as many as possible; the sums add up."""
    result = match(events, crossings, FPS)
    tp, fn, fp = tally(result)
    told = result.to_json()

    assert brute_force(events, crossings) == (tp, len(crossings) - fp)
    assert tp + fn == sum(not each.optional for each in events)
    for key in ("tp", "fn", "fp"):
        assert told[key] == told["in"][key] + told["out"][key]
        assert told[key] == sum(line[key] for line in told["lines"].values())
    assert (fn, fp) == (len(told["missed"]), len(told["false"]))


def test_the_json_tells_what_was_missed_and_what_was_false() -> None:
    """With line, direction and frame; it is JSON."""
    result = match([event(20), event(60, OUT)], [crossing(21), crossing(40, OUT)], FPS)

    assert {
        "tp": 1,
        "fn": 1,
        "fp": 1,
        "precision": 0.5,
        "recall": 0.5,
        "in": {"tp": 1, "fn": 0, "fp": 0},
        "out": {"tp": 0, "fn": 1, "fp": 1},
        "lines": {"L1": {"tp": 1, "fn": 1, "fp": 1}},
        "missed": [{"line": "L1", "direction": "out", "frame": 60}],
        "false": [{"line": "L1", "direction": "out", "frame": 40}],
    } == json.loads(json.dumps(result.to_json()))


def test_nothing_counted_has_no_precision() -> None:
    """And nothing true has no recall: neither is a zero."""
    nothing = match([event(20)], [], FPS).to_json()

    assert (None, 0) == (nothing["precision"], nothing["recall"])
    assert None is match([], [crossing(20)], FPS).to_json()["recall"]


def write(folder: Path, truth: object = TRUTH, events: str | None = EVENTS) -> Path:
    path = folder / "door.json"
    path.write_text(truth if isinstance(truth, str) else json.dumps(truth))
    if events is not None:
        (folder / "door_events.csv").write_text(events)
    return path


def test_a_truth_is_read_with_the_events_beside_it(tmp_path: Path) -> None:
    """Lines, events and rate, as written."""
    truth = load_truth(write(tmp_path))

    assert 10.0 == truth.fps
    assert [("L1", (0.0, 0.5), (0.5, 0.9))] == [(x.name, x.a, x.in_side) for x in truth.lines]
    assert (
        Event("L1", IN, 20, 18, 24, optional=False),
        Event("L1", OUT, 40, 38, 41, optional=True),
    ) == truth.events


LINE = TRUTH["lines"][0]


@pytest.mark.parametrize(
    ("truth", "events", "message"),
    [
        pytest.param("{", EVENTS, "door.json: cannot be read", id="not JSON"),
        pytest.param([1], EVENTS, "door.json: needs fps and lines", id="a list"),
        pytest.param({"fps": 10}, EVENTS, "'lines'", id="no lines"),
        pytest.param({**TRUTH, "lines": []}, EVENTS, "needs a line", id="empty lines"),
        pytest.param({**TRUTH, "fps": 0}, EVENTS, "fps above 0", id="no rate"),
        pytest.param({**TRUTH, "lines": [{**LINE, "a": [0]}]}, EVENTS, "needs", id="no point"),
        pytest.param(
            {**TRUTH, "lines": [{**LINE, "a": [0, float("nan")]}]}, EVENTS, "is no point", id="nan"
        ),
        pytest.param(
            {**TRUTH, "lines": [{**LINE, "b": [0, 0.5]}]}, EVENTS, "has no length", id="no length"
        ),
        pytest.param(
            {**TRUTH, "lines": [{**LINE, "in_side": [0.3, 0.5]}]},
            EVENTS,
            "on the line",
            id="no side",
        ),
        pytest.param({**TRUTH, "lines": [LINE, LINE]}, EVENTS, "a name of its own", id="twice"),
        pytest.param(TRUTH, None, "door_events.csv: no such file", id="no events"),
        pytest.param(TRUTH, EVENTS.replace("out,", "up,"), "events.csv:3: ", id="no direction"),
        pytest.param(TRUTH, EVENTS.replace("20,2.0", "x,2.0"), "events.csv:2: ", id="no frame"),
        pytest.param(TRUTH, EVENTS.replace("2,L1", "2,L9"), "'L9' is not in", id="no such line"),
        pytest.param(TRUTH, EVENTS.replace("18,24", "21,24"), "must lie from", id="window"),
        pytest.param(TRUTH, "line,frame\nL1,3\n", "events.csv:2: ", id="no columns"),
    ],
)
def test_a_wrong_truth_is_refused(
    tmp_path: Path, truth: object, events: str | None, message: str
) -> None:
    """In one line that names the file and what is wrong."""
    with pytest.raises(DataError, match=message) as caught:
        load_truth(write(tmp_path, truth, events))

    assert "\n" not in str(caught.value)


def test_a_counted_recording_is_a_draft_of_its_truth(tmp_path: Path, scene_video: Path) -> None:
    """As docs/counting.md says: `replay --events` beside the page's truth.json can be audited."""
    page = (ROOT / "docs" / "counting.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(\{.*\})\n```$", page, re.MULTILINE)
    (tmp_path / "truth.json").write_text(example.replace("25.0", "10.0"))
    line = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")
    drafted = headcount("replay", scene_video, *line, "--events", tmp_path / "truth_events.csv")
    truth = load_truth(tmp_path / "truth.json")

    assert 0 == drafted.code, drafted.err
    assert [IN, OUT, IN, IN] == [event.direction for event in truth.events]
    assert all(event.frame_lo == event.frame == event.frame_hi for event in truth.events)


def test_a_missing_truth_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(DataError, match=r"nowhere\.json: no such truth file"):
        load_truth(tmp_path / "nowhere.json")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "ins", "outs", "optional"),
    [
        ("intel_one_by_one", 6, 6, 0),
        ("opencv_vtest_480x360", 20, 15, 2),
        ("footfall_overhead", 2, 2, 1),
        ("bus_overhead", 7, 7, 2),
    ],
)
def test_the_recorded_truths_are_read_whole(
    data: Path, name: str, ins: int, outs: int, optional: int
) -> None:
    """As many events as their authors counted; the truth scores itself without an error."""
    truth = load_truth(data / "gt" / f"{name}.json")
    required = [each for each in truth.events if not each.optional]
    ideal = [crossing(each.frame, each.direction, each.line) for each in truth.events]

    assert optional == len(truth.events) - len(required)
    assert (ins, outs) == tuple(sum(x.direction is way for x in required) for way in (IN, OUT))
    assert (ins + outs, 0, 0) == tally(match(truth.events, ideal, truth.fps))
