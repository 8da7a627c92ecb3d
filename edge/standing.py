"""What `headcount model` does at a door: bring a model into service, go back, tell what is.

Without `-c` it acts at the door that install.sh has made, as its service's user.
"""

from __future__ import annotations

import ctypes
import grp
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from edge import model_card
from edge.access import Access
from edge.assembly import bundle_folder, judge
from edge.config import Config, read_config
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.messages import HealthSnapshot, StateMessage, Topics
from edge.contract.packed import pack
from edge.errors import BundleError, CallError, HeadcountError, UpdateError
from edge.mqtt import Connection, Message
from edge.selftest import SelfTest
from edge.updater import Update, Updater
from edge.updater.clip import find_clip
from edge.upkeep import model_in_service, open_updater

INSTALLED = Path("/etc/headcount/headcount.toml")
STATE = Path("/var/lib/headcount")
_PLACE = Path("/run/headcount-state")
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
_GROUP = "video"  # has cameras and sticks
_LOOK_S = 0.5
_START_S = 90.0  # in which a service that was just told begins its trial
_HEAR_S = 3.0


def enter(path: Path | None) -> tuple[Path | None, Config]:
    """The configuration that is meant, with its path; relative paths lead from here on.

    Raises:
        HeadcountError: it cannot be read.
    """
    if path is not None or not INSTALLED.exists():
        return path, read_config(path) if path else Config()
    try:
        os.chdir(STATE)
    except OSError as error:
        raise UpdateError(f"{STATE}: {error.strerror}; run it with sudo") from error
    return INSTALLED, read_config(INSTALLED)


def packed(what: str) -> BinaryIO:
    """One packed bundle, from a file, from a folder or from standard input (`-`).

    Raises:
        HeadcountError: there is none.
    """
    if what == "-":
        return sys.stdin.buffer
    path = bundle_folder(Path(what))
    if path.is_dir():
        spooled = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - given to the caller
        pack(read_bundle(path), spooled)
        spooled.seek(0)
        return spooled
    try:
        return path.open("rb")
    except OSError as error:
        raise CallError(f"{path}: {error.strerror}; give a bundle's folder or file") from error


def become_owner(state: Path = STATE) -> None:
    """As root in the state directory of a service: be its user from here on, in that directory.

    The directory of a user that exists for a service alone lies in one that only root may enter. So
    it gets a second place, in a view of the file system that this process has for itself.

    Raises:
        UpdateError: the kernel does not allow it.
    """
    here, owner = Path.cwd(), Path.cwd().stat()
    if os.geteuid() != 0 or owner.st_uid == 0 or here != state.resolve():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _PLACE.mkdir(mode=0o755, exist_ok=True)
    for call in (
        partial(libc.unshare, _CLONE_NEWNS),
        partial(libc.mount, b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
        partial(libc.mount, os.fsencode(here), os.fsencode(_PLACE), None, _MS_BIND, None),
    ):
        if call() != 0:
            reason = os.strerror(ctypes.get_errno())
            raise UpdateError(f"{here}: cannot be entered as its owner: {reason}")
    os.chdir(_PLACE)
    groups = []
    with suppress(KeyError):
        groups = [grp.getgrnam(_GROUP).gr_gid]
    os.setgroups(groups)
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    os.umask(0o077)


def activate(config: Config, path: Path | None, bundle: BinaryIO) -> Update:
    """Take a bundle in and wait until its trial is over.

    Raises:
        BundleError: it is damaged, or nobody vouches for it.
        UpdateError: it is not for this door, did not pass, or its trial does not come.
    """
    updater = updater_of(config)
    become_owner()
    with closing(bundle):
        update = updater.receive(bundle)
    test = SelfTest(config, path)
    deadline = time.monotonic() + _START_S + 3 * config.update.self_test_s
    while updater.record.pending:
        if time.monotonic() > deadline:
            raise UpdateError(f"{update.model}: its trial has not come yet; see `model status`")
        if updater.is_served():
            time.sleep(_LOOK_S)
        else:
            updater.settle(test.judge)
    end = updater.record.update
    if end is None or end.sha256 != update.sha256:
        raise UpdateError(f"{update.model}: another update came after it")
    if end.reason:
        raise UpdateError(f"{end.model}: {end.phase.value}: {end.reason}")
    return end


def roll_back(config: Config) -> Bundle:
    """Put the model in service that was before.

    Raises:
        UpdateError: there is none, or not now.
    """
    updater = updater_of(config)
    become_owner()
    return updater.roll_back()


def updater_of(config: Config) -> Updater:
    """The updater of a door.

    Raises:
        UpdateError: its configuration fixes the model.
    """
    updater = open_updater(config)
    if updater is None:
        raise UpdateError(
            f"the model is fixed: detector.model is {config.detector.model}; take that line out "
            "of the configuration, and updates decide"
        )
    return updater


def verify(config: Config, bundle: Bundle) -> str:
    """The id of the trusted key that signed a bundle.

    Raises:
        BundleError: nobody vouches for it.
    """
    return (
        judge(bundle, config.detector.trusted_keys, allow_unsigned=False).key_id
        or "headcount itself"
    )


def status(config: Config, path: Path | None) -> dict[str, Any]:
    """What runs here and how it does; what is not known is None.

    Raises:
        BundleError: no model is sound.
    """
    bundle = model_in_service(config)
    trust = judge(bundle, config.detector.trusted_keys, allow_unsigned=True)
    updater = open_updater(config)
    record = None if updater is None else updater.record
    before = None
    with suppress(BundleError):  # damaged, and told at the next rollback
        before = None if updater is None else updater.before()
    update = None if record is None else record.update
    clip = find_clip(config.models)
    return {
        "device": config.device.id,
        "model": model_card.to_json(bundle, trust),
        "before": None if before is None else f"{before.manifest.name} {before.manifest.version}",
        "counting": updater is not None and updater.is_served(),
        "update": None if update is None else {**_words(update), "at": update.at},
        "audit": SelfTest(config, path).known(bundle, clip),
        **_heard(config),
    }


def _words(update: Update) -> dict[str, str]:
    return {"model": update.model, "phase": update.phase.value, "reason": update.reason}


def _heard(config: Config) -> Mapping[str, Any]:
    """What the service has said last: the retained health and state."""
    found: dict[str, Any] = {"health": None, "state": None}
    if not config.mqtt.url:
        return found
    topics = Topics(config.device.id)
    kinds: dict[str, tuple[str, Callable[[bytes], HealthSnapshot | StateMessage]]] = {
        topics.health: ("health", HealthSnapshot.from_json),
        topics.state: ("state", StateMessage.from_json),
    }
    with suppress(HeadcountError):
        access = Access.of_config(replace(config.mqtt, stores=()))
        connection = Connection.open(access, f"headcount-status-{os.getpid()}")
        try:
            connection.subscribe(*kinds)
            deadline = time.monotonic() + _HEAR_S
            while None in found.values() and time.monotonic() < deadline:
                event = connection.next(_LOOK_S)
                if isinstance(event, Message) and event.topic in kinds:
                    name, read = kinds[event.topic]
                    found[name] = json.loads(read(event.payload).to_json())
        finally:
            connection.close()
    return found


def tell(report: Mapping[str, Any]) -> str:
    """What a person wants to know of a status, a line each."""
    model, update, audit = report["model"], report["update"], report["audit"]
    idle = "" if report["counting"] else "   (the service does not run)"
    name = f"{model['name']} {model['version']}"
    rows = [
        f"device   {report['device']}{idle}",
        f"model    {name} (counter {model['counter']}), {model['trust']}",
        f"before   {report['before'] or 'none'}",
    ]
    if update:
        reason = f": {update['reason']}" if update["reason"] else ""
        rows.append(f"update   {update['model']} {update['phase']}{reason}   ({update['at']})")
    if audit:
        errors = f"{audit['errors']} errors on the clip, " if "errors" in audit else ""
        rows.append(f"tested   {errors}{audit['ms']:.0f} ms a picture")
    health, state = report["health"], report["state"]
    if health:
        rows.append(f"health   {_figure(health['fps'])} pictures/s on {health['device']}")
    if state:
        doubts = state["quality"].get("doubts") or ["none"]
        rows.append(f"counts   in {state['in_total']}, out {state['out_total']}")
        rows.append(f"doubts   {', '.join(doubts)}")
    return "\n".join(rows)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"
