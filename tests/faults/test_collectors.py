"""A collector that hangs: held, not ended. Those that are killed are in `test_mixes`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.ledger import Ledger
from tests.brokers import Mosquitto
from tests.collector.collecting import Collector, count, delivered, publisher, stored
from tests.postgres import Postgres


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.mark.proof
def test_a_collector_that_hangs(broker: Mosquitto, tmp_path: Path) -> None:
    """Held by SIGSTOP it is silent: the broker gives it up after its keepalive, PostgreSQL after
    15 s in a transaction, and the other takes over. When it goes on, it disturbs nothing.
    """
    with (
        Postgres() as server,
        Ledger.open(tmp_path / "ledger.db") as ledger,
        publisher(ledger, broker.url),
    ):
        address = server.new_database()
        first = Collector(broker.url, address, tmp_path)
        second = Collector(broker.url, address, tmp_path)
        with first, second:
            first.ready()
            second.ready()
            count(ledger, 50)
            delivered(ledger)
            first.started[-1].process.send_signal(signal.SIGSTOP)
            count(ledger, 300)
            delivered(ledger, seconds=60)
            first.started[-1].process.send_signal(signal.SIGCONT)
            count(ledger, 50)
            delivered(ledger)

            assert list(range(1, 401)) == [row[2] for row in stored(address)]
            assert "Traceback" not in first.started[-1].log
