"""`headcount export`: true over a change of the clock, and a gap is never a zero."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.cli import main
from edge.collector import (
    DAY,
    HOUR,
    QUARTER,
    Query,
    When,
    export,
    open_database,
    read_day_starts,
)
from edge.collector.export import Counts
from edge.collector.records import read_record
from edge.collector.store import Store
from edge.collector.tables import write
from edge.errors import CallError, WorldError
from tests.collector.events import LATER, bucket, crossing, gap

LONG_AFTER = datetime(2026, 12, 1, tzinfo=UTC)
QUARTER_OF_AN_HOUR = timedelta(minutes=15)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fill(address: str, *payloads: str, device: str = "door") -> None:
    with closing(Store(open_database(address))) as store:
        store.take([read_record(device, each.encode()) for each in payloads])


def quarters(first: datetime, last: datetime, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """A bucket with two in and one out for each quarter up to `last`, less those named."""
    missing = {utc(each) for each in without}
    start, seq = first, 1
    while start < last:
        if start not in missing:
            yield bucket(seq, start, (2, 1))
            seq += 1
        start += QUARTER_OF_AN_HOUR


def rows(address: str, by: str, now: datetime = LONG_AFTER, **query: str) -> list[Counts]:
    times = {name: When.read(query.pop(name)) for name in ("first", "last") if name in query}
    with closing(open_database(address, only_read=True)) as database:
        return list(export(database, Query(by, **times, **query), now))


def test_days_when_the_clock_is_put_ahead(address: str) -> None:
    """In Berlin 29 March 2026 has 23 hours, from 23:00 UTC to 22:00 UTC: 92 quarters."""
    fill(address, *quarters(utc("2026-03-27T23:00"), utc("2026-03-30T22:00")))
    found = rows(address, DAY, first="2026-03-28", last="2026-03-30")

    assert [
        ("2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", 192, 96, 1.0),
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 184, 92, 1.0),
        ("2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00", 192, 96, 1.0),
    ] == [(r.start.isoformat(), r.end.isoformat(), r.in_count, r.out_count, r.coverage)
          for r in found]  # fmt: skip


def test_days_when_the_clock_is_put_back(address: str) -> None:
    """25 October 2026 has 25 hours; of an hour without a bucket it is known for 24 of them."""
    hole = [f"2026-10-25T00:{minute:02}" for minute in (0, 15, 30, 45)]
    fill(address, *quarters(utc("2026-10-24T22:00"), utc("2026-10-25T23:00"), without=tuple(hole)))
    (day,) = rows(address, DAY, first="2026-10-25", last="2026-10-25")

    assert timedelta(hours=25) == day.end.astimezone(UTC) - day.start.astimezone(UTC)
    assert (192, 96, 0.96, ("coverage",)) == (
        day.in_count,
        day.out_count,
        day.coverage,
        day.doubts,
    )


def test_hours_when_the_clock_is_put_back(address: str) -> None:
    """The hour that comes again is a row of its own; a gap is empty, with its reason."""
    lost = [f"2026-10-25T01:{minute:02}" for minute in (0, 15, 30, 45)]
    buckets = quarters(utc("2026-10-24T22:00"), utc("2026-10-25T23:00"), without=tuple(lost))
    fill(address, *buckets, gap(99, utc("2026-10-25T01:00"), utc("2026-10-25T02:00")))
    found = rows(address, HOUR, first="2026-10-25T01:00", last="2026-10-25T04:00")

    assert [
        ("2026-10-25T01:00:00+02:00", 8, 4, 1.0, ""),
        ("2026-10-25T02:00:00+02:00", 8, 4, 1.0, ""),
        ("2026-10-25T02:00:00+01:00", None, None, 0.0, "off"),
        ("2026-10-25T03:00:00+01:00", 8, 4, 1.0, ""),
    ] == [(r.start.isoformat(), r.in_count, r.out_count, r.coverage, r.reason) for r in found]


def test_nobody_is_not_nothing(address: str) -> None:
    """Nobody came: zero. Nothing was seen, or nothing is known: empty."""
    fill(
        address,
        bucket(1, utc("2026-11-20T08:00"), (0, 0)),
        bucket(2, utc("2026-11-20T08:15"), (0, 0), counted_s=0),
        bucket(3, utc("2026-11-20T08:45"), (1, 0), counted_s=0),
    )
    found = rows(address, QUARTER, first="2026-11-20T09:00", last="2026-11-20T10:00")

    assert [(0, 1.0), (None, 0.0), (None, 0.0), (1, 0.0)] == [
        (r.in_count, r.coverage) for r in found
    ]


def test_a_quarter_that_was_told_twice(address: str) -> None:
    """A clock that was put back, or a new card: counts add up, coverage does not exceed 1."""
    start = utc("2026-11-20T08:00")
    fill(
        address,
        bucket(1, start, (3, 1), counted_s=600),
        bucket(2, start, (2, 0), counted_s=200),
        bucket(1, start, (1, 1), counted_s=900, epoch=LATER),
        bucket(2, start + 4 * QUARTER_OF_AN_HOUR, (1, 0), epoch=LATER),
    )
    (hour,) = rows(address, HOUR, first="2026-11-20T09:00", last="2026-11-20T10:00")

    assert (6, 2, 0.25) == (hour.in_count, hour.out_count, hour.coverage)


def test_one_line_alone(address: str) -> None:
    """Its crossings, at their own times; where nothing was covered and nobody seen, empty."""
    times = ["2026-11-20T08:01:00.000Z", "2026-11-20T08:59:59.999Z", "2026-11-20T09:00:00.000Z"]
    fill(
        address,
        *(crossing(seq, ts=ts, line="back") for seq, ts in enumerate(times, 1)),
        crossing(4, ts=times[0], line="back", direction="out"),
        crossing(5, ts=times[0], line="front"),
        crossing(6, ts=times[0], line="back", ts_source="unset"),
        *(
            bucket(7 + n, utc("2026-11-20T08:00") + n * QUARTER_OF_AN_HOUR, (9, 9))
            for n in range(8)
        ),
    )
    fill(address, bucket(1, utc("2026-11-20T08:00")), device="yard")
    found = rows(address, HOUR, first="2026-11-20T09:00", last="2026-11-20T12:00", line="back")

    assert [("door", 2, 1, 1.0), ("door", 1, 0, 1.0), ("door", None, None, 0.0)] == [
        (r.device, r.in_count, r.out_count, r.coverage) for r in found
    ]
    with pytest.raises(WorldError, match="nobody has crossed a line 'side'"):
        rows(address, HOUR, line="side")


def test_the_zone_is_the_sites(address: str) -> None:
    """Each device has its own; --timezone overrides it; an offset alone tells no change."""
    fill(address, bucket(1, utc("2026-07-01T12:00"), tz="Asia/Kathmandu"), device="kathmandu")
    fill(address, bucket(1, utc("2026-07-01T12:00"), tz="-03:00"), device="offset")
    fill(
        address,
        bucket(1, utc("2026-07-01T12:00"), tz="+02:00"),
        bucket(2, utc("2026-11-01T12:00"), tz="+01:00"),
        device="unsaid",
    )
    day = {"first": "2026-07-01", "last": "2026-07-01"}

    assert ["2026-07-01T00:00:00+05:45", "2026-07-01T00:00:00-03:00"] == [
        rows(address, DAY, device=device, **day)[0].start.isoformat()
        for device in ("kathmandu", "offset")
    ]
    with pytest.raises(CallError, match="give --timezone"):
        rows(address, DAY, device="unsaid", first="2026-07-01")
    (told,) = rows(address, DAY, device="unsaid", timezone="Europe/Berlin", **day)
    assert "2026-07-01T00:00:00+02:00" == told.start.isoformat()
    with pytest.raises(CallError, match="'Mars/Base'"):
        rows(address, DAY, timezone="Mars/Base")


def test_without_times_it_is_a_week(address: str) -> None:
    """Seven days on the wall, today's included, none of them beyond now."""
    fill(address, *quarters(utc("2026-11-27T10:00"), utc("2026-11-27T11:00")))
    found = rows(address, DAY, now=utc("2026-11-27T11:30"))

    assert (7, "2026-11-21T00:00:00+01:00") == (len(found), found[0].start.isoformat())
    assert [None] * 6 + [8] == [row.in_count for row in found]
    assert round(4 / 96, 4) == found[-1].coverage


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"first": "yesterday"}, "write a day"),
        ({"first": "0001-01-01"}, "write a year"),
        ({"first": "2026-11-21", "last": "2026-11-20"}, "not before --to"),
        ({"first": "2027-01-01"}, "not before --to, which is now"),
    ],
)
def test_times_that_are_wrong(address: str, query: dict[str, str], says: str) -> None:
    """One line says what is."""
    fill(address, bucket(1, utc("2026-11-20T08:00")))
    with pytest.raises(CallError, match=says):
        rows(address, DAY, **query)


def test_a_device_that_is_not_there(address: str) -> None:
    """Those that are, are named; a store without any has no rows."""
    with closing(open_database(address)):
        assert [] == rows(address, DAY)
    fill(address, bucket(1, utc("2026-11-20T08:00")))
    with pytest.raises(WorldError, match="'dor' is not in the store; door are"):
        rows(address, DAY, device="dor")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV with empty counts, JSON with null, and a table with a dash."""
    address = f"sqlite:{tmp_path}/store.db"
    fill(address, *quarters(utc("2026-11-20T08:00"), utc("2026-11-20T09:00")))
    command = ["export", "--store", address, "--from", "2026-11-20T09:00"]
    command += ["--to", "2026-11-20T11:00", "--by", "hour"]
    told = {}
    for form in ("--csv", "--json", ""):
        assert 0 == main([*command, *([form] if form else [])])
        told[form] = capsys.readouterr().out

    counts = [(row["in"], row["coverage"]) for row in csv.DictReader(io.StringIO(told["--csv"]))]
    assert [("8", "1.0"), ("", "0.0")] == counts
    assert [(8, 1.0), (None, 0.0)] == [
        (row["in"], row["coverage"]) for row in json.loads(told["--json"])
    ]
    assert "door             2026-11-20T09:00+01:00       8 in      4 out  100 %\n" in told[""]
    assert "door             2026-11-20T10:00+01:00       - in      - out    0 %" in told[""]


def test_a_store_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 with one line, and no file is made."""
    assert 1 == main(["export", "--store", f"sqlite:{tmp_path}/store.db"])
    assert "no such file" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "nothing"),
    [
        ("json", "[]\n"),
        ("text", ""),
        ("csv", "device,line,start,end,in,out,coverage,doubts,reason\n"),
    ],
)
def test_no_rows(form: str, nothing: str) -> None:
    """It is still JSON, and still has a head."""
    out = io.StringIO()
    write([], out, form)

    assert nothing == out.getvalue()


def test_a_name_cannot_be_a_formula() -> None:
    """What a stranger calls a line is a text in a spreadsheet."""
    moment = utc("2026-11-20T08:00")
    out = io.StringIO()
    write([Counts("door", "=1+1", moment, moment, 1, 1, 1.0, (), "")], out, "csv")

    assert "door,'=1+1," in out.getvalue()


def test_days_that_begin_at_the_sites_hour(address: str) -> None:
    """From four to four on the wall, over a change of the clock; a day is that of its begin."""
    fill(address, *quarters(utc("2026-03-27T03:00"), utc("2026-03-30T02:00")))
    starts = read_day_starts("04:00")
    with closing(open_database(address, only_read=True)) as database:
        first, last = When.read("2026-03-27"), When.read("2026-03-29")
        found = list(export(database, Query(DAY, first, last, day_starts=starts), LONG_AFTER))
        early = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 3:00, which is of the day before
        week = list(export(database, Query(DAY, day_starts=starts), early))

    assert [
        ("2026-03-27T04:00:00+01:00", "2026-03-28T04:00:00+01:00", 192, 1.0),
        ("2026-03-28T04:00:00+01:00", "2026-03-29T04:00:00+02:00", 184, 1.0),
        ("2026-03-29T04:00:00+02:00", "2026-03-30T04:00:00+02:00", 192, 1.0),
    ] == [(r.start.isoformat(), r.end.isoformat(), r.in_count, r.coverage) for r in found]
    assert "2026-03-28T04:00:00+01:00" == week[-1].start.isoformat()
    assert 7 == len(week)


@pytest.mark.parametrize("text", ["4", "04:10", "25:00", "04:00:30", "04:00+01:00"])
def test_a_day_that_begins_in_the_midst_of_a_quarter_is_refused(text: str) -> None:
    """In one line that says how to write it."""
    with pytest.raises(CallError, match=r"^[^\n]*04:00[^\n]*$"):
        read_day_starts(text)
