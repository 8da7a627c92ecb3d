"""The page for Prometheus: what is known, in the form that it reads."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from edge.collector.fleet import Fleet
from edge.collector.metrics import page
from edge.collector.metrics_server import MetricsServer, read_address
from edge.collector.tally import Tally
from edge.contract.messages import HealthSnapshot, LineCount, StateMessage
from edge.errors import CallError, DataError, WorldError
from tests.brokers import free_port
from tests.collector.events import EPOCH, LATER

NOW = 1_795_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)
HEALTH = HealthSnapshot(
    fps=9.5,
    inference_ms=20.0,
    device="CPU",
    camera_age_s=0.25,
    dropped=0,
    temperature_c=None,
    throttled=None,
    rss_mb=50.0,
    disk_free_mb=1000.0,
    outbox=7,
    versions={},
    model=None,
)
# https://prometheus.io/docs/instrumenting/exposition_formats/, written anew from its words.
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")


def state(seq: int, epoch: str = EPOCH, line: str = "L1") -> bytes:
    quality = {"counting": True, "doubts": ["rate"]}
    lines = {line: LineCount(seq, 2)}
    return (
        StateMessage(seq, 2, 1, 1, max(0, seq - 2), lines, epoch, seq, MOMENT, quality)
        .to_json()
        .encode()
    )


def parse(text: str) -> dict[str, float]:
    """Read a page strictly: each metric has its HELP and TYPE first, all its lines together."""
    samples: dict[str, float] = {}
    announced = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            announced = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert (announced, True) == (name, kind in ("counter", "gauge"))
            assert (kind == "counter") == name.endswith("_total")
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert announced == match[1]
            key = line.rpartition(" ")[0]
            assert key not in samples
            samples[key] = float(match[3])
    return samples


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.hear("door", "availability", b"online", NOW)
    fleet.hear("door", "state", state(5), NOW)
    fleet.hear("door", "health", HEALTH.to_json().encode(), NOW)
    fleet.hear_event("door", NOW - 30)
    fleet.hear("yard", "availability", b"offline", NOW)
    return fleet


def test_what_is_known_of_the_devices(fleet: Fleet) -> None:
    """Totals, lines, occupancy and health; what is not known has no line, not even a zero."""
    samples = parse(page(fleet.snapshot(), Tally(broker_up=True), NOW))
    of_devices = {key: value for key, value in samples.items() if "{device=" in key}

    assert {
        'headcount_up{device="door"}': 1,
        'headcount_up{device="yard"}': 0,
        'headcount_counting{device="door"}': 1,
        'headcount_doubts{device="door"}': 1,
        'headcount_occupancy{device="door"}': 3,
        'headcount_crossings_total{device="door",direction="in"}': 5,
        'headcount_crossings_total{device="door",direction="out"}': 2,
        'headcount_line_crossings_total{device="door",line="L1",direction="in"}': 5,
        'headcount_line_crossings_total{device="door",line="L1",direction="out"}': 2,
        'headcount_backlog_events{device="door"}': 7,
        'headcount_last_event_age_seconds{device="door"}': 30,
        'headcount_fps{device="door"}': 9.5,
        'headcount_inference_seconds{device="door"}': 0.02,
        'headcount_camera_age_seconds{device="door"}': 0.25,
        'headcount_disk_free_bytes{device="door"}': 1e9,
    } == of_devices


def test_what_the_collector_did(fleet: Fleet) -> None:
    """Its own counters, and whether store and broker are there."""
    tally = Tally(stored=9, duplicates=2, commits=3, commit_s=0.5, store_up=True)
    tally.refused["event"] += 4
    samples = parse(page(fleet.snapshot(), tally, NOW))

    assert (9, 2, 3, 0.5, 1, 0, 4) == (
        samples["headcount_collector_stored_events_total"],
        samples["headcount_collector_duplicate_events_total"],
        samples["headcount_collector_commits_total"],
        samples["headcount_collector_commit_seconds_total"],
        samples["headcount_collector_store_up"],
        samples["headcount_collector_broker_up"],
        samples['headcount_collector_refused_messages_total{topic="event"}'],
    )


def test_without_a_broker_nobody_knows_who_is_up(fleet: Fleet) -> None:
    """An old word is none."""
    samples = parse(page(fleet.snapshot(), Tally(), NOW))

    assert [] == [key for key in samples if key.startswith("headcount_up")]


@pytest.mark.parametrize("name", ['a "b" c', "back\\slash", "two\nlines", "Tür", "half \ud800"])
def test_any_name_of_a_line(name: str) -> None:
    """Names of people keep the page readable."""
    fleet = Fleet()
    fleet.hear("door", "state", state(1, line=name), NOW)
    samples = parse(page(fleet.snapshot(), Tally(), NOW))

    assert 2 == sum(key.startswith("headcount_line_crossings_total") for key in samples)


def test_a_device_that_is_cleared_is_forgotten(fleet: Fleet) -> None:
    """An empty retained message is how a device is taken out of service."""
    fleet.hear("yard", "availability", b"", NOW)

    assert ["door"] == list(fleet.snapshot())


def test_strangers_cannot_fill_the_memory() -> None:
    """Beyond ten thousand names no more are remembered."""
    fleet = Fleet()
    for number in range(10_005):
        fleet.hear(f"d{number}", "availability", b"online", NOW)

    assert 10_000 == len(fleet.snapshot())


def test_epochs_that_take_turns_are_two_devices() -> None:
    """A new epoch is a new card; the old one that comes back is another device."""
    fleet, turns = Fleet(), [EPOCH, EPOCH, LATER, LATER, EPOCH, LATER]

    assert [False, False, False, False, True, True] == [
        fleet.hear("door", "state", state(1, epoch), NOW) for epoch in turns
    ]


def test_a_word_that_is_none(fleet: Fleet) -> None:
    """It is refused, and what was known stays."""
    with pytest.raises(DataError):
        fleet.hear("door", "availability", b"maybe", NOW)

    assert fleet.snapshot()["door"].online


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    with MetricsServer(("127.0.0.1", 0), lambda: "one 1\n") as server:
        yield server


def test_the_page_is_served(server: MetricsServer) -> None:
    """`/metrics` is there, with the type that Prometheus asks for; nothing else is."""
    address = f"http://127.0.0.1:{server.port}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
        kind, body = answer.headers["Content-Type"], answer.read()
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{address}/", timeout=5)
    refusal.value.close()

    assert ("text/plain; version=0.0.4; charset=utf-8", b"one 1\n") == (kind, body)
    assert 404 == refusal.value.code


def test_who_says_nothing_holds_up_nobody(server: MetricsServer) -> None:
    """A connection without a question, and one with garbage, beside a scrape."""
    with (
        socket.create_connection(("127.0.0.1", server.port)),
        socket.create_connection(("127.0.0.1", server.port)) as babbler,
    ):
        babbler.sendall(b"\x16\x03\x01\x00" * 50)
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=2) as page_:
            assert b"one 1\n" == page_.read()


def test_the_loopback_is_the_default() -> None:
    """A port alone is for this machine alone; all else must be said."""
    assert ("127.0.0.1", 9464) == read_address("9464") == read_address(":9464")
    assert ("0.0.0.0", 9464) == read_address("0.0.0.0:9464")
    assert ("::1", 9464) == read_address("[::1]:9464")
    with pytest.raises(CallError):
        read_address("localhost")


def test_a_port_that_is_taken() -> None:
    """One line says so."""
    port = free_port()
    with (
        MetricsServer(("127.0.0.1", port), str),
        pytest.raises(WorldError, match="another address"),
    ):
        MetricsServer(("127.0.0.1", port), str)
