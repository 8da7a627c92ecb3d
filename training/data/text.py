"""Text files of annotations: read whole, as UTF-8, or refused in one line."""

from __future__ import annotations

from pathlib import Path

from edge.errors import DataError


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8; save it as UTF-8") from error
