"""The line counter: scripted walks, and what must hold for any walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import CallError
from edge.line import LineCounter, LineQuality, LineSettings
from edge.types import Crossing, Direction, Line, Point, Track, TrackUpdate

SIDE = 0.1  # of a head; the picture is square, the band 0.05 wide on each side of the line
LINE = Line("door", (0.2, 0.5), (0.8, 0.5), in_side=(0.5, 0.9))
DEFERRED = LineSettings("deferred")
FPS = 10.0


def track(
    anchor: Point,
    number: int = 1,
    *,
    origin: Point = (0.5, 0.3),
    confirmed: bool = True,
    seen: bool = True,
) -> Track:
    x, y = anchor
    box = (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)
    return Track(number, box, anchor, origin, 1.0, confirmed, seen, 0.8)


def walk(
    places: Sequence[Point],
    settings: LineSettings | None = None,
    *,
    line: Line = LINE,
    confirmed_at: int = 0,
    end: Point | None = None,
    counter: LineCounter | None = None,
    number: int = 1,
    start: int = 0,
) -> list[Crossing]:
    """One person seen at each place in turn, whose track then ends, there or at `end`."""
    counter = counter or LineCounter([line], settings or LineSettings(), 1.0)
    crossings: list[Crossing] = []
    for index, place in enumerate(places, start):
        now = track(place, number, origin=places[0], confirmed=index - start >= confirmed_at)
        crossings += counter.update(TrackUpdate((now,)), index, index / FPS)
    confirmed = len(places) > confirmed_at
    gone = track(end or places[-1], number, origin=places[0], confirmed=confirmed, seen=False)
    index = start + len(places)
    return [*crossings, *counter.update(TrackUpdate((), (gone,)), index, index / FPS)]


def down(*ys: float, x: float = 0.5) -> list[Point]:
    return [(x, y) for y in ys]


def told(crossings: Sequence[Crossing]) -> str:
    """`io` is one in, then one out."""
    return "".join(crossing.direction.value[0] for crossing in crossings)


WALKS = [
    pytest.param(down(0.3, 0.4, 0.6, 0.7), "i", "i", id="in"),
    pytest.param(down(0.7, 0.6, 0.4, 0.3), "o", "o", id="out"),
    pytest.param(down(0.3, 0.4, 0.6, 0.7, 0.6, 0.4, 0.3), "io", "", id="u-turn"),
    pytest.param(down(0.3, 0.7, 0.7, 0.3, 0.3, 0.7, 0.7), "ioi", "i", id="thrice"),
    pytest.param(down(0.3, 0.4, 0.51, 0.49, 0.54, 0.4, 0.3), "", "", id="peeks over"),
    pytest.param(down(0.3, 0.45, 0.52, 0.48, 0.53, 0.47, 0.6, 0.7), "i", "i", id="trembles on it"),
    pytest.param(down(0.49, 0.51, 0.5, 0.48, 0.52), "", "", id="never leaves the band"),
    pytest.param(down(0.6, 0.7, 0.56, 0.9), "", "", id="stays inside"),
    pytest.param(down(0.3, 0.6, 0.3), "", "", id="one errant box"),
    pytest.param(down(0.3, 0.4, 0.5, 0.6, 0.7), "i", "i", id="exactly on the line between"),
    pytest.param(down(0.3, 0.45, 0.52, 0.53), "i", "i", id="lost just past the line"),
    pytest.param(down(0.3, 0.45, 0.49), "", "", id="lost just before the line"),
    pytest.param(down(0.47, 0.52, 0.56, 0.6), "i", "i", id="born just before the line"),
    pytest.param(down(0.53, 0.6, 0.7), "", "", id="born just past the line"),
    pytest.param(down(0.48, 0.52, 0.52), "", "", id="tremble that ends past the line"),
    pytest.param(down(0.3, 0.4, 0.6, 0.7, x=0.9), "", "", id="beside the line"),
    pytest.param(down(0.3, 0.4, 0.6, 0.7, x=0.82), "i", "i", id="touches the end of the line"),
    pytest.param(
        [(0.5, 0.3), (0.95, 0.3), (0.95, 0.7), (0.95, 0.7), (0.5, 0.7), (0.5, 0.3), (0.5, 0.3)],
        "o",
        "o",
        id="round the end, back through",
    ),
]


@pytest.mark.parametrize(("places", "immediate", "deferred"), WALKS)
def test_scripted_walks(places: list[Point], immediate: str, deferred: str) -> None:
    """Immediate counts each certain crossing, deferred the net of a track."""
    assert immediate == told(walk(places))
    assert deferred == told(walk(places, DEFERRED))
    assert immediate == told(walk(places, LineSettings("deferred", u_turns=True)))


def test_a_crossing_tells_when_the_line_was_passed() -> None:
    """Frame and time are those of the passage, however late the verdict comes."""
    slow = down(0.3, 0.42, 0.46, 0.49, 0.51, 0.52, 0.53, 0.54, 0.58, 0.62)
    (now,), (later,) = walk(slow, start=100), walk(slow, DEFERRED, start=100)

    assert now == later
    assert ("door", Direction.IN, 104) == (now.line, now.direction, now.frame)
    assert pytest.approx(10.35) == now.t
    assert pytest.approx(0.8) == now.confidence


def test_immediate_waits_for_two_looks_and_deferred_for_the_end() -> None:
    """When the crossing is told, not when it was."""
    places = down(0.3, 0.4, 0.6, 0.7, 0.8)

    def frames(mode: LineSettings) -> list[int]:
        counter = LineCounter([LINE], mode, 1.0)
        return [
            index
            for index, place in enumerate(places)
            if counter.update(TrackUpdate((track(place),)), index, index / FPS)
        ]

    assert [3] == frames(LineSettings())
    assert [] == frames(DEFERRED)


@pytest.mark.parametrize("confirmed_at", range(6))
def test_late_confirmation_loses_no_crossing(confirmed_at: int) -> None:
    """A crossing before the confirmation is told with it; the frame stays that of the passage."""
    crossings = walk(down(0.3, 0.4, 0.6, 0.7, 0.8, 0.85), confirmed_at=confirmed_at)

    assert [(Direction.IN, 2)] == [(each.direction, each.frame) for each in crossings]


def test_who_is_never_confirmed_never_counts() -> None:
    """Clutter that jumps over the line is no person."""
    assert [] == walk(down(0.3, 0.4, 0.6, 0.7), confirmed_at=99)


def test_a_hidden_track_decides_nothing() -> None:
    """Predicted places are no looks: who hides before the line may turn back there."""
    counter = LineCounter([LINE], LineSettings(), 1.0)
    updates = [track((0.5, y)) for y in (0.3, 0.4)]
    updates += [track((0.5, y), seen=False) for y in (0.5, 0.6, 0.7)]
    updates += [track((0.5, y)) for y in (0.4, 0.3)]
    crossings = [
        c
        for i, each in enumerate(updates)
        for c in counter.update(TrackUpdate((each,)), i, i / FPS)
    ]

    assert [] == [*crossings, *counter.finish()]


def test_who_leaves_the_picture_beyond_the_line_has_crossed() -> None:
    """Even from the near side of the line, if the tracker saw the person go out there."""
    line = Line("edge", (0.92, 0.0), (0.92, 1.0), in_side=(0.5, 0.5))
    way = [(0.6, 0.5), (0.7, 0.5), (0.8, 0.5), (0.9, 0.5)]

    assert [] == walk(way, line=line)
    assert [(Direction.OUT, 3)] == [
        (each.direction, each.frame) for each in walk(way, line=line, end=(1.2, 0.5))
    ]


def test_a_narrow_room_beyond_the_line_suffices() -> None:
    """Beside the edge the band shrinks with the room that a whole head has there."""
    line = Line("edge", (0.87, 0.0), (0.87, 1.0), in_side=(0.5, 0.5))
    way = [(0.7, 0.5), (0.8, 0.5), (0.91, 0.5), (0.92, 0.5)]
    counter = LineCounter([line], LineSettings(), 1.0)
    crossings = [
        c
        for i, p in enumerate(way)
        for c in counter.update(TrackUpdate((track(p, origin=way[0]),)), i, i / FPS)
    ]

    assert "o" == told(crossings)


def test_a_better_known_origin_corrects_the_first_side() -> None:
    """Cut by the edge at first, the person turns out to have come from beyond the line."""
    counter = LineCounter([LINE], LineSettings(), 1.0)
    crossings: list[Crossing] = []
    for index, (y, origin) in enumerate([(0.58, 0.58), (0.6, 0.5), (0.65, 0.4), (0.7, 0.3)]):
        now = track((0.5, y), origin=(0.5, origin))
        crossings += counter.update(TrackUpdate((now,)), index, index / FPS)

    assert [(Direction.IN, 0)] == [(each.direction, each.frame) for each in crossings]


def test_the_end_of_the_stream_decides_on_all_who_are_in_view() -> None:
    """`finish` treats them as ended, once."""
    for mode in (LineSettings(), DEFERRED):
        counter = LineCounter([LINE], mode, 1.0)
        for index, y in enumerate((0.3, 0.45, 0.52, 0.53)):
            both = (track((0.4, y), 1), track((0.6, y), 2))

            assert () == counter.update(TrackUpdate(both), index, index / FPS)

        assert "ii" == told(counter.finish())
        assert () == counter.finish()


def test_each_line_counts_for_itself() -> None:
    """One walk over two lines is one crossing of each; they are independent."""
    lines = [
        LINE,
        Line("second", (0.0, 0.7), (1.0, 0.7), in_side=(0.5, 0.1)),
        Line("slanted", (0.0, 0.0), (1.0, 0.6), in_side=(0.0, 1.0)),
    ]
    counter = LineCounter(lines, LineSettings(), 1.0)
    crossings = walk(down(0.1, 0.2, 0.4, 0.6, 0.8, 0.9), counter=counter)

    assert [("slanted", "in"), ("door", "in"), ("second", "out")] == [
        (each.line, each.direction) for each in crossings
    ]


def test_quality_tells_of_people_born_past_the_line() -> None:
    """First seen in mid-picture beside the line and walking away: an entry that nobody saw."""
    counter = LineCounter([LINE], LineSettings(), 1.0)
    walk(down(0.56, 0.6, 0.7, 0.8), counter=counter, number=1)
    walk(down(0.8, 0.7, 0.6, 0.56), counter=counter, number=2)
    walk(down(0.96, 0.9, 0.8), counter=counter, number=3)
    walk(down(0.3, 0.4, 0.6, 0.8), counter=counter, number=4)

    assert {"door": LineQuality(born_past=1)} == counter.quality


def test_quality_tells_of_people_lost_in_the_band() -> None:
    """People who stop on the line and are lost there: the line should be moved."""
    counter = LineCounter([LINE], LineSettings(), 1.0)
    walk(down(0.3, 0.4, 0.48), counter=counter, number=1)
    walk(down(0.3, 0.4, 0.6, 0.7), counter=counter, number=2)

    assert {"door": LineQuality(undecided=1)} == counter.quality


def test_quality_tells_of_people_who_stand_on_the_line() -> None:
    """After three seconds in the band, once each, while they still stand there."""
    counter = LineCounter([LINE], LineSettings(), 1.0)
    for index in range(40):
        now = TrackUpdate((track((0.5, 0.49), 1), track((0.5, 0.2), 2)))
        counter.update(now, index, index / FPS)

        assert (index / FPS >= 3) == counter.quality["door"].dwelled


IMMEDIATE_NET = LineSettings("immediate", u_turns=False)


def test_immediate_without_u_turns_waits_for_a_way_back() -> None:
    """Who goes in is told three seconds later; who comes back within them never was in."""
    there = down(0.3, 0.4, 0.6, 0.7)
    stays = [*there, *down(*[0.7] * 40)]
    counter = LineCounter([LINE], IMMEDIATE_NET, 1.0)
    told_at = [
        index
        for index, place in enumerate(stays)
        if counter.update(TrackUpdate((track(place, origin=stays[0]),)), index, index / FPS)
    ]

    assert [pytest.approx(1.5 + 3 * FPS, abs=1)] == told_at
    assert "" == told(walk([*there, *down(0.6, 0.4, 0.3, 0.2)], IMMEDIATE_NET))
    assert "i" == told(walk(there, IMMEDIATE_NET))
    assert "io" == told(walk([*stays, *down(0.6, 0.4, 0.3, 0.2)], IMMEDIATE_NET))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([replace(LINE, b=LINE.a)], "line 'door' has no length", id="no length"),
        pytest.param([replace(LINE, in_side=(0.9, 0.5))], "lies on the line", id="in side on it"),
        pytest.param([LINE, LINE], "a name of its own", id="one name twice"),
    ],
)
def test_lines_that_cannot_count_are_refused(lines: list[Line], message: str) -> None:
    """At once, as a wrong call."""
    with pytest.raises(CallError, match=message):
        LineCounter(lines, LineSettings(), 1.0)


ways = st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)), min_size=1, max_size=30)
modes = st.sampled_from(
    [LineSettings(), DEFERRED, LineSettings("deferred", u_turns=True), IMMEDIATE_NET]
)


def events(crossings: Sequence[Crossing]) -> list[tuple[str, int]]:
    return [(each.direction.value, each.frame) for each in crossings]


@given(ways, modes)
def test_the_other_in_side_swaps_in_and_out(way: list[Point], mode: LineSettings) -> None:
    """And changes nothing else."""
    swapped = walk(way, mode, line=replace(LINE, in_side=(0.5, 0.1)))
    other = {"in": "out", "out": "in"}

    assert [(other[name], frame) for name, frame in events(walk(way, mode))] == events(swapped)


# coordinates that floating point mirrors exactly
dyadic = st.integers(100, 924).map(lambda n: n / 1024)
exact_ways = st.lists(st.tuples(dyadic, dyadic), min_size=1, max_size=30)
MIDDLE = Line("door", (0.25, 0.5), (0.75, 0.5), in_side=(0.5, 0.75))


@given(exact_ways, modes)
def test_a_line_drawn_from_the_other_end_counts_alike(way: list[Point], mode: LineSettings) -> None:
    """The in side gives the direction, not the order of a and b."""
    turned = replace(MIDDLE, a=MIDDLE.b, b=MIDDLE.a)

    assert events(walk(way, mode, line=MIDDLE)) == events(walk(way, mode, line=turned))


@given(exact_ways, modes)
def test_a_mirrored_picture_counts_alike(way: list[Point], mode: LineSettings) -> None:
    """Left and right are the same to a line in the middle."""
    mirrored = [(1 - x, y) for x, y in way]

    assert events(walk(way, mode, line=MIDDLE)) == events(walk(mirrored, mode, line=MIDDLE))


@given(ways, modes)
def test_in_and_out_of_one_person_differ_by_one_at_most(
    way: list[Point], mode: LineSettings
) -> None:
    """Over a line as wide as the picture nobody goes in twice without going out between."""
    line = replace(LINE, a=(-1.0, 0.5), b=(2.0, 0.5))
    directions = told(walk(way, mode, line=line))

    assert "ii" not in directions
    assert "oo" not in directions


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 1)), min_size=1, max_size=30), modes)
def test_who_never_leaves_one_side_never_counts(way: list[Point], mode: LineSettings) -> None:
    """Whatever the walk."""
    assert [] == walk(way, mode)


@given(
    st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.46, 0.54)), min_size=1, max_size=30), modes
)
def test_who_never_leaves_the_band_never_counts_while_followed(
    way: list[Point], mode: LineSettings
) -> None:
    """A poster on the line counts nothing, however it trembles, until it is taken away."""
    counter = LineCounter([LINE], mode, 1.0)
    for index, place in enumerate(way):
        now = track(place, origin=way[0])

        assert () == counter.update(TrackUpdate((now,)), index, index / FPS)


@given(ways, st.integers(0, 10**6), st.integers(2, 10**9))
def test_clock_and_ids_may_start_anywhere(way: list[Point], start: int, number: int) -> None:
    """Frames shift with the start; ids only label."""
    shifted = walk(way, start=start, number=number)

    assert events(walk(way)) == [(name, frame - start) for name, frame in events(shifted)]
    assert {number} >= {each.track for each in shifted}


@settings(max_examples=30)
@given(st.lists(ways, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_people_do_not_disturb_each_other(walks: list[list[Point]], random: object) -> None:
    """Many at once count as each alone would, in whatever order the tracks come."""
    length = min(map(len, walks))
    people = [way[:length] for way in walks]
    counter = LineCounter([LINE], LineSettings(), 1.0)
    together: list[Crossing] = []
    for index in range(length):
        tracks = [track(way[index], i, origin=way[0]) for i, way in enumerate(people)]
        random.shuffle(tracks)  # type: ignore[attr-defined]
        together += counter.update(TrackUpdate(tuple(tracks)), index, index / FPS)
    together += counter.finish()
    alone = [each for i, way in enumerate(people) for each in walk(way, number=i)]

    def key(each: Crossing) -> tuple[int, int, str]:
        return each.track, each.frame, each.direction.value

    assert sorted(map(key, alone)) == sorted(map(key, together))
