"""Pictures that a door has kept for a retraining, fetched by their owner over ssh."""

from __future__ import annotations

import re
import shlex
import tarfile
import tempfile
from pathlib import Path

from deploy.door import Door, as_root
from edge.errors import WorldError

_NAME = re.compile(r"(heads|split)\.csv|images/[A-Za-z0-9][A-Za-z0-9_-]{0,80}\.jpg")
_PACKED = "samples.tar"


def fetch_samples(door: Door, folder: Path, *, clear: bool) -> int:
    """Fetch what a door has kept into a new folder; how many pictures there are.

    Args:
        door: where.
        folder: takes the layout that `headcount-train data import` reads.
        clear: remove them there, once they are here.

    Raises:
        WorldError: the door cannot be reached, or sends what is no such thing.
    """
    with tempfile.TemporaryDirectory() as desk, door.folder({}) as there:
        packed = Path(desk) / _PACKED
        if door.watch(as_root(f"headcount samples {shlex.quote(f'{there}/{_PACKED}')}")) != 0:
            raise WorldError(f"{door.host}: has packed no pictures, as it says above")
        door.fetch(f"cat {shlex.quote(f'{there}/{_PACKED}')}", packed)
        count = _unpack(packed, folder)
    if clear and door.watch(as_root("headcount samples --clear")) != 0:
        raise WorldError(f"{door.host}: keeps the pictures, as it says above; they are here, too")
    return count


def _unpack(packed: Path, folder: Path) -> int:
    """Write the members of an archive, of which none may lead anywhere else."""
    count = 0
    try:
        with tarfile.open(packed, "r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or not _NAME.fullmatch(member.name):
                    raise WorldError(f"{member.name!r}: the door sends what is no picture")
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
                count += path.suffix == ".jpg"
    except (OSError, tarfile.TarError) as error:
        raise WorldError(f"{folder}: the pictures cannot be unpacked: {error}") from error
    return count
