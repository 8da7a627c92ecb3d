"""A bundle as one file, for its way to a device: a plain tar (ustar) that begins with the manifest.

    manifest.json  manifest.sig  [manifest.permit]  then the files that the manifest lists

A tar archive of strangers is a program for whoever unpacks it. Here a member is a regular file, its
header is one block, and no file is written before somebody has approved of the manifest, which says
what may be written, how much, and with which sha256.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from edge.contract.bundle import (
    MANIFEST,
    MAX_MANIFEST,
    PERMIT,
    SIGNATURE,
    Bundle,
    fsync_folder,
    read_bundle,
)
from edge.contract.manifest import Manifest
from edge.errors import BundleError

_BLOCK = 512  # bytes of tar
_CHUNK = 1 << 20
_HEAD = (MANIFEST, SIGNATURE, PERMIT)
_AGAIN = "pack it again"


def pack(bundle: Bundle, file: BinaryIO) -> None:
    """Write a bundle into one file.

    Raises:
        BundleError: a path is too long for that, or a file is not as it was.
    """
    heads = {MANIFEST: bundle.manifest_bytes, SIGNATURE: bundle.signature_bytes}
    heads[PERMIT] = bundle.permit_bytes
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in heads.items():
                if content is not None:
                    archive.addfile(_member(name, len(content)), io.BytesIO(content))
            for name, entry in bundle.manifest.files.items():
                with bundle.path(name).open("rb") as source:
                    archive.addfile(_member(name, entry.size), source)
    except (OSError, ValueError) as e:
        raise BundleError(f"{bundle.folder}: cannot be packed: {e}") from e


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # the time stays 0: the same bundle is the same file
    member.size = size
    member.mode = 0o644
    return member


def unpack(file: BinaryIO, folder: Path, approve: Callable[[Bundle], None], *, most: int) -> Bundle:
    """Read a packed bundle into a new folder and make it durable.

    Args:
        file: read once, from its start.
        folder: an empty one.
        approve: is shown the bundle before any of its files is written, and raises to refuse it.
        most: bytes that all its files may have together.

    Raises:
        BundleError: it is damaged, too large, or holds what its manifest does not list.
        OSError: it cannot be written, as when the disk is full.
    """
    members = _Members(file)
    heads = _heads(members)
    bundle = _bundle(folder, heads)
    missing = dict(bundle.manifest.files)
    total = sum(entry.size for entry in missing.values())
    if total > most:
        raise BundleError(f"the bundle has {total} bytes, and {most} are allowed (update.max_mb)")
    approve(bundle)
    for head, content in heads.items():
        _write(folder / head, [content])
    while (name := members.name) is not None:
        entry = missing.pop(name, None)
        if entry is None or entry.size != members.size:
            raise BundleError(
                f"{name!r} of {members.size} bytes is not what {MANIFEST} lists; {_AGAIN}"
            )
        if _write(folder / name, members.content()) != entry.sha256:
            raise BundleError(f"{name} is damaged (its sha256 differs); {_AGAIN}")
        members.go_on()
    if missing:
        raise BundleError(f"{sorted(missing)[0]} is missing in the packed bundle; {_AGAIN}")
    for inner in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        fsync_folder(inner)
    return read_bundle(folder)


class _Members:
    """The members of an archive, one after the other.

    Attributes:
        name: of the one at hand; None after the last.
        size: of its content in bytes, which is to be read before `go_on`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.name: str | None = None
        self.go_on()

    def go_on(self) -> None:
        """Take the next member in hand."""
        self._read(-self.size % _BLOCK)
        block = self._read(_BLOCK)
        self.name, self.size = None, 0
        if not block.strip(b"\0"):
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as e:
            raise BundleError(f"this is no packed bundle ({e}); {_AGAIN}") from e
        if not member.isreg() or member.size < 0:
            raise BundleError(f"{member.name!r} is no regular file; {_AGAIN}")
        self.name, self.size = member.name, member.size

    def content(self) -> Iterator[bytes]:
        """The content of the one at hand, in pieces."""
        left = self.size
        while left:
            piece = self._read(min(left, _CHUNK))
            left -= len(piece)
            yield piece

    def _read(self, count: int) -> bytes:
        content = self._file.read(count) if count else b""
        if len(content) != count:
            raise BundleError(f"the packed bundle is cut off; {_AGAIN}")
        return content


def _heads(members: _Members) -> dict[str, bytes]:
    heads: dict[str, bytes] = {}
    while members.name in _HEAD and members.name not in heads:
        if members.size > MAX_MANIFEST:
            raise BundleError(f"{members.name} is larger than {MAX_MANIFEST} bytes; {_AGAIN}")
        heads[members.name] = b"".join(members.content())
        members.go_on()
    if MANIFEST not in heads:
        raise BundleError(f"this is no packed bundle: it does not begin with {MANIFEST}; {_AGAIN}")
    return heads


def _bundle(folder: Path, heads: Mapping[str, bytes]) -> Bundle:
    content = heads[MANIFEST]
    try:
        manifest = Manifest.from_bytes(content)
    except ValueError as e:
        raise BundleError(f"{MANIFEST}: {e}; {_AGAIN}") from e
    return Bundle(folder, manifest, content, heads.get(SIGNATURE), heads.get(PERMIT))


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    """Write a new file and make it durable; the hex digest of its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as out:
        for piece in pieces:
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()
