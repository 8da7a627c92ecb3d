"""The service's side of updates: settles them before it counts, and notices new ones while it does.

A model is tried between two stretches of counting, when camera and stick are free. The one in
service is blamed for what ends the service badly, until it has counted for long enough.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event

from edge.assembly import choose_bundle
from edge.config import Config
from edge.contract.bundle import Bundle, write_file
from edge.contract.commands import UPDATE, Command
from edge.contract.strict_json import canonical_json
from edge.errors import BundleError, DetectorError, HeadcountError, UpdateError
from edge.notify import Systemd
from edge.selftest import SelfTest
from edge.updater import Updater
from edge.upkeep import OFFER, open_updater

PROVEN_S = 600.0  # of counting, after which a model is not to blame any more
_MORE_S = 30  # that systemd is asked to wait
_RETRY_S = 600.0  # until what could not be settled is tried again


class _Patience:
    """Asks systemd to bear with a test, which ends by its own limits."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._due = 0.0

    def ask(self) -> None:
        """Ask again, if it is time to."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + 1
            more = f"EXTEND_TIMEOUT_USEC={_MORE_S * 1_000_000}"
            self._systemd.tell("WATCHDOG=1", more, "STATUS=testing a new model")


class Models:
    """The models of the service. Without an updater there is one, fixed by the configuration."""

    def __init__(
        self,
        config: Config | None = None,
        updater: Updater | None = None,
        test: SelfTest | None = None,
    ) -> None:
        self._config = config or Config()
        self._updater = updater
        self._test = test
        self._stamp = (0, 0)
        self._settled = self._begun = time.monotonic()
        self._proven = False

    @classmethod
    def of(cls, config: Config, path: Path, stop: Event, systemd: Systemd) -> Models:
        """Those of a door whose configuration lies at `path`."""
        updater = open_updater(config)
        test = SelfTest(config, path, stop, tick=_Patience(systemd).ask)
        if updater is not None:
            updater.hold()
        return cls(config, updater, test)

    def settle(self) -> Bundle:
        """End what is pending, and give the model to count with.

        Raises:
            BundleError: there is none that is sound and trusted.
        """
        if self._updater is None or self._test is None:
            return choose_bundle(self._config.detector, must_be_trusted=True)
        self._updater.settle(self._test.judge)
        self._stamp, self._settled = self._updater.stamp(), time.monotonic()
        return self._updater.in_service()

    def has_news(self, bundle: Bundle) -> bool:
        """Whether another model than `bundle` is to be tried or used now; any thread may ask."""
        if self._updater is None:
            return False
        now = time.monotonic()
        if not self._proven and now - self._begun > PROVEN_S:
            self._updater.prove()
            self._proven = True
        late = now - self._settled > _RETRY_S
        stamp = self._updater.stamp()
        if stamp == self._stamp and not late:
            return False
        self._stamp, self._settled = stamp, now
        with contextlib.suppress(BundleError):
            record = self._updater.record
            return record.pending or self._updater.in_service().sha256 != bundle.sha256
        return True

    @contextlib.contextmanager
    def blamed(self, bundle: Bundle) -> Iterator[None]:
        """Within the block the model is to blame for a bad end: a crash, a hang, a lost device."""
        if self._updater is None:
            yield
            return
        self._begun, self._proven = time.monotonic(), False
        self._updater.begin(bundle)
        try:
            yield
        except (DetectorError, BundleError):
            raise
        except HeadcountError:  # the camera, the ledger
            self._updater.end()
            raise
        self._updater.end()

    def order(self, command: Command) -> None:
        """Do what a command asks of the models.

        Raises:
            UpdateError: it cannot be done.
        """
        if self._updater is None:
            raise UpdateError(f"{command.name}: the model is fixed by detector.model")
        if command.name != UPDATE or command.offer is None:
            self._updater.roll_back()
            return
        folder = self._config.models
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / OFFER, canonical_json(command.offer.to_json()))
        except OSError as error:
            raise UpdateError(f"{folder}: {error.strerror}; the offer is not taken") from error

    def latest_update(self) -> Mapping[str, str] | None:
        """What became of the latest update, for health."""
        update = None if self._updater is None else self._updater.record.update
        if update is None:
            return None
        words = {"model": update.model, "phase": update.phase.value}
        return {**words, "reason": update.reason, "at": update.at}
