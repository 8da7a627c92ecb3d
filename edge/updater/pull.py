"""Fetches an offered file over HTTP(S): goes on where it was cut off, and takes no byte too many.

What is fetched is believed for nothing: its size and sha256 are the offer's, its signature is
looked at by others.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from edge.contract.offer import Offer
from edge.errors import UpdateError

_CHUNK = 1 << 16
_SILENT_S = 20.0
_ROOM = 16 << 20  # bytes that stay free for counting
_PARTIAL = 206
_NOT_SATISFIABLE = 416
_FOR_GOOD = range(400, 500)  # but for those below
_FOR_NOW = (408, 425, 429)


class AwayError(UpdateError):
    """The file cannot be fetched now; it may be later, from where it was cut off."""


def pull(offer: Offer, path: Path) -> None:
    """Fetch a file to `path`, going on from what is there.

    Raises:
        AwayError: not now.
        UpdateError: it is not what was offered; nothing is left of it.
    """
    before = _size(path)
    if before > offer.size:
        path.unlink()
        before = 0
    if before < offer.size:
        _check_room(path, offer.size - before)
        try:
            _fetch(offer, path, before)
        except urllib.error.HTTPError as error:
            raise _refused(offer, path, error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise AwayError(f"{offer.url}: {reason}; tried again later") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest == offer.sha256:
        return
    path.unlink(missing_ok=True)
    if before:  # a power cut may have left zeros where bytes were fetched
        raise AwayError(f"{offer.url}: what was fetched before is damaged; it is fetched anew")
    raise UpdateError(f"{offer.url}: is not what was offered (its sha256 differs)")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _fetch(offer: Offer, path: Path, have: int) -> None:
    request = urllib.request.Request(offer.url)  # noqa: S310 - an offer is http or https
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _opener().open(request, timeout=_SILENT_S) as answer:
        if have and answer.status != _PARTIAL:  # it begins anew
            have = 0
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(offer.size - have):
            path.unlink(missing_ok=True)
            raise UpdateError(
                f"{offer.url}: has {length} bytes to give, and {offer.size - have} were offered"
            )
        with path.open("ab" if have else "wb") as file:
            left = offer.size - have
            while left and (chunk := answer.read(min(left, _CHUNK))):
                file.write(chunk)
                left -= len(chunk)
            file.flush()
            os.fsync(file.fileno())
    if left:
        raise AwayError(f"{offer.url}: was cut off; tried again later")


def _opener() -> urllib.request.OpenerDirector:
    """Of HTTP and HTTPS alone: no redirection leads to a file or elsewhere."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _refused(offer: Offer, path: Path, error: urllib.error.HTTPError) -> UpdateError:
    with error:
        if error.code == _NOT_SATISFIABLE:  # another file lies there by now
            path.unlink(missing_ok=True)
        elif error.code in _FOR_GOOD and error.code not in _FOR_NOW:
            return UpdateError(f"{offer.url}: the server says {error.code} {error.reason}")
        return AwayError(f"{offer.url}: the server says {error.code}; tried again later")


def _check_room(path: Path, more: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < 2 * more + _ROOM:  # it is unpacked beside
        raise AwayError(f"{path.parent}: the disk has no room for {more / 1e6:.0f} MB; make some")
