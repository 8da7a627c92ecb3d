"""Buckets and gaps: every crossing in one bucket, every moment told of, whatever the clock does."""

from __future__ import annotations

import datetime
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import LocalDay
from edge.config import SiteConfig
from edge.contract.detections import Detections
from edge.contract.messages import format_utc, parse_utc
from edge.contract.quality import Quality
from edge.ledger import BucketRow, GapRow, Ledger, OutboxRow
from edge.ledger_schema import SCHEMA
from edge.line import LineQuality
from edge.periods import hour_of, quarter_of
from edge.pipeline import Step
from edge.quality import QualityMeter
from edge.tally import GRACE_S, KEEP_S, Tally
from edge.types import Crossing, Direction, Frame, Sighting, TrackUpdate

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=UTC)
NEVER_SET = datetime.datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WELL = Quality(900, 900, 9000, 10)
EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def day(zone: str) -> LocalDay:
    return LocalDay.at(SiteConfig(timezone=zone))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", day=day("UTC")) as opened:
        yield opened


def count(ledger: Ledger, moment: datetime.datetime, direction: Direction = Direction.IN) -> None:
    ledger.record(Crossing("L1", direction, 0, 0.0, 0, 1.0, 0.9, moment), moment)


def turn(ledger: Ledger, moment: datetime.datetime, reason: str = "off") -> int:
    return ledger.turn(quarter_of(moment), moment, reason)


def buckets(ledger: Ledger, period: int) -> list[BucketRow]:
    rows = ledger.pending(1_000_000)
    return [row for row in rows if isinstance(row, BucketRow) and row.period == period]


def gaps(ledger: Ledger) -> list[tuple[datetime.datetime, datetime.datetime, str]]:
    rows = ledger.pending(1_000_000)
    return [(row.start, row.end, row.reason) for row in rows if isinstance(row, GapRow)]


def told(ledger: Ledger, period: int = 900) -> list[tuple[str, int, int]]:
    """Start, in, out of each bucket."""
    return [
        (f"{bucket.start:%H:%M}", bucket.in_count, bucket.out_count)
        for bucket in buckets(ledger, period)
    ]


def test_a_crossing_is_in_the_bucket_of_its_own_time(ledger: Ledger) -> None:
    """One decided after the end, too, as long as the bucket is not told."""
    turn(ledger, NOON)
    count(ledger, NOON)
    count(ledger, NOON + 15 * MINUTE, Direction.OUT)
    count(ledger, NOON + 14.9 * MINUTE, Direction.OUT)
    written = turn(ledger, NOON + 16 * MINUTE)
    turn(ledger, NOON + 30 * MINUTE)

    assert 1 == written
    assert [("12:00", 1, 1), ("12:15", 0, 1)] == told(ledger)
    assert [1, 2, 3, 4, 5] == [row.seq for row in ledger.pending(9)]
    assert [] == gaps(ledger)


def test_what_is_decided_too_late_is_in_the_next_bucket(ledger: Ledger) -> None:
    """Nothing is counted in no bucket; the crossing itself has its own time."""
    turn(ledger, NOON)
    count(ledger, NOON)
    turn(ledger, NOON + 16 * MINUTE)
    count(ledger, NOON + 10 * MINUTE)
    turn(ledger, NOON + 31 * MINUTE)

    assert [("12:00", 1, 0), ("12:15", 1, 0)] == told(ledger)


def test_an_hour_is_what_its_quarters_are(ledger: Ledger) -> None:
    """Counts and figures add up; it is told after its last quarter, by the next event."""
    for n in range(4):
        moment = NOON + n * 15 * MINUTE
        turn(ledger, moment)
        count(ledger, moment)
        ledger.keep(quarter_of(moment), replace(WELL, counted_s=800 + n, fast=n))
    before = told(ledger, 3600)
    turn(ledger, NOON + 60 * MINUTE)
    (hour,) = buckets(ledger, 3600)
    quarters = buckets(ledger, 900)
    total = sum((quarter.quality for quarter in quarters), Quality())

    assert [] == before
    assert (NOON, NOON + 60 * MINUTE, 4, 0, "UTC") == (
        hour.start,
        hour.end,
        hour.in_count,
        hour.out_count,
        hour.tz,
    )
    assert total == hour.quality
    assert quarters[-1].seq + 1 == hour.seq
    assert ("coverage", "rate") == hour.quality.doubts


def test_a_device_that_was_off_leaves_a_gap_and_no_zero(ledger: Ledger) -> None:
    """What was begun is told with its coverage, whole quarters as one gap, hours as they were."""
    turn(ledger, NOON)
    count(ledger, NOON)
    ledger.keep(quarter_of(NOON), Quality(counted_s=300.0, pictures=3000))
    turn(ledger, NOON + timedelta(hours=3, minutes=20))
    (quarter,), (hour,) = buckets(ledger, 900), buckets(ledger, 3600)

    assert [(NOON + 15 * MINUTE, NOON + timedelta(hours=3, minutes=15), "off")] == gaps(ledger)
    assert (1, 1 / 3, 1 / 12) == pytest.approx(
        (quarter.in_count, quarter.quality.coverage, hour.quality.coverage)
    )
    assert [row.seq for row in ledger.pending(9)] == [1, 2, 3, 4]


def test_a_turn_within_the_quarter_tells_nothing(ledger: Ledger) -> None:
    """Nor does the first of a new file: before it there is no gap."""
    count(ledger, NOON)

    assert [0, 0, 0] == [turn(ledger, NOON + n * MINUTE) for n in range(3)]


def test_what_is_counted_before_the_clock_is_set_is_in_the_quarter_of_setting(
    ledger: Ledger,
) -> None:
    """And not in one that an earlier run has left open."""
    turn(ledger, NOON)
    count(ledger, NOON)
    count(ledger, NEVER_SET)
    count(ledger, NEVER_SET)
    turn(ledger, NOON + 20 * MINUTE)
    turn(ledger, NOON + 30 * MINUTE)

    assert [("12:00", 1, 0), ("12:15", 2, 0)] == told(ledger)


def test_a_clock_that_is_put_back_begins_the_same_quarters_again(ledger: Ledger) -> None:
    """What was told stays; those of the time that comes again come again, and all add up."""
    turn(ledger, NOON + 60 * MINUTE)
    count(ledger, NOON + 60 * MINUTE)
    count(ledger, NOON)  # the clock was put back, and this is decided before it is noticed
    turn(ledger, NOON)
    count(ledger, NOON + MINUTE)
    turn(ledger, NOON + 15 * MINUTE)

    assert [("13:00", 2, 0), ("12:00", 1, 0)] == told(ledger)
    assert [] == gaps(ledger)


@pytest.mark.parametrize(
    ("zone", "first", "quarters", "starts"),
    [
        ("Asia/Kolkata", "2026-11-20T12:30Z", 9, ["12:30", "13:30"]),
        ("Asia/Kathmandu", "2026-11-20T12:15Z", 9, ["12:15", "13:15"]),
        ("Europe/Berlin", "2026-10-25T00:00Z", 13, ["00:00", "01:00", "02:00"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", 9, ["00:00", "01:00"]),
        ("Australia/Lord_Howe", "2026-04-04T14:00Z", 11, ["14:00", "15:00", "15:30"]),
    ],
    ids=["5:30", "5:45", "autumn", "spring", "half an hour"],
)
def test_hours_are_those_of_the_wall(
    tmp_path: Path, zone: str, first: str, quarters: int, starts: list[str]
) -> None:
    """They begin at the local hour; the one that comes again in autumn is a bucket of its own."""
    begun = datetime.datetime.fromisoformat(first)
    with Ledger.open(tmp_path / "ledger.db", day=day(zone)) as ledger:
        for n in range(quarters):
            moment = begun + n * 15 * MINUTE
            turn(ledger, moment)
            count(ledger, moment)
        hours = buckets(ledger, 3600)

    assert starts == [f"{hour.start:%H:%M}" for hour in hours]
    assert [hour.quality.seconds / 900 for hour in hours] == [hour.in_count for hour in hours]
    assert {zone} == {hour.tz for hour in hours}


def test_one_acknowledgement_frees_events_of_all_types(ledger: Ledger) -> None:
    """Up to a seq, whatever they are; and the order of the outbox is that of writing."""
    turn(ledger, NOON)
    count(ledger, NOON)
    turn(ledger, NOON + 60 * MINUTE)
    count(ledger, NOON + 60 * MINUTE)
    kinds = [type(row) for row in ledger.pending(9)]
    two = [row.seq for row in ledger.pending(2, after=1)]
    freed = ledger.acknowledge(ledger.state(NOON).epoch, 3)
    left = ledger.pending(9)

    assert [OutboxRow, BucketRow, BucketRow, GapRow, OutboxRow] == kinds
    assert ([2, 3], 3) == (two, freed)
    assert [4, 5] == [row.seq for row in left]


def open_counts(path: Path, seconds: int) -> tuple[int, int]:
    """In and out of the periods that are not told yet."""
    with sqlite3.connect(path) as db:
        row = db.execute(
            "SELECT coalesce(sum(in_count), 0), coalesce(sum(out_count), 0) FROM periods"
            " WHERE seconds = ?",
            (seconds,),
        ).fetchone()
    db.close()
    return row[0], row[1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.sampled_from(Direction), st.integers(0, 1200)),
        st.tuples(st.just("wait"), st.integers(1, 5000), st.none()),
        st.tuples(st.just("jump"), st.integers(-9000, 9000), st.none()),
        st.tuples(st.just("turn"), st.none(), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
        st.tuples(st.just("lose the clock"), st.none(), st.none()),
    ),
    max_size=25,
)


@given(STEPS, st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin"]))
@settings(max_examples=60, deadline=None)
def test_buckets_add_up_to_the_totals(steps: list[tuple], zone: str) -> None:
    """For any crossings, late ones too, any clock and any restarts; quarters and hours alike."""
    now, is_set, counted = datetime.datetime(2026, 10, 25, 0, 50, tzinfo=UTC), True, [0, 0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger.open(path, day=day(zone))
        for kind, first, second in steps:
            if kind == "count":
                moment = now - timedelta(seconds=second) if is_set else NEVER_SET
                count(ledger, moment, first)
                counted[first is Direction.OUT] += 1
            elif kind in ("wait", "jump"):
                now += timedelta(seconds=first)
            elif kind == "turn" and is_set:
                turn(ledger, now)
            elif kind == "restart":
                ledger.close()
                ledger, is_set = Ledger.open(path, day=day(zone)), True
            elif kind == "lose the clock":
                is_set = False
        rows, state = ledger.pending(1_000_000), ledger.state(now)
        quarters, hours = buckets(ledger, 900), buckets(ledger, 3600)
        ledger.close()
        waiting, waiting_hours = open_counts(path, 900), open_counts(path, 3600)

    def total(told: list[BucketRow]) -> tuple[int, int]:
        return sum(each.in_count for each in told), sum(each.out_count for each in told)

    assert tuple(counted) == (state.in_total, state.out_total)
    assert tuple(counted) == tuple(map(sum, zip(total(quarters), waiting, strict=True)))
    assert tuple(counted) == tuple(map(sum, zip(total(hours), waiting_hours, waiting, strict=True)))
    assert list(range(1, len(rows) + 1)) == [row.seq for row in rows]
    assert all(0 <= each.quality.coverage <= 1 for each in (*quarters, *hours))


class Service:
    """A service whose clocks are the test's: ten pictures a second while it runs."""

    def __init__(self, path: Path, utc: datetime.datetime) -> None:
        self.utc, self.t = utc, 0.0
        self.ledger = Ledger.open(path, day=day("UTC"))
        self._tally = Tally(QualityMeter(1.0, None, 0.0), self.ledger, 0.0)

    def run(self, seconds: float, rate: float = 10.0) -> None:
        for _ in range(round(seconds * rate)):
            sighting = Sighting(Frame(np.zeros((4, 4, 3), np.uint8), 0, self.t), EMPTY, 1.0)
            self._tally.note(Step(sighting, TrackUpdate(), ()), {}, self.utc, self.t)
            self.utc += timedelta(seconds=1 / rate)
            self.t += 1 / rate

    def set_clock(self, utc: datetime.datetime) -> None:
        self.utc = utc

    def stop(self) -> None:
        self._tally.end({"L1": LineQuality()}, self.utc, self.t)
        self.ledger.close()

    def kill(self) -> None:
        self.ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_quarter_is_told_a_moment_after_its_end(path: Path) -> None:
    """So that crossings that were decided after it are in it; and it was covered."""
    service = Service(path, NOON)
    service.run(900 + GRACE_S - 1)
    before = told(service.ledger)
    count(service.ledger, NOON + 14.9 * MINUTE)
    service.run(3)
    (quarter,) = buckets(service.ledger, 900)
    service.stop()

    assert [] == before
    assert (1, 1.0) == (quarter.in_count, pytest.approx(quarter.quality.coverage, abs=0.001))
    assert () == quarter.quality.doubts


def test_a_stop_in_a_quarter_is_missing_in_its_coverage(path: Path) -> None:
    """Stopped for five minutes: one bucket of the quarter, covered for ten of fifteen."""
    first = Service(path, NOON)
    first.run(300)
    first.stop()
    second = Service(path, NOON + 10 * MINUTE)
    second.run(300 + 2 * GRACE_S)
    (quarter,) = buckets(second.ledger, 900)
    second.stop()

    assert 2 / 3 == pytest.approx(quarter.quality.coverage, abs=0.005)
    assert ("coverage",) == quarter.quality.doubts


def test_a_kill_costs_no_more_than_what_was_not_kept(path: Path) -> None:
    """Coverage is then told as less than it was, never as more; the bucket comes at the start."""
    first = Service(path, NOON)
    first.run(500)
    first.kill()
    second = Service(path, NOON + timedelta(hours=1))
    second.run(1)
    (quarter,) = buckets(second.ledger, 900)
    second.stop()

    assert 500 - KEEP_S - 1 <= quarter.quality.counted_s <= 500


def test_no_bucket_is_told_while_the_clock_is_not_set(path: Path) -> None:
    """When it is set, the quarter of setting has the figures of before as well."""
    service = Service(path, NEVER_SET)
    service.run(1000, rate=4)
    count(service.ledger, NEVER_SET)
    before = service.ledger.pending(9)
    service.set_clock(NOON + 10 * MINUTE)
    service.run(300 + 2 * GRACE_S, rate=4)
    (quarter,) = buckets(service.ledger, 900)
    service.stop()

    assert [OutboxRow] == [type(row) for row in before]
    assert (NOON, 1, 1.0) == (quarter.start, quarter.in_count, quarter.quality.coverage)


def test_a_clock_that_jumps_ahead_leaves_a_gap_that_says_so(path: Path) -> None:
    """The quarter that it left is covered for as long as it lasted."""
    service = Service(path, NOON)
    service.run(300, rate=4)
    service.set_clock(NOON + timedelta(days=1))
    service.run(2 * GRACE_S, rate=4)
    (quarter,) = buckets(service.ledger, 900)
    missing = gaps(service.ledger)
    service.stop()

    assert 1 / 3 == pytest.approx(quarter.quality.coverage, abs=0.005)
    assert [(NOON + 15 * MINUTE, NOON + timedelta(days=1), "clock")] == missing


def test_a_clock_that_jumps_back_goes_on_with_buckets(path: Path) -> None:
    """Not only when it has caught up; a second or two back is no jump."""
    service = Service(path, NOON + timedelta(days=1))
    service.run(60, rate=4)
    service.set_clock(NOON)
    service.run(900 + 2 * GRACE_S, rate=4)
    service.set_clock(service.utc - timedelta(seconds=25))
    service.run(60, rate=4)
    starts = [bucket.start for bucket in buckets(service.ledger, 900)]
    missing = gaps(service.ledger)
    service.stop()

    assert [NOON + timedelta(days=1), NOON] == starts
    assert [] == missing


# What the version before buckets has made its files with.
SCHEMA_1 = """
CREATE TABLE ledger (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch TEXT NOT NULL, machine TEXT, seq INTEGER NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL);
CREATE TABLE lines (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE days (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE crossings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  line TEXT NOT NULL, direction TEXT NOT NULL, ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  monotonic REAL NOT NULL, boot TEXT NOT NULL, frame INTEGER NOT NULL, track INTEGER NOT NULL,
  track_s REAL NOT NULL, confidence REAL NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL, UNIQUE (epoch, seq));
CREATE TABLE outbox (id INTEGER PRIMARY KEY REFERENCES crossings (id));
INSERT INTO ledger VALUES (1, 'ee', NULL, 0, 0, 0);
PRAGMA application_id = 1751346804;
PRAGMA user_version = 1;
"""


def write_version_1(path: Path, crossings: int, waiting: int) -> None:
    """A ledger of schema 1 with so many crossings in, of which the last wait."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA_1)
    for n in range(1, crossings + 1):
        db.execute(
            "INSERT INTO crossings (epoch, seq, line, direction, ts, ts_source, monotonic, boot,"
            " frame, track, track_s, confidence, in_total, out_total)"
            " VALUES ('ee', ?, 'L1', 'in', ?, 'frame', 0, 'b', 0, 0, 1, 0.9, ?, 0)",
            (n, format_utc(NOON), n),
        )
    db.execute("INSERT INTO outbox SELECT id FROM crossings WHERE id > ?", (crossings - waiting,))
    db.execute("UPDATE ledger SET seq = ?, in_total = ?", (crossings, crossings))
    db.execute("INSERT INTO lines VALUES ('L1', ?, 0)", (crossings,))
    db.execute("INSERT INTO days VALUES ('2026-11-20', ?, 0)", (crossings,))
    db.commit()
    db.close()


@pytest.mark.parametrize(("crossings", "waiting"), [(0, 0), (5, 2), (5, 0)])
def test_a_file_of_the_first_version_goes_on(path: Path, crossings: int, waiting: int) -> None:
    """Totals, epoch, seq and what waits are as they were; what comes is in buckets."""
    write_version_1(path, crossings, waiting)
    with Ledger.open(path, day=day("UTC")) as ledger:
        found, rows = ledger.state(NOON), ledger.pending(9)
        turn(ledger, NOON)
        count(ledger, NOON)
        turn(ledger, NOON + 15 * MINUTE)
        after = ledger.pending(9)
        freed = ledger.acknowledge("ee", crossings + 1)
        left = ledger.pending(9)
    with Ledger.open(path) as ledger:
        again = ledger.state(NOON)

    first = crossings - waiting + 1
    assert ("ee", crossings, crossings, crossings) == (
        found.epoch,
        found.seq,
        found.in_total,
        found.in_today,
    )
    assert list(range(first, crossings + 1)) == [row.seq for row in rows]
    assert (
        list(range(first, crossings + 3)) == [row.seq for row in after] == [row.id for row in after]
    )
    assert (waiting + 1, [BucketRow]) == (freed, [type(row) for row in left])
    assert (crossings + 2, crossings + 1) == (again.seq, again.in_total)
    assert 3 == SCHEMA


def test_periods_are_written_as_the_contract_writes_times(ledger: Ledger) -> None:
    """So that their order is that of the text."""
    hour = hour_of(NOON, None)

    assert hour.start == parse_utc(format_utc(hour.start))
    assert format_utc(NOON) < format_utc(NOON + MINUTE)
