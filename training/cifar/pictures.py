"""CIFAR-10 as JPEG files of quality 75: read from zips, or from one file that is easily carried.

    cifar10_jpeg_train_a.zip, _train_b.zip, _test.zip      train|test/class/NNNN.jpg
    cifar10_pack.npz                                       the same bytes, the header once

All files of an encoder that does not fit its tables to the picture begin alike. Without that the
60,000 pictures are 16 MB.
"""

from __future__ import annotations

import fcntl
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import write_file
from edge.errors import DataError

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SIDE = 32  # pixels
ZIPS = ("cifar10_jpeg_train_a.zip", "cifar10_jpeg_train_b.zip", "cifar10_jpeg_test.zip")
PACK = "cifar10_pack.npz"

_SCAN = b"\xff\xda"  # marker: the header ends behind this segment
_PARTS = ("train", "test")

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Files:
    """JPEG files that begin alike, in the order of their names.

    header: what each begins with. rests: what follows. labels: (n,) places in `CLASSES`. test: (n,)
    whether a file is of the test split.
    """

    header: bytes
    rests: tuple[bytes, ...]
    labels: Bytes
    test: NDArray[np.bool_]

    def jpeg(self, number: int) -> bytes:
        """A whole file."""
        return self.header + self.rests[number]


@dataclass(frozen=True, slots=True)
class Pictures:
    """images: (n, 32, 32, 3) uint8 RGB. labels: (n,) uint8, places in `CLASSES`."""

    images: Bytes
    labels: Bytes

    def __post_init__(self) -> None:
        if self.images.shape != (len(self.labels), SIDE, SIDE, 3):
            raise ValueError(f"images {self.images.shape} do not go with {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Splits:
    """What is learnt from, what is chosen by, and what is looked at once at the end."""

    train: Pictures
    validation: Pictures
    test: Pictures


def read_splits(folder: Path, cache: Path, *, held_out: int, seed: int, limit: int = 0) -> Splits:
    """The splits of a folder.

    Args:
        folder: holds the pack, or the zips.
        cache: for the decoded pictures.
        held_out: pictures of the training split that are for validation.
        seed: which.
        limit: so many pictures of each split at most, for a trial; 0: all.

    Raises:
        DataError: neither is there, or not what it should be.
    """
    files = read_pack(folder / PACK) if (folder / PACK).exists() else read_zips(folder)
    rng = np.random.default_rng(seed)
    learnt = rng.permutation(np.flatnonzero(~files.test))
    test = rng.permutation(np.flatnonzero(files.test))
    if len(learnt) <= held_out or not len(test):
        raise DataError(f"{folder}: no pictures are left to train on or to test with")
    images = _decoded(files, cache)
    train, validation, test = (
        part[: limit or len(part)] for part in (learnt[held_out:], learnt[:held_out], test)
    )
    return Splits(*(Pictures(images[p], files.labels[p]) for p in (train, validation, test)))


def read_zips(folder: Path) -> Files:
    """The files of the zips, by name: training before test.

    Raises:
        DataError: a zip is not there, broken or empty, or its files do not begin alike.
    """
    found: dict[str, bytes] = {}
    for name in ZIPS:
        try:
            with zipfile.ZipFile(folder / name) as archive:
                found |= {n: archive.read(n) for n in archive.namelist() if n.endswith(".jpg")}
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{folder / name}: cannot be read: {error}") from error
    if not found:
        raise DataError(f"{folder}: there are no .jpg files in the zips")
    names = sorted(found, key=lambda n: (_PARTS.index(_part(n)), n))
    header = _header(found[names[0]])
    if not all(found[name].startswith(header) for name in names):
        raise DataError(f"{folder}: the JPEG files do not all begin alike")
    return Files(
        header,
        tuple(found[name][len(header) :] for name in names),
        np.array([_label(name) for name in names], np.uint8),
        np.array([_part(name) == "test" for name in names]),
    )


def write_pack(files: Files, path: Path) -> None:
    """Write one file that `read_pack` reads."""
    whole = io.BytesIO()
    np.savez(
        whole,
        header=np.frombuffer(files.header, np.uint8),
        rests=np.frombuffer(b"".join(files.rests), np.uint8),
        lengths=np.array([len(rest) for rest in files.rests], np.uint16),
        labels=files.labels,
        test=files.test,
    )
    write_file(path, whole.getvalue())


def read_pack(path: Path) -> Files:
    """The files of a pack.

    Raises:
        DataError: it is none.
    """
    try:
        with np.load(path) as archive:
            header, rests = archive["header"].tobytes(), archive["rests"].tobytes()
            ends = np.cumsum(archive["lengths"], dtype=np.int64)
            labels, test = archive["labels"], archive["test"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as a pack of pictures: {error}") from error
    starts = ends - np.diff(ends, prepend=0)
    parts = tuple(rests[start:end] for start, end in zip(starts, ends, strict=True))
    return Files(header, parts, labels, test)


def _decoded(files: Files, cache: Path) -> Bytes:
    """(n, 32, 32, 3) RGB, from the cache where these very files were decoded before.

    Of processes that begin side by side one decodes, and the others wait for it.
    """
    path = cache / f"cifar10_{zlib.crc32(b''.join((files.header, *files.rests))):08x}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".cifar10.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not path.exists():
            images = np.stack([_picture(files, number) for number in range(len(files.rests))])
            whole = io.BytesIO()
            np.save(whole, images)
            write_file(path, whole.getvalue())
    return np.asarray(np.load(path, mmap_mode="r"))


def _picture(files: Files, number: int) -> Bytes:
    data = np.frombuffer(files.jpeg(number), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIDE, SIDE, 3):
        raise DataError(f"picture {number}: no JPEG of {SIDE}x{SIDE} pixels")
    return np.asarray(image[..., ::-1], np.uint8)


def _header(jpeg: bytes) -> bytes:
    """All up to the entropy-coded data."""
    scan = jpeg.index(_SCAN)
    return jpeg[: scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")]


def _part(name: str) -> str:
    part = name.split("/", 1)[0]
    if part not in _PARTS:
        raise DataError(f"{name}: is neither of the training nor of the test split")
    return part


def _label(name: str) -> int:
    kind = name.split("/")[1]
    if kind not in CLASSES:
        raise DataError(f"{name}: {kind!r} is no class of CIFAR-10")
    return CLASSES.index(kind)
