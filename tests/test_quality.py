"""The meter and the tally: what was seen of how the count came about, in figures that add up."""

from __future__ import annotations

import datetime
import json
import zoneinfo
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.detections import Detections
from edge.contract.quality import COVERED, DOUBTS, OK, Quality
from edge.ledger import Ledger
from edge.line import LineQuality
from edge.periods import hour_of, quarter_of
from edge.pipeline import Step
from edge.quality import GAP_S, QualityMeter
from edge.tally import Tally
from edge.types import Frame, Point, Sighting, Track, TrackUpdate
from edge.view import View

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=UTC)
NEVER_SET = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SIDE = 0.1  # of a head
BLANK = np.full((48, 64, 3), 90, np.uint8)
EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def track(anchor: Point, number: int = 1, *, seen: bool = True, confirmed: bool = True) -> Track:
    x, y = anchor
    box = (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)
    return Track(number, box, anchor, anchor, 1.0, confirmed, seen, 0.8)


def step(active: Sequence[Track] = (), ended: Sequence[Track] = ()) -> Step:
    sighting = Sighting(Frame(BLANK, 0, 0.0), EMPTY, 1.0)
    return Step(sighting, TrackUpdate(tuple(active), tuple(ended)), ())


def meter() -> QualityMeter:
    return QualityMeter(1.0, None, 0.0)


def walked(*places: Point | None, confirmed: bool = True) -> Quality:
    """The figures after one person, seen at each place in turn or hidden, has left."""
    measured = meter()
    last = (0.5, 0.5)
    for n, place in enumerate(places):
        last = place or last
        measured.note(step([track(last, seen=place is not None)]), {}, n / 10)
    measured.note(step(ended=[track(last, seen=False, confirmed=confirmed)]), {}, 9.9)
    return measured.reading(9.9)


def down(*ys: float | None) -> list[Point | None]:
    return [None if y is None else (0.5, y) for y in ys]


@pytest.mark.parametrize(
    ("ys", "fast"),
    [
        ((0.1, 0.22, 0.34, 0.46, 0.58), 1),
        ((0.1, 0.22, 0.34), 1),
        ((0.1, 0.15, 0.20, 0.25, 0.30), 0),
        ((0.1, 0.15, 0.45, 0.50, 0.55), 0),
        ((0.1, 0.4, 0.45), 0),
        ((0.1, 0.5), 0),
        ((0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.22, 0.34), 1),
        ((0.1, 0.15, None, 0.35, 0.4), 0),
    ],
    ids=["runs", "runs by", "walks", "one jump", "half a jump", "two looks", "waits", "hidden"],
)
def test_who_moves_too_far_between_two_pictures_is_fast(
    ys: tuple[float | None, ...], fast: int
) -> None:
    """More than a head's size in most steps; a single jump of a box, and a gap, is none."""
    figures = walked(*down(*ys))

    assert (1, fast) == (figures.people, figures.fast)
    assert ("low" if fast else "ok") == figures.rate


def test_what_never_became_a_person_is_none() -> None:
    """A track that was never sure is neither a person nor fast."""
    figures = walked(*down(0.1, 0.3, 0.5, 0.7), confirmed=False)

    assert (0, 0) == (figures.people, figures.fast)


def test_tracks_that_live_at_the_end_are_people_too() -> None:
    """The last picture ends them."""
    measured = meter()
    for n, y in enumerate((0.1, 0.3, 0.5, 0.7)):
        measured.note(step([track((0.5, y))]), {}, n / 10)
    before = measured.reading(0.3).people
    measured.end({"door": LineQuality(undecided=1)})
    after = measured.reading(0.3)

    assert (0, 1, 1, 1) == (before, after.people, after.fast, after.undecided)


@pytest.mark.parametrize(
    ("times", "until", "coverage"),
    [
        ([n / 10 for n in range(101)], 10.0, 1.0),
        ([float(n) for n in range(11)], 10.0, 1.0),
        ([5 + n / 10 for n in range(51)], 10.0, 0.5),
        ([n / 10 for n in range(11)], 10.0, 0.2),
        ([*(n / 10 for n in range(21)), *(8 + n / 10 for n in range(21))], 10.0, 0.5),
        ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 10.0, 0.5),
        ([], 10.0, 0.0),
        ([0.0], 0.0, 1.0),
    ],
    ids=["all", "slow", "late", "early", "gap", "too slow", "none", "no time"],
)
def test_coverage_is_the_time_in_which_pictures_were_counted(
    times: list[float], until: float, coverage: float
) -> None:
    """A gap is covered for a second and no longer; nothing is before the first picture."""
    measured = meter()
    for t in times:
        measured.note(step(), {}, t)

    assert coverage == pytest.approx(measured.reading(until).coverage)


def test_the_lines_figures_add_up() -> None:
    """Over all lines, and from their own start on, whatever was read before."""
    measured = meter()
    one, two = LineQuality(born_past=1, undecided=2, dwelled=3), LineQuality(born_past=4)
    measured.note(step(), {"a": one}, 0.0)
    before = measured.reading(0.0)
    measured.note(step(), {"a": one, "b": two}, 0.1)
    figures = measured.reading(0.1)

    assert (5, 2, 3) == (figures.born_past, figures.undecided, figures.dwelled)
    assert (4, 0, 0) == (
        (later := figures - before).born_past,
        later.undecided,
        later.dwelled,
    )


def test_seconds_of_a_blind_camera_are_counted() -> None:
    """From the moment on that it is told: here after five looks at nothing."""
    measured = QualityMeter(4 / 3, View(can_freeze=True), 0.0)
    for n in range(101):
        measured.note(step(), {}, n / 10)
    figures = measured.reading(10.0)

    assert COVERED == figures.camera == measured.camera
    assert 6.0 == pytest.approx(figures.covered_s)
    assert ("camera",) == figures.doubts


COUNT = st.integers(0, 1000)
TIME = st.floats(0, 1e6)
FIGURES = st.builds(Quality, TIME, TIME, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, TIME, TIME, TIME)


@given(FIGURES, FIGURES)
def test_figures_add_up_and_stay_what_they_are(one: Quality, two: Quality) -> None:
    """A sum has the doubts' words in their order and a coverage of 0 to 1, and goes over JSON."""
    both = one + two
    told = json.loads(json.dumps(both.to_json()))
    read = Quality.from_json({**told, "of_a_later_version": 1})

    assert 0 <= both.coverage <= 1
    assert list(both.doubts) == [word for word in DOUBTS if word in both.doubts]
    assert told == read.to_json()
    assert one.people == (both - two).people
    assert both.seconds == pytest.approx((two + one).seconds)


@pytest.mark.parametrize("value", [-1, True, "2", None, 1.5, float("nan"), 10**400])
def test_what_is_no_figure_is_refused(value: object) -> None:
    """Not taken for zero."""
    with pytest.raises(ValueError, match="people"):
        Quality.from_json({"people": value})


@pytest.mark.parametrize(
    ("figures", "doubts"),
    [
        (Quality(900, 900, 9000, people=100), ()),
        (Quality(900, 892, 9000, people=100), ()),
        (Quality(900, 890, 9000, people=100), ("coverage",)),
        (Quality(900, 900, 9000, people=100, fast=4, dwelled=4, born_past=4, undecided=4), ()),
        (Quality(900, 900, 9000, people=100, fast=5, undecided=5), ("rate", "undecided")),
        (Quality(900, 900, 9000, people=3, dwelled=1, born_past=1), ("dwelling", "born_past")),
        (Quality(900, 900, 9000, dark_s=1), ("camera",)),
        (Quality(900, 900, 3500), ("rate",)),
        (Quality(900, 5, 10), ("coverage",)),
        (Quality(), ()),
    ],
    ids=[
        "well",
        "9 s",
        "10 s",
        "4 %",
        "5 %",
        "few",
        "dark",
        "slow",
        "too short to be slow",
        "nothing",
    ],
)
def test_a_count_that_may_be_wrong_says_so(figures: Quality, doubts: tuple[str, ...]) -> None:
    """Each doubt from its own threshold on: a hundredth of the time, one in twenty people."""
    assert doubts == figures.doubts


def test_the_tally_is_of_the_quarter_that_it_is(ledger: Ledger) -> None:
    """At its end the figures begin anew; a quarter that began without us is not covered."""
    tally = Tally(meter(), ledger, 0.0)
    begun = NOON + timedelta(minutes=10)  # 300 s before a quarter ends
    told = {}
    for n in range(0, 6001):
        t = n / 10
        tally.note(
            step(), {"door": LineQuality(born_past=n // 1000)}, begun + timedelta(seconds=t), t
        )
        told[t] = tally.latest.quality

    assert 1 / 3 == pytest.approx(told[299.0].coverage, abs=0.01)
    assert 2 == told[299.0].born_past
    assert 1.0 == pytest.approx(told[600.0].coverage)
    assert 300.0 == pytest.approx(told[600.0].seconds)
    assert 4 == told[600.0].born_past  # of 6, of which two were in the quarter before


def test_a_doubt_that_comes_is_news_and_a_figure_is_not(ledger: Ledger) -> None:
    """`note` tells when what is published has changed in words."""
    tally = Tally(meter(), ledger, 0.0)
    news = []
    for n in range(0, 200, 5):
        line = LineQuality(born_past=1 if n >= 100 else 0)
        if tally.note(step(), {"door": line}, NOON + timedelta(seconds=n / 20), n / 20):
            news.append((n, tally.latest.words))

    assert [(100, (OK, "born_past"))] == news
    assert ["born_past"] == tally.latest.at(9.75)["doubts"]


def test_a_reading_grows_old_by_itself(ledger: Ledger) -> None:
    """Without pictures coverage falls, second by second, though nobody measures."""
    tally = Tally(meter(), ledger, 0.0)
    for n in range(101):
        tally.note(step(), {}, NOON + timedelta(seconds=n / 10), n / 10)

    assert 1.0 == tally.latest.at(10.0)["coverage"]
    assert (11 / 20) == tally.latest.at(20.0)["coverage"]
    assert ["coverage"] == tally.latest.at(20.0)["doubts"]


def test_without_a_clock_the_figures_are_those_since_the_start(ledger: Ledger) -> None:
    """And when it is set, they are of that quarter."""
    tally = Tally(meter(), ledger, 0.0)
    line = {"door": LineQuality(undecided=1)}
    for n in range(0, 1201):
        tally.note(step(), line, NEVER_SET + timedelta(seconds=n), float(n))
    unset = tally.latest.quality
    tally.note(step(), line, NOON + timedelta(minutes=5), 1201.0)
    is_set = tally.latest.quality

    assert (1200.0, 1.0, 1) == (unset.seconds, unset.coverage, unset.undecided)
    assert (300.0, 1.0, 1) == (is_set.seconds, is_set.coverage, is_set.undecided)


MOMENTS = st.integers(int(NOON.timestamp()) - 10**8, int(NOON.timestamp()) + 10**8).map(
    lambda s: datetime.datetime.fromtimestamp(s, UTC)
)


def zone(name: str) -> datetime.tzinfo:
    return zoneinfo.ZoneInfo(name)


ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")


@given(MOMENTS, st.sampled_from(ZONES))
@settings(max_examples=300)
def test_hours_are_whole_quarters_and_leave_no_moment_out(
    moment: datetime.datetime, name: str
) -> None:
    """Each moment lies in one quarter, that in one hour, and the next hour begins at its end."""
    quarter, hour = quarter_of(moment), hour_of(moment, zone(name))
    starts = [hour.start + n * timedelta(minutes=15) for n in range(int(hour.seconds // 900))]
    after = hour_of(hour.end, zone(name))

    assert quarter.start <= moment < quarter.end
    assert hour.start <= quarter.start < quarter.end <= hour.end
    assert {hour} == {hour_of(start, zone(name)) for start in starts}
    assert hour.end == after.start
    assert hour.seconds in (1800, 3600)


@pytest.mark.parametrize(
    ("moment", "name", "start", "end"),
    [
        ("2026-11-20T12:40Z", "UTC", "2026-11-20T12:00Z", "2026-11-20T13:00Z"),
        ("2026-11-20T12:40Z", "Asia/Kolkata", "2026-11-20T12:30Z", "2026-11-20T13:30Z"),
        ("2026-11-20T12:40Z", "Asia/Kathmandu", "2026-11-20T12:15Z", "2026-11-20T13:15Z"),
        ("2026-10-25T00:40Z", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T01:00Z"),
        ("2026-10-25T01:10Z", "Europe/Berlin", "2026-10-25T01:00Z", "2026-10-25T02:00Z"),
        ("2026-03-29T01:10Z", "Europe/Berlin", "2026-03-29T01:00Z", "2026-03-29T02:00Z"),
        ("2026-04-04T14:50Z", "Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T15:00Z"),
        ("2026-04-04T15:10Z", "Australia/Lord_Howe", "2026-04-04T15:00Z", "2026-04-04T15:30Z"),
    ],
    ids=["utc", "5:30", "5:45", "2 h", "2 h again", "spring", "30 min", "half"],
)
def test_an_hour_begins_at_its_local_hour(moment: str, name: str, start: str, end: str) -> None:
    """Also in zones that are apart by less; the hour that comes again in autumn is another one."""
    hour = hour_of(datetime.datetime.fromisoformat(moment), zone(name))

    assert datetime.datetime.fromisoformat(start) == hour.start
    assert datetime.datetime.fromisoformat(end) == hour.end


def test_a_gap_counts_for_a_second() -> None:
    """What docs/quality.md says."""
    assert 1.0 == GAP_S
