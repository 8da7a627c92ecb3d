"""A model bundle: a folder with a manifest, an optional signature, and the files it lists.

    models/default/
        manifest.json   what the model is, and the size and sha256 of each other file
        manifest.sig    who says so (see `edge.contract.signature`)
        manifest.permit to go back to it, where one was signed (see `edge.contract.permit`)
        model.xml       ... the files

What differs from its manifest in any way is refused. Whether a manifest is to be believed is
the business of `edge.contract.signature`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge import __version__
from edge.contract.manifest import FileEntry, Manifest, ModelInput, Variant
from edge.errors import BundleError

__all__ = [
    "MANIFEST",
    "MAX_MANIFEST",
    "PERMIT",
    "SIGNATURE",
    "Bundle",
    "FileEntry",
    "Manifest",
    "ModelInput",
    "Variant",
    "family",
    "fsync_folder",
    "read_bundle",
    "write_bundle",
    "write_file",
]

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PERMIT = "manifest.permit"

MAX_MANIFEST = 4 << 20  # bytes; a plan of a large network is 100 kB
_MAX_DEPTH = 8
_FETCH = "fetch or build the bundle again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder that was what its manifest says when it was read."""

    folder: Path
    manifest: Manifest
    manifest_bytes: bytes
    signature_bytes: bytes | None  # content of manifest.sig; not yet verified
    permit_bytes: bytes | None = None  # content of manifest.permit; not yet verified

    @property
    def sha256(self) -> str:
        """Hex digest of the manifest, and by it of everything in the bundle."""
        return hashlib.sha256(self.manifest_bytes).hexdigest()

    def path(self, name: str) -> Path:
        """Where a file of the bundle lies."""
        return self.folder / name

    def variant(self, device: str) -> Variant:
        """The variant made for a device, else the first; see `variants`."""
        return self.variants(device)[0]

    def variants(self, device: str) -> tuple[Variant, ...]:
        """The variants made for a device in the manifest's order, else the first of all.

        Args:
            device: as OpenVINO names it; `GPU.0` is a GPU, `AUTO:GPU,CPU` is AUTO.
        """
        every = self.manifest.variants
        return tuple(v for v in every if family(device) in v.devices) or every[:1]


def family(device: str) -> str:
    """The kind of an OpenVINO device: `GPU` of `GPU.0`, `AUTO` of `AUTO:GPU,CPU`."""
    return re.split(r"[.:,(]", device)[0]


def read_bundle(folder: Path, *, app_version: str = __version__) -> Bundle:
    """Read a bundle and verify every byte of it against its manifest.

    Raises:
        BundleError: there is none, or it is damaged, or made for a later version.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle; give the folder that holds {MANIFEST}")
    folder = folder.resolve()  # the folder itself may be a link: so a device switches bundles
    try:
        present = dict(_scan(folder))
    except OSError as e:
        raise BundleError(f"{folder}: cannot be read: {e.strerror}") from e
    if MANIFEST not in present:
        raise BundleError(f"{folder}: is no bundle: it holds no {MANIFEST}")
    content = _read_small(folder / MANIFEST)
    try:
        manifest = Manifest.from_bytes(content)
    except ValueError as e:
        raise BundleError(f"{folder / MANIFEST}: {e}; {_FETCH}") from e
    _check_version(folder, manifest, app_version)
    _check_files(folder, manifest, present)
    signature = _read_small(folder / SIGNATURE) if SIGNATURE in present else None
    permit = _read_small(folder / PERMIT) if PERMIT in present else None
    return Bundle(folder, manifest, content, signature, permit)


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write a bundle, unsigned, in place of whatever lies there; all of it or nothing.

    Args:
        folder: where; its parent must exist.
        manifest: its `files` are ignored and made from `files`.
        files: content, or a file to copy, by path within the bundle.

    Raises:
        BundleError: a variant's file is not given, or the bundle cannot be written.
        ValueError: a path leads out of the bundle.
    """
    contents = {name: _content(source) for name, source in files.items()}
    entries = {name: _entry(content) for name, content in contents.items()}
    manifest = replace(manifest, files=entries)
    _check_variants(folder, manifest)
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as e:
        raise BundleError(f"{folder}: cannot be written: {e.strerror}") from e
    try:
        beside.chmod(0o755)
        for name, content in {**contents, MANIFEST: manifest.to_bytes()}.items():
            write_file(beside / name, content)
        _put_in_place(beside, folder)
    except OSError as e:
        raise BundleError(f"{folder}: cannot be written: {e.strerror}") from e
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return read_bundle(folder)


def write_file(path: Path, content: bytes) -> None:
    """Write a file beside its place, make it durable, move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(beside: Path, folder: Path) -> None:
    """Move a finished folder to its place; a folder there goes aside first, then away."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as aside:
        old = Path(aside) / "old"
        if folder.exists():
            folder.replace(old)
        try:
            beside.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
    fsync_folder(folder.parent)


def _content(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as e:
        raise BundleError(f"{source}: cannot be read: {e.strerror}") from e


def _entry(content: bytes) -> FileEntry:
    return FileEntry(len(content), hashlib.sha256(content).hexdigest())


def _scan(folder: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Names and sizes of all files below, links not followed."""
    for path in sorted(folder.iterdir()):
        name, state = f"{prefix}{path.name}", path.lstat()
        if stat.S_ISDIR(state.st_mode) and prefix.count("/") < _MAX_DEPTH:
            yield from _scan(path, f"{name}/")
        elif stat.S_ISREG(state.st_mode):
            yield name, state.st_size
        else:
            kind = "link" if stat.S_ISLNK(state.st_mode) else "special file or too deep a folder"
            raise BundleError(f"{path}: is a {kind}, which no bundle may hold; {_FETCH}")


def _read_small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MANIFEST + 1)
    except OSError as e:
        raise BundleError(f"{path}: cannot be read: {e.strerror}") from e
    if len(content) > MAX_MANIFEST:
        raise BundleError(f"{path}: is larger than {MAX_MANIFEST} bytes; {_FETCH}")
    return content


def _check_version(folder: Path, manifest: Manifest, app_version: str) -> None:
    if _numbers(manifest.min_app_version) > _numbers(app_version):
        raise BundleError(
            f"{folder}: needs headcount {manifest.min_app_version}, this is {app_version}; "
            "update headcount first"
        )


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:4]]
    return numbers + [0] * (4 - len(numbers))


def _check_variants(folder: Path, manifest: Manifest) -> None:
    for variant in manifest.variants:
        for name in (variant.xml, variant.bin):
            if name not in manifest.files:
                raise BundleError(f"{folder}: {name} of a variant is not among the files")


def _check_files(folder: Path, manifest: Manifest, present: Mapping[str, int]) -> None:
    _check_variants(folder, manifest)
    for name in present:
        if name not in manifest.files and name not in (MANIFEST, SIGNATURE, PERMIT):
            raise BundleError(f"{folder / name}: is not listed in {MANIFEST}; remove it")
    for name, entry in manifest.files.items():
        path = folder / name
        if name not in present:
            raise BundleError(f"{path}: is missing; {_FETCH}")
        if present[name] != entry.size:
            raise BundleError(f"{path}: has {present[name]} bytes, not {entry.size}; {_FETCH}")
        if _digest(path) != entry.sha256:
            raise BundleError(f"{path}: is damaged (its sha256 differs); {_FETCH}")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise BundleError(f"{path}: cannot be read: {e.strerror}") from e
