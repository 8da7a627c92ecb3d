"""Room on the disk that is kept for counting: a file that is given up when the disk is full.

SQLite needs room even to delete, so a full disk would stop the counting at once. The file beside
the ledger holds nothing; without it some ten thousand more crossings fit. Once there is room again,
it is made again.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

SIZE = 8_000_000  # bytes: as much as a write-ahead log may take (4 MB), and as much again for rows

_ROOM = 2  # times the size must be free to make it: what is kept is not kept from others
_FULL = 1_000_000  # bytes free, below which a failed write is the full disk's fault

_log = logging.getLogger(__name__)


class Reserve:
    """The room that is kept for the ledger at `ledger`, in a file beside it."""

    def __init__(self, ledger: Path) -> None:
        self._path = ledger.with_name(ledger.name + ".reserve")
        self._kept: bool | None = None  # None: not known yet

    @property
    def spent(self) -> bool:
        """Whether the disk was too full to keep it, when that was last looked at."""
        return self._kept is False

    def keep(self) -> None:
        """Make the file where there is room for it; costs next to nothing where it is there."""
        if self._kept or (self._kept is None and self._is_whole()):
            self._kept = True
            return
        before, self._kept = self._kept, self._free() >= _ROOM * SIZE and self._make()
        if self._kept and before is False:
            _log.info("%s: there is room on the disk again", self._path.parent)
        if not self._kept and before is None:
            _log.warning(
                "%s: the disk has too little room to keep some for counting; free at least %d MB",
                self._path.parent,
                _ROOM * SIZE // 1_000_000,
            )

    def give_up(self) -> None:
        """Free the room."""
        try:
            self._path.unlink()
        except OSError:  # it is not there, or the disk takes no change at all
            self._kept = False
            return
        self._kept = False
        _log.warning(
            "%s: the disk is full; counting goes on in %d MB that were kept for this; free some "
            "space before they are used up",
            self._path.parent,
            SIZE // 1_000_000,
        )

    def would_help(self) -> bool:
        """Whether the disk is so full that a write may fail for it."""
        return self._free() < _FULL

    def _is_whole(self) -> bool:
        try:
            return self._path.stat().st_size >= SIZE
        except OSError:
            return False

    def _make(self) -> bool:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(file, 0, SIZE)
        except OSError:  # somebody was quicker
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(file)
        return True

    def _free(self) -> int:
        """Bytes that this user may still write."""
        try:
            status = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize
