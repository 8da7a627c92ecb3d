"""The folder where a device keeps its bundles, and the link that says which one is in service.

    models/
      store/NAME-COUNTER-DIGEST/   a bundle, whole and on the disk before it gets this name
      incoming-XXXX/               one that is coming in; after a fault nobody's, and swept
      current -> store/...         what is in service; without it, what came with the application

A switch is one rename, and lasts when it returns. Nothing here decides.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from edge.contract.bundle import Bundle, fsync_folder
from edge.updater.record import SHIPPED

_LINK = "current"
_STORE = "store"
_INCOMING = "incoming-"


def name_of(bundle: Bundle) -> str:
    """The name of a bundle on the shelf."""
    return f"{bundle.manifest.name}-{bundle.manifest.counter}-{bundle.sha256[:12]}"


class Shelf:
    """The shelf at `folder`, which need not be there yet."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self.folder = folder
        self._shipped = shipped
        self._link = folder / _LINK
        self._new, self._back = folder / f".{_LINK}.new", folder / f".{_LINK}.back"
        self._store = folder / _STORE

    def current(self) -> str:
        """The name of what is in service."""
        try:
            return self._link.readlink().name
        except OSError:
            return SHIPPED

    def path(self, name: str) -> Path:
        """The folder of a bundle."""
        return self._store / name if name else self._shipped

    def incoming(self) -> Path:
        """A new folder for a bundle that is coming in.

        Raises:
            OSError: it cannot be made.
        """
        self._store.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self.folder))

    def take_in(self, bundle: Bundle) -> str:
        """Give a bundle, which is on the disk as a whole, its place; returns its name there.

        Raises:
            OSError: it cannot be moved.
        """
        name = name_of(bundle)
        place = self.path(name)
        if place.exists():  # the same one, of an earlier update
            place.rename(self.incoming() / name)
        bundle.folder.rename(place)
        fsync_folder(self._store)
        fsync_folder(self.folder)
        return name

    def switch(self, name: str) -> None:
        """Put a bundle in service: at any moment either this one is or the one before.

        Raises:
            OSError: nothing is changed.
        """
        if name == self.current():
            return
        if name == SHIPPED:
            self._link.unlink()
        else:
            self._lead(self._new, name).replace(self._link)
        fsync_folder(self.folder)

    def prepare_way_back(self) -> None:
        """Make ready to switch back to what is in service now, so that it needs no room then.

        Raises:
            OSError: it cannot be done.
        """
        name = self.current()
        if name != SHIPPED:
            self._lead(self._back, name)
            fsync_folder(self.folder)

    def go_back(self, name: str) -> None:
        """Switch to `name` by the way that was prepared, if it leads there.

        Raises:
            OSError: nothing is changed.
        """
        with suppress(OSError):
            if self._back.readlink().name == name:
                self._back.replace(self._link)
                fsync_folder(self.folder)
        self.switch(name)

    def _lead(self, link: Path, name: str) -> Path:
        link.unlink(missing_ok=True)
        link.symlink_to(Path(_STORE) / name)
        return link

    def sweep(self, keep: Collection[str | None]) -> None:
        """Remove what is neither in service nor among `keep`; what cannot be removed stays."""
        kept = {*keep, self.current()}
        with suppress(OSError):
            for path in [*self.folder.glob(f"{_INCOMING}*"), *self._store.iterdir()]:
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)
