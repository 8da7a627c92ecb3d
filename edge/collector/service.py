"""`headcount collect`: opens the store, then the broker, serves until one is lost, begins again.

A collector whose store is away leaves the broker, so that others of a shared subscription get its
part, and so that nothing piles up in memory.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.access import Access
from edge.collector.fleet import Fleet
from edge.collector.metrics import page
from edge.collector.metrics_server import MetricsServer, read_address
from edge.collector.opening import check_address, open_database
from edge.collector.session import BATCH, Books, Complaints, Session
from edge.collector.store import Store
from edge.collector.tally import Tally
from edge.contract.messages import Topics
from edge.errors import BrokerError, HeadcountError, StoreError
from edge.mqtt import Connection, Intake

_FIRST_S, _LONGEST_S = 0.5, 5.0  # before another attempt
_SETTLES_S = 60.0  # that what is wrong may change without being told again
_MOST_BYTES = 128 * 1024  # of a packet; brokers with MQTT 5 leave out larger ones
_KEPT_S = 7 * 24 * 3600  # that the broker keeps events for a collector that is alone

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Args:
        access: the broker.
        store: `sqlite:FILE` or `postgresql://…`.
        name: of the store, as the devices' mqtt.stores has it.
        metrics: `HOST:PORT`; empty: none.
    """

    access: Access
    store: str
    name: str
    metrics: str = ""


@dataclass(slots=True)
class _Run:
    """A collector at work: what it was asked for, and what outlives a connection."""

    order: Order
    stop: threading.Event
    books: Books = field(default_factory=lambda: Books(Fleet(), Tally(), Complaints()))
    # What was last told of the store and of the broker, and when.
    told: dict[type[HeadcountError], tuple[str, float]] = field(default_factory=dict)


def collect(order: Order, stop: threading.Event) -> None:
    """Store and acknowledge what all devices send, until `stop` is set.

    A broker or a store that is away is waited for.

    Raises:
        CallError: an address or the name is wrong.
        WorldError: the store is another program's, or another collector's.
    """
    check_address(order.store)
    Topics("any").ack(order.name)
    run = _Run(order, stop)
    with _metrics(run):
        delay = _FIRST_S
        while not stop.is_set():
            begun = time.monotonic()
            try:
                _collect(run)
            except StoreError as error:
                run.books.tally.store_errors += 1
                _tell(run, error, "nothing is acknowledged, the devices keep their events")
            except BrokerError as error:
                run.books.tally.broker_errors += 1
                _tell(run, error, "trying again")
            delay = _FIRST_S if time.monotonic() - begun > _LONGEST_S else delay
            stop.wait(delay)
            delay = min(2 * delay, _LONGEST_S)


def _tell(run: _Run, error: HeadcountError, consequence: str) -> None:
    """One line a fault, not one an attempt, nor one a step of a database that starts."""
    message, now = f"{error}; {consequence}", time.monotonic()
    last, at = run.told.get(type(error), ("", float("-inf")))
    if message != last and now - at > _SETTLES_S:
        _log.warning("%s", message)
        run.told[type(error)] = message, now


@contextlib.contextmanager
def _metrics(run: _Run) -> Iterator[None]:
    if not run.order.metrics:
        yield
        return
    fleet, tally = run.books.fleet, run.books.tally
    address = read_address(run.order.metrics)
    with MetricsServer(address, lambda: page(fleet.snapshot(), tally, time.time())) as server:
        _log.info("metrics: http://%s:%d/metrics", address[0], server.port)
        yield


def _collect(run: _Run) -> None:
    """Serve one connection to its end, or until it is time to stop."""
    tally = run.books.tally
    store = Store(open_database(run.order.store))
    try:
        store.check()
        tally.store_up = True
        connection = _connected(run, store)
        try:
            _serve(run, store, connection)
        finally:
            tally.broker_up = False
            connection.close()
    except StoreError:
        tally.store_up = False
        raise
    finally:
        store.close()


def _connected(run: _Run, store: Store) -> Connection:
    """Connect, for each kind of store as its events come again best.

    A collector that is alone has the broker keep what comes while it is away. Of several, one that
    is away must get nothing: its part would wait for it until it is back, and the devices with it.
    They send again what is not acknowledged, and another gets it.
    """
    alone = not store.shared
    who = socket.gethostname()[:23] if alone else secrets.token_hex(4)
    return Connection.open(
        run.order.access,
        f"headcount-collect-{run.order.name}-{who}",
        intake=Intake(BATCH, _MOST_BYTES, _KEPT_S if alone else 0),
    )


def _serve(run: _Run, store: Store, connection: Connection) -> None:
    session = Session(connection, store, run.order.name, run.books)
    session.greet()
    run.books.tally.broker_up = True
    _log.info(
        "broker %s: connected with MQTT %s; storing as %r",
        run.order.access,
        connection.version,
        run.order.name,
    )
    run.told.pop(BrokerError, None)
    while not run.stop.is_set():
        if session.step():
            run.told.pop(StoreError, None)
    session.finish()
