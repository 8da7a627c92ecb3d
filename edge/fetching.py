"""Does what was offered over MQTT: fetches it, takes it in, and asks again while it cannot be had.

`headcount model pull`, which systemd starts when an offer lies in the folder of the models.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from edge.config import Config
from edge.contract.offer import Offer
from edge.contract.strict_json import mapping, parse_json
from edge.errors import BundleError, UpdateError
from edge.updater import BusyError, Updater
from edge.updater.pull import AwayError, pull
from edge.upkeep import OFFER, open_updater

PAUSES_S = (2.0, 300.0)  # first and longest

_log = logging.getLogger(__name__)


def fetch_offers(config: Config, wait: Callable[[float], bool]) -> None:
    """Take in what is offered, until nothing is.

    Args:
        config: the door's.
        wait: for so many seconds; whether to end now.
    """
    folder, updater = config.models, open_updater(config)
    pause = PAUSES_S[0]
    told = ""
    while (content := _read(folder / OFFER)) is not None:
        try:
            done = _take(folder, updater, content)
        except (AwayError, BusyError) as error:
            if str(error) != told:
                _log.warning("%s", error)
            told, done = str(error), False
        if done:
            pause = PAUSES_S[0]
            if _read(folder / OFFER) == content:  # none that came meanwhile
                (folder / OFFER).unlink(missing_ok=True)
        elif wait(pause):
            return
        else:
            pause = min(2 * pause, PAUSES_S[1])
    for part in folder.glob("offer-*.part"):
        part.unlink(missing_ok=True)


def _take(folder: Path, updater: Updater | None, content: bytes) -> bool:
    """Take one offer in, or refuse it for good.

    Raises:
        AwayError, BusyError: not now.
    """
    try:
        offer = Offer.from_json(mapping(parse_json(content)))
    except ValueError as error:
        _log.error("%s: an offer %s; it is not taken", folder / OFFER, error)
        return True
    if updater is None:
        _log.error("%s: the model is fixed by detector.model; it is not taken", offer.url)
        return True
    part = folder / f"offer-{offer.sha256[:16]}.part"
    name = Path(urlsplit(offer.url).path).name or offer.url
    before = updater.record.update
    try:
        pull(offer, part)
        with part.open("rb") as packed:
            update = updater.receive(packed)
        _log.info("%s: %s is %s", offer.url, update.model, update.phase.value)
    except (AwayError, BusyError):
        raise
    except (BundleError, UpdateError) as error:
        _log.error("%s; it is not taken", error)
        if updater.record.update == before:  # it never became a bundle of which more is known
            updater.refuse(name, offer.sha256, str(error))
    part.unlink(missing_ok=True)
    return True


def _read(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None
