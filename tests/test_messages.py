"""Topics and payloads: what is written is read back, and nothing else is."""

from __future__ import annotations

import datetime
import json
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import (
    Ack,
    BucketMessage,
    CrossingMessage,
    GapMessage,
    HealthSnapshot,
    LineCount,
    StateMessage,
    Topics,
    device_of,
    format_utc,
    parse_utc,
    read_event,
)
from edge.contract.quality import Quality
from edge.errors import ConfigError, DataError

MOMENT = datetime.datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)
EPOCH = "0123456789abcdef" * 2
COUNTS = st.integers(0, 10**9)
# Milliseconds are what travels.
MOMENTS = st.integers(0, 16_725_225_600_000).map(
    lambda ms: datetime.datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
)
EPOCHS = st.text("0123456789abcdef", min_size=32, max_size=32)
SECONDS = st.integers(0, 10**6).map(lambda thousandths: thousandths / 1000)
MAYBE = st.none() | st.integers(0, 10**6).map(lambda hundredths: hundredths / 100)

STATES = st.builds(
    StateMessage,
    in_total=COUNTS,
    out_total=COUNTS,
    in_today=COUNTS,
    out_today=COUNTS,
    occupancy=COUNTS,
    lines=st.dictionaries(st.text(max_size=8), st.builds(LineCount, COUNTS, COUNTS), max_size=3),
    epoch=EPOCHS,
    seq=COUNTS,
    ts=MOMENTS,
    quality=st.just({"counting": True}),
)
CROSSINGS = st.builds(
    CrossingMessage,
    epoch=EPOCHS,
    seq=COUNTS,
    ts=MOMENTS,
    ts_source=st.sampled_from(["frame", "ledger"]),
    line=st.text(max_size=8),
    direction=st.sampled_from(["in", "out"]),
    in_total=COUNTS,
    out_total=COUNTS,
    track_s=SECONDS,
    confidence=st.integers(0, 1000).map(lambda thousandths: thousandths / 1000),
    synced=st.booleans(),
    replayed=st.booleans(),
)
FIGURES = st.builds(
    Quality,
    seconds=SECONDS,
    counted_s=SECONDS,
    people=COUNTS,
    fast=COUNTS,
    undecided=COUNTS,
    covered_s=SECONDS,
)
SENT = {"epoch": EPOCHS, "seq": COUNTS, "ts": MOMENTS, "replayed": st.booleans()}
BUCKETS = st.builds(
    BucketMessage,
    **SENT,
    ts_source=st.just("ledger"),
    period=st.sampled_from([900, 3600]),
    start=MOMENTS,
    end=MOMENTS,
    tz=st.sampled_from(["Asia/Kathmandu", "+01:00"]),
    in_count=COUNTS,
    out_count=COUNTS,
    quality=FIGURES,
)
GAPS = st.builds(
    GapMessage,
    **SENT,
    ts_source=st.just("ledger"),
    start=MOMENTS,
    end=MOMENTS,
    reason=st.sampled_from(["off", "clock"]),
)
HEALTHS = st.builds(
    HealthSnapshot,
    fps=MAYBE,
    inference_ms=MAYBE,
    device=st.none() | st.just("CPU"),
    camera_age_s=MAYBE,
    dropped=COUNTS,
    temperature_c=MAYBE,
    throttled=st.none() | st.just(()) | st.just(("throttled", "under-voltage since boot")),
    rss_mb=MAYBE,
    disk_free_mb=MAYBE,
    outbox=COUNTS,
    versions=st.just({"headcount": "1.0"}),
    model=st.none() | st.just("heads 1.0.0"),
)
ACKS = st.builds(Ack, EPOCHS, COUNTS)


@given(st.one_of(STATES, CROSSINGS, BUCKETS, GAPS, HEALTHS, ACKS))
def test_what_is_written_is_read_back(message) -> None:
    """Every payload survives the way, also as bytes and with keys that are yet to come."""
    data = {**json.loads(message.to_json()), "of_a_later_version": 1}

    assert message == type(message).from_json(message.to_json().encode())
    assert message == type(message).from_json(json.dumps(data))
    assert 1 == data["schema"]


@given(
    st.one_of(
        st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
    )
)
def test_what_is_no_message_is_refused_in_one_line(payload) -> None:
    """Garbage ends in a DataError, never in another exception."""
    kinds = (StateMessage, CrossingMessage, BucketMessage, GapMessage, HealthSnapshot, Ack)
    for read in (*(kind.from_json for kind in kinds), read_event):
        with pytest.raises(DataError):
            read(payload)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "schema 2"),
        ({"seq": -1}, "not a count"),
        ({"seq": True}, "not a count"),
        ({"seq": 1.5}, "not a count"),
        ({"epoch": 5}, "not a text"),
        ({"type": "bucket"}, "unknown type"),
        ({"direction": "up"}, "unknown direction"),
        ({"ts": "2026-11-20T10:00:00"}, "no time zone"),
        ({"ts": "yesterday"}, "cannot be read"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(change: dict[str, object], says: str) -> None:
    """The refusal tells which value is wrong."""
    message = CrossingMessage(EPOCH, 1, MOMENT, "frame", "L1", "in", 1, 0, 1.0, 0.9)
    data = {**json.loads(message.to_json()), **change}
    with pytest.raises(DataError, match=says):
        CrossingMessage.from_json(json.dumps(data))


def test_the_crossing_is_as_documented() -> None:
    """Names and forms that scripts outside rely on."""
    message = CrossingMessage(EPOCH, 7, MOMENT, "frame", "L1", "in", 5, 2, 1.23456, 0.98765)

    assert {
        "schema": 1,
        "type": "crossing",
        "event_id": f"{EPOCH}-7",
        "epoch": EPOCH,
        "seq": 7,
        "ts": "2026-11-20T10:00:00.123Z",
        "ts_source": "frame",
        "line": "L1",
        "direction": "in",
        "in_total": 5,
        "out_total": 2,
        "track_s": 1.235,
        "confidence": 0.988,
        "synced": False,
        "replayed": False,
        "kept_from": 1,
    } == json.loads(message.to_json())


@given(st.one_of(CROSSINGS, BUCKETS, GAPS))
def test_an_event_is_read_as_what_it_is(message) -> None:
    """Its type says which; as another it is refused."""
    others = {CrossingMessage, BucketMessage, GapMessage} - {type(message)}

    assert message == read_event(message.to_json())
    for other in others:
        with pytest.raises(DataError, match="unknown type"):
            other.from_json(message.to_json())


@pytest.mark.parametrize("kind", ["party", 7, None, [], {}])
def test_an_event_of_another_type_is_refused(kind: object) -> None:
    """A later version may have more of them."""
    with pytest.raises(DataError, match="unknown type"):
        read_event(json.dumps({"schema": 1, "type": kind}))


HEAD = {
    "schema": 1,
    "event_id": f"{EPOCH}-7",
    "epoch": EPOCH,
    "seq": 7,
    "ts": "2026-11-20T10:00:00.123Z",
    "ts_source": "ledger",
    "start": "2026-11-20T09:45:00.000Z",
    "end": "2026-11-20T10:00:00.000Z",
    "replayed": False,
    "kept_from": 1,
}
START, END = (
    datetime.datetime(2026, 11, 20, 9, 45, tzinfo=UTC),
    datetime.datetime(2026, 11, 20, 10, tzinfo=UTC),
)


def test_the_bucket_is_as_documented() -> None:
    """Names and forms that scripts outside rely on."""
    figures = Quality(900, 450, 9000, 20, 1, 0, 2, 0, 60)
    message = BucketMessage(
        EPOCH, 7, MOMENT, "ledger", 900, START, END, "Europe/Berlin", 5, 2, figures
    )

    assert {
        **HEAD,
        "type": "bucket",
        "period": 900,
        "tz": "Europe/Berlin",
        "in": 5,
        "out": 2,
        "coverage": 0.5,
        "quality": {
            "rate": "low",
            "camera": "covered",
            "doubts": ["coverage", "rate", "born_past", "camera"],
            "seconds": 900,
            "counted_s": 450,
            "pictures": 9000,
            "people": 20,
            "fast": 1,
            "dwelled": 0,
            "born_past": 2,
            "undecided": 0,
            "covered_s": 60,
            "dark_s": 0.0,
            "frozen_s": 0.0,
        },
    } == json.loads(message.to_json())


def test_the_gap_is_as_documented() -> None:
    """Names and forms that scripts outside rely on."""
    message = GapMessage(EPOCH, 7, MOMENT, "ledger", START, END, "off")

    assert {**HEAD, "type": "gap", "reason": "off"} == json.loads(message.to_json())


def test_the_state_is_as_documented() -> None:
    """Names and forms that scripts outside rely on."""
    lines = {"L1": LineCount(5, 2)}
    message = StateMessage(5, 2, 4, 1, 3, lines, EPOCH, 7, MOMENT, {"counting": True})

    assert {
        "schema": 1,
        "in_total": 5,
        "out_total": 2,
        "in_today": 4,
        "out_today": 1,
        "occupancy": 3,
        "occupancy_raw": 3,
        "lines": {"L1": {"in": 5, "out": 2}},
        "epoch": EPOCH,
        "seq": 7,
        "ts": "2026-11-20T10:00:00.123Z",
        "quality": {"counting": True},
    } == json.loads(message.to_json())


def test_topics_of_a_device() -> None:
    """All lie below headcount/<device>, but what stores say."""
    topics = Topics("front-door")

    assert "headcount/front-door/availability" == topics.availability
    assert "headcount/front-door/state" == topics.state
    assert "headcount/front-door/event" == topics.event
    assert "headcount/front-door/health" == topics.health
    assert "headcount/ack/db/front-door" == topics.ack("db")
    assert "front-door" == device_of(topics.state)


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "a\0", "ä", "x" * 65, "ack"])
def test_a_device_that_cannot_be_a_topic_is_refused(name: str) -> None:
    """Wildcards, levels, and what the protocol has taken."""
    with pytest.raises(ConfigError, match="device id"):
        Topics(name)


def test_times_are_utc_with_milliseconds() -> None:
    """Any zone is converted; a time without one is refused."""
    berlin = timezone(timedelta(hours=1))

    assert "2026-11-20T10:00:00.123Z" == format_utc(MOMENT.astimezone(berlin))
    assert MOMENT == parse_utc("2026-11-20T11:00:00.123+01:00")
    with pytest.raises(ValueError, match="no time zone"):
        format_utc(MOMENT.replace(tzinfo=None))


def test_a_measure_that_is_no_number_travels_as_unknown() -> None:
    """JSON has no NaN."""
    health = HealthSnapshot(
        float("nan"), None, None, None, 0, None, None, None, None, 0, {"headcount": "1"}, None
    )

    assert json.loads(health.to_json())["fps"] is None
