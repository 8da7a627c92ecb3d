"""The picture files of a folder, found by the names that annotations give them.

Names are compared in Unicode's composed form: an umlaut that a Mac has written in two characters
is the one that Windows wrote as one.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from training.data.photo import SUFFIXES


def composed(name: str) -> str:
    """A name in Unicode's composed form, with forward slashes."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


class PictureIndex:
    """All pictures below a folder, hidden ones aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and not _hidden(path.relative_to(folder))
        )
        self._inner = {path: composed(path.relative_to(folder).as_posix()) for path in self.paths}
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self._by_name[composed(path.name)].append(path)
            self._by_stem[composed(path.stem)].append(path)

    def find(self, name: str, hints: Iterable[str] = ()) -> Path | None:
        """The one picture that an annotation means by a name or relative path, if any.

        Args:
            name: as annotated, perhaps with folders.
            hints: names of folders of which one tells pictures of the same name apart.
        """
        tail = composed(name)
        same = self._by_name.get(tail.rpartition("/")[2], [])
        exact = [path for path in same if self._inner[path] == tail]
        nested = [path for path in same if self._inner[path].endswith(f"/{tail}")]
        return _only(exact or nested or same, hints)

    def find_stem(self, stem: str) -> Path | None:
        """The one picture of that name, whatever its suffix."""
        return _only(self._by_stem.get(composed(stem), []), ())


def _only(paths: list[Path], hints: Iterable[str]) -> Path | None:
    if len(paths) > 1:
        wanted = set(hints)
        paths = [path for path in paths if wanted & set(path.parts)]
    return paths[0] if len(paths) == 1 else None


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
