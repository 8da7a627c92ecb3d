"""Takes a new model into service, or goes back to the one before: the states of an update.

    received -> verified -> staged -> trial -> committed
        |           |                   |
        +-- refused +                   +-- back

Each step is on the disk before the next begins, and every start of the service ends what an earlier
one has left: what was not staged is swept away, a trial is begun anew, once, and then given up. At
any moment the link leads to a whole bundle.

Who vouches for bundles, and how one is tested, is told by those who build this.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from edge.contract.bundle import Bundle, read_bundle, write_file
from edge.contract.messages import format_utc
from edge.contract.packed import unpack
from edge.errors import BundleError, UpdateError
from edge.updater.admission import admit
from edge.updater.house import BusyError, House, StoppedError, Test, Verdict
from edge.updater.lock import alone, hold, is_held
from edge.updater.record import (
    PENDING,
    SHIPPED,
    UNFINISHED,
    Phase,
    Record,
    Update,
    load,
    save,
)
from edge.updater.shelf import Shelf

MOST_TRIES = 2  # trials of one bundle; the second is for a power cut during the first
MOST_CRASHES = 2  # bad ends of the service with a young model until it goes back

_log = logging.getLogger(__name__)


class Updater:
    """The updates of one device. Several processes may have one; a lock lets one act at a time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._shelf = Shelf(house.folder, house.shipped)
        self._state = house.folder / "state.json"
        self._running = house.folder / "running"

    @property
    def record(self) -> Record:
        """What is remembered now."""
        return load(self._state)

    def stamp(self) -> tuple[int, int]:
        """Changes with whatever is remembered or in service."""
        with suppress(OSError):
            state = self._state.stat()
            return state.st_ino, state.st_mtime_ns
        return 0, 0

    def in_service(self) -> Bundle:
        """The model to count with: never one that is on trial, and never one that is damaged.

        Raises:
            BundleError: not even the bundle that came with the application is sound.
        """
        record = self.record
        names = [self._shelf.current(), record.previous]
        if record.update is not None and record.update.phase is Phase.TRIAL:
            names = [name for name in names if name != record.candidate]
        for name in names:
            if name is not None:
                try:
                    return self._sound(name)
                except BundleError as error:
                    _log.error("%s; counting goes on with the one before", error)
        return self._sound(SHIPPED)

    def before(self) -> Bundle | None:
        """What a rollback would put in service; None where there is none."""
        previous = self.record.previous
        return None if previous is None else self._sound(previous)

    # ---- an update comes in

    def receive(self, packed: BinaryIO) -> Update:
        """Take a packed bundle in until it is staged.

        Returns:
            The update, which waits for `settle`; committed already where that model is in service.

        Raises:
            BundleError: the bundle is damaged, or nobody vouches for it.
            UpdateError: it is not for this device, older than what was here, or another is at work.
        """
        with alone(self._house.folder):
            record = self._swept(self.record)
            if record.pending:
                raise BusyError("another update waits for its trial; wait for its end")
            try:
                return self._receive(packed, record)
            except OSError as error:
                raise BusyError(f"{self._house.folder}: {error.strerror}; make room") from error
            finally:
                self._shelf.sweep(_kept(self.record))

    def _receive(self, packed: BinaryIO, record: Record) -> Update:
        folder = self._shelf.incoming()
        seen: list[Bundle] = []

        def approve(bundle: Bundle) -> None:
            seen.append(bundle)
            self._note(record, Update.of(bundle, Phase.RECEIVED, self._now()))
            floor = record.floor(bundle.manifest.name)
            admit(bundle, self._house, floor, self._in_service_digest())
            self._note(record, Update.of(bundle, Phase.VERIFIED, self._now()))

        try:
            bundle = unpack(packed, folder, approve, most=self._house.most)
            if bundle.sha256 == self._in_service_digest():
                done = Update.of(bundle, Phase.COMMITTED, self._now())
                self._note(record, done)
                return done
            name = self._shelf.take_in(bundle)
            staged = Update.of(bundle, Phase.STAGED, self._now())
            self._note(replace(record, candidate=name), staged)
        except (BundleError, UpdateError, OSError) as error:
            if seen:  # of what is no bundle at all there is nothing to remember
                with suppress(OSError):
                    reason = str(error)
                    update = Update.of(seen[0], Phase.REFUSED, self._now(), reason)
                    self._note(record, update)
            raise
        return staged

    # ---- and is tried

    def settle(self, test: Test) -> None:
        """End what is pending, by a trial where one waits; nothing is pending in most calls.

        A disk that takes nothing, and another process at work, leave it pending.
        """
        try:
            with alone(self._house.folder):
                record = self._mended(self._after_crashes(self._swept(self.record)))
                if record.pending:
                    self._try(record, test)
        except UpdateError as error:
            _log.warning("%s; the model in service stays", error)
        except (BundleError, OSError) as error:
            _log.warning("%s: %s; the model in service stays", self._house.folder, error)

    def _swept(self, record: Record) -> Record:
        """What a process that was cut off has left is ended."""
        update = record.update
        if update is not None and update.phase in UNFINISHED:
            record = self._note(record, self._phase(update, Phase.REFUSED, "it was cut off"))
        self._shelf.sweep(_kept(record))
        return record

    def _after_crashes(self, record: Record) -> Record:
        """Count a bad end of the service against a young model, and go back after some."""
        if not self._running.exists():
            return record
        digest = self._running.read_bytes().decode(errors="replace")
        self._running.unlink()
        if not record.young or digest != self._in_service_digest():
            return record
        record = replace(record, crashes=record.crashes + 1)
        if record.crashes < MOST_CRASHES or record.previous is None:
            save(self._state, record)
            return record
        reason = f"the service ended badly {record.crashes} times with it"
        young = Update.of(self._sound(self._shelf.current()), Phase.COMMITTED, self._now())
        _log.error("%s: %s; back to the one before", young.model, reason)
        return self._go_back(replace(record, update=young), record.previous, reason)

    def _mended(self, record: Record) -> Record:
        """A damaged model in service gives way for good to the one that counts in its place."""
        on_trial = record.update is not None and record.update.phase is Phase.TRIAL
        name = self._shelf.current()
        if on_trial or name == SHIPPED:
            return record
        try:
            self._sound(name)
        except BundleError as error:
            _log.error("%s; back to the one before", error)
            before = self._first_sound(record.previous)
            self._shelf.switch(before)
            record = replace(record, previous=None, crashes=0, young=False)
            save(self._state, record)
            self._shelf.sweep(_kept(record))
        return record

    def _first_sound(self, *names: str | None) -> str:
        """The first of them that is sound, else the shipped one."""
        for name in filter(None, names):
            with suppress(BundleError):
                self._sound(name)
                return name
        return SHIPPED

    def _try(self, record: Record, test: Test) -> None:
        update, name = record.update, record.candidate
        assert update is not None
        before = record.previous if update.phase is Phase.TRIAL else self._shelf.current()
        before = SHIPPED if before is None else before
        if name is None or update.tries >= MOST_TRIES:
            self._go_back(record, before, "its trial was cut off twice")
            return
        _log.info("update to %s: on trial", update.model)
        self._shelf.prepare_way_back()
        trial = self._phase(replace(update, tries=update.tries + 1), Phase.TRIAL)
        # What was before the one in service is kept until this one is committed.
        oldest = record.previous
        on_trial = self._note(replace(record, previous=before), trial)
        self._shelf.switch(name)
        try:
            verdict = test(self._sound(name), self._sound(before))
        except StoppedError:
            self._shelf.go_back(before)
            self._note(replace(on_trial, previous=oldest), update)
            return
        except BundleError as error:
            verdict = Verdict(good=False, reason=str(error))
        if verdict.good:
            try:
                self._commit(on_trial, trial)
            except OSError:  # what cannot be remembered is not in service
                self._shelf.go_back(before)
                raise
        else:
            _log.error("update to %s: back to the one before: %s", update.model, verdict.reason)
            self._go_back(replace(on_trial, previous=oldest), before, verdict.reason)

    def _commit(self, record: Record, update: Update) -> None:
        floors = {**record.floors}
        floors[update.name] = max(update.counter, record.floor(update.name))
        committed = replace(record, floors=floors, candidate=None, crashes=0, young=True)
        committed = self._note(committed, self._phase(update, Phase.COMMITTED))
        _log.info("update to %s: committed", update.model)
        self._shelf.sweep(_kept(committed))

    def _go_back(self, record: Record, name: str, reason: str) -> Record:
        update = record.update
        assert update is not None
        self._shelf.go_back(name)
        previous = None if record.previous == name else record.previous
        record = replace(record, candidate=None, previous=previous, crashes=0, young=False)
        record = self._note(record, self._phase(update, Phase.BACK, reason))
        self._shelf.sweep(_kept(record))
        return record

    def roll_back(self) -> Bundle:
        """Put the model in service that was before; a second time goes forth again.

        Raises:
            UpdateError: there is none, an update is under way, or the disk takes nothing.
            BundleError: the one before is damaged, or trusted no more.
        """
        with alone(self._house.folder):
            record, now = self.record, self._shelf.current()
            if record.pending:
                raise BusyError("an update waits for its trial; wait for its end")
            if record.previous is None:
                raise UpdateError("there is no model before the one in service")
            bundle = self._sound(record.previous)
            update = Update.of(bundle, Phase.COMMITTED, self._now(), "rolled back by its owner")
            try:
                # The link first: a cut in between leaves one that leads to a whole bundle.
                self._shelf.switch(record.previous)
                self._note(replace(record, previous=now, crashes=0, young=False), update)
            except OSError as error:
                raise UpdateError(f"{self._house.folder}: {error.strerror}") from error
            return bundle

    # ---- the service with a model

    def hold(self) -> None:
        """Let others know that the service of this door runs, until this process ends."""
        hold(self._house.folder)

    def is_served(self) -> bool:
        """Whether the service of this door runs, and so tries what is staged by itself."""
        return is_held(self._house.folder)

    def refuse(self, what: str, digest: str, reason: str) -> None:
        """Remember that something was offered that never became a bundle; `what` is for people."""
        with suppress(OSError, UpdateError), alone(self._house.folder):
            if not self.record.pending:
                about = (what[:64], "", 0, digest)
                update = Update(*about, phase=Phase.REFUSED, at=self._now(), reason=reason)
                self._note(self.record, update)

    def begin(self, bundle: Bundle) -> None:
        """Take note that the service counts with a model from now on."""
        with suppress(OSError):
            if self._house.folder.is_dir():
                write_file(self._running, bundle.sha256.encode())

    def end(self) -> None:
        """Take note that it has ended, and not for the model's sake."""
        with suppress(OSError):
            self._running.unlink(missing_ok=True)

    def prove(self) -> None:
        """Take note that the model in service has counted for long enough to be trusted."""
        with suppress(OSError, UpdateError), alone(self._house.folder):
            record = self.record
            if record.young:
                save(self._state, replace(record, young=False, crashes=0))

    # ---- in common

    def _sound(self, name: str) -> Bundle:
        bundle = read_bundle(self._shelf.path(name))
        self._house.judge(bundle)
        return bundle

    def _in_service_digest(self) -> str:
        with suppress(BundleError):
            return read_bundle(self._shelf.path(self._shelf.current())).sha256
        return ""

    def _note(self, record: Record, update: Update) -> Record:
        record = replace(record, update=update)
        if update.phase not in PENDING:
            record = replace(record, candidate=None)
        save(self._state, record)
        return record

    def _phase(self, update: Update, phase: Phase, reason: str = "") -> Update:
        return replace(update, phase=phase, at=self._now(), reason=reason)

    def _now(self) -> str:
        return format_utc(self._house.clock())


def _kept(record: Record) -> tuple[str | None, ...]:
    return record.candidate, record.previous
