"""The publisher's thread: opens a connection, serves it until it is lost, opens the next."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from edge import __version__
from edge.access import Access, can_all_read
from edge.config import MqttConfig
from edge.contract.commands import Command
from edge.contract.messages import OFFLINE, HealthSnapshot, Topics
from edge.errors import HeadcountError
from edge.ledger import Ledger
from edge.mqtt import Connection, Will
from edge.publisher.discovery import announcement
from edge.publisher.session import Rhythm, Session

_PAUSE_S = 0.1
_PATIENCE_S = 3.0  # beyond the drain, for a connection that is just being opened

_log = logging.getLogger(__name__)


class Publisher:
    """Delivers from `start` to `stop`. Counting never waits for it."""

    def __init__(
        self,
        device: str,
        config: MqttConfig,
        ledger: Ledger,
        *,
        status: Callable[[], HealthSnapshot],
        quality: Callable[[], Mapping[str, Any]] = dict,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rhythm: Rhythm | None = None,
        name: str = "",
        update: Callable[[Command], None] | None = None,
    ) -> None:
        """Check the names; nothing is sent yet.

        Args:
            device: the device's id, unlike that of every other device.
            config: the broker and the stores.
            ledger: where the counts are; it stays open until this has ended.
            status: gives a snapshot for `/health`, every few seconds.
            quality: gives what the state tells of the quality of the counts now.
            clock: gives the wall clock, with a time zone.
            rhythm: how long to wait for what.
            name: the device's, for people; its id without it.
            update: does what a command about the model asks, or raises; without it none is done.

        Raises:
            CallError: the address or the id is wrong.
            LedgerError: the ledger cannot be read.
        """
        self._config = config
        self._version = config.protocol
        Access.of_url(config.url)
        self._stores = config.stores
        self._topics = Topics(device)
        self._announcement = (
            announcement(self._topics, name, __version__) if config.discovery else None
        )
        self._ledger = ledger
        self._update = update
        self._status = status
        self._quality = quality
        self._clock = clock
        self._rhythm = rhythm or Rhythm()
        self._jitter = random.Random(device)
        known = ledger.state(clock())
        # Of this ledger: two devices of one id would throw each other off the broker, for ever.
        self._client_id = f"headcount-{device}-{known.epoch[:8]}"
        self._sent = {known.epoch: known.seq}  # earlier runs may have sent all of that
        self._told = ""
        self._connection: Connection | None = None
        self._reached = False  # whether the broker has answered the latest attempt
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def __enter__(self) -> Publisher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drain(0.0)

    @property
    def alive(self) -> bool:
        """Whether its thread runs; false between `start` and `drain` is a defect."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; returns at once, also when the broker is away."""
        secret = self._config.password_file
        if secret and can_all_read(secret):
            _log.warning("%s: everybody here can read the broker's password; chmod 600 it", secret)
        self._thread.start()

    def wake(self, *, health: bool = False) -> None:
        """Look into the ledger now instead of in a moment; any thread may call it.

        Args:
            health: how the device feels has changed; publish that now, too.
        """
        if health:
            self._news.set()
        connection = self._connection
        if connection is not None:
            connection.wake()

    def drain(self, seconds: float) -> None:
        """Deliver what waits, for so long at most, say offline, and end.

        What could not be delivered stays in the ledger for the next start.
        """
        if self._stopping.is_set():
            return
        self._deadline = time.monotonic() + seconds
        self._stopping.set()
        self._thread.join(seconds + _PATIENCE_S)

    def _run(self) -> None:
        first, longest = self._rhythm.reconnect
        delay = first
        while not self._over():
            begun, self._reached = time.monotonic(), False
            try:
                self._connect_and_serve()
            except HeadcountError as error:
                self._tell(f"{error}; counting goes on, events wait in the ledger")
            else:
                return
            lasted = time.monotonic() - begun
            if lasted > longest:
                delay = first
            # An attempt on a silent network was a wait itself: the next must find it soon back.
            waited = 0.0 if self._reached else lasted
            if self._stopping.wait(max(0.0, delay * self._jitter.uniform(0.8, 1.0) - waited)):
                time.sleep(_PAUSE_S)
            delay = min(2 * delay, longest)

    def _over(self) -> bool:
        """Whether to open no further connection."""
        if not self._stopping.is_set():
            return False
        try:
            return time.monotonic() >= self._deadline or not self._ledger.pending(1)
        except HeadcountError:
            return True

    def _tell(self, message: str) -> None:
        if message != self._told:  # one line a fault, not one an attempt
            _log.warning("%s", message)
        self._told = message

    def _connect_and_serve(self) -> None:
        """Return once all is said; raise when the connection is lost before."""
        # The password is read each time: one that is mended or changed needs no restart.
        access = replace(Access.of_config(self._config), protocol=self._version)
        self._version = self._config.protocol  # until this version has proven itself again
        connection = Connection.open(
            access,
            self._client_id,
            keepalive_s=self._rhythm.keepalive,
            will=Will(self._topics.availability, OFFLINE),
        )
        self._version, self._told, self._reached = connection.version, "", True
        waiting = self._ledger.backlog()
        _log.info(
            "broker %s: connected with MQTT %s, %d events wait for it",
            access,
            connection.version,
            waiting,
        )
        self._connection = connection
        try:
            self._serve(connection)
            connection.close()
        finally:
            self._connection = None
            connection.abort()  # the will says offline, unless goodbye was said

    def _serve(self, connection: Connection) -> None:
        session = Session(
            connection,
            self._topics,
            self._stores,
            self._ledger,
            self._sent,
            status=self._status,
            quality=self._quality,
            news=self._news,
            clock=self._clock,
            rhythm=self._rhythm,
            announcement=self._announcement,
            update=self._update,
        )
        session.greet()
        while True:
            session.step()
            if self._stopping.is_set() and (
                session.drained() or time.monotonic() >= self._deadline
            ):
                session.say_goodbye()
                return
