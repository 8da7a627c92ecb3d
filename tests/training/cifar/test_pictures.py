"""CIFAR-10 as JPEG: the zips, the pack, and the splits."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

from edge.errors import DataError
from tests.training.cifar.kit import write_zips
from training.cifar.pictures import (
    PACK,
    ZIPS,
    Pictures,
    read_pack,
    read_splits,
    read_zips,
    write_pack,
)

pytestmark = pytest.mark.training


def splits(folder: Path, cache: Path, seed: int = 1) -> list[Pictures]:
    read = read_splits(folder, cache, held_out=10, seed=seed)
    return [read.train, read.validation, read.test]


def test_zips_are_read_by_name_with_their_labels(tmp_path: Path) -> None:
    """Training pictures before those of the test; each file is what was in the zip."""
    write_zips(tmp_path / "zips", each=3)
    files = read_zips(tmp_path / "zips")

    assert 60 == int((~files.test).sum())
    assert 30 == int(files.test.sum())
    assert [6] * 10 == np.bincount(files.labels[~files.test]).tolist()
    assert cv2.imdecode(np.frombuffer(files.jpeg(0), np.uint8), cv2.IMREAD_COLOR).shape[0] == 32


def test_the_pack_holds_the_same_bytes(tmp_path: Path) -> None:
    """What is read from it is what the zips gave."""
    write_zips(tmp_path / "zips", each=2)
    files = read_zips(tmp_path / "zips")
    write_pack(files, tmp_path / PACK)
    again = read_pack(tmp_path / PACK)

    assert (files.header, files.rests) == (again.header, again.rests)
    assert np.array_equal(files.labels, again.labels)
    assert np.array_equal(files.test, again.test)


def test_splits_share_no_picture_and_depend_on_the_seed_alone(tmp_path: Path) -> None:
    """Validation comes out of the training pictures; decoded again or from the cache, all alike."""
    write_zips(tmp_path / "zips", each=3)
    fresh = splits(tmp_path / "zips", tmp_path / "cache")
    cached = splits(tmp_path / "zips", tmp_path / "cache")
    other = splits(tmp_path / "zips", tmp_path / "cache", seed=2)
    seen = [image.tobytes() for part in fresh for image in part.images]

    assert [50, 10, 30] == [len(part) for part in fresh]
    assert len(seen) == len(set(seen))
    assert all(np.array_equal(a.images, b.images) for a, b in zip(fresh, cached, strict=True))
    assert not np.array_equal(fresh[1].images, other[1].images)


def test_processes_that_begin_side_by_side_decode_once(tmp_path: Path) -> None:
    """Each of four gets the same pictures from a cache that is cold for all."""
    write_zips(tmp_path / "zips", each=3)
    script = (
        "import sys, zlib; from pathlib import Path; "
        "from training.cifar.pictures import read_splits; "
        "s = read_splits(Path(sys.argv[1]), Path(sys.argv[2]), held_out=10, seed=1); "
        "print(zlib.crc32(s.train.images.tobytes()))"
    )
    call = [sys.executable, "-c", script, str(tmp_path / "zips"), str(tmp_path / "cache")]
    running = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate(timeout=60)[0] for process in running]

    assert [0] * 4 == [process.returncode for process in running]
    assert 1 == len(set(told))


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    """One line with the file: a zip that is not there, one that is cut off, a pack that is none."""
    write_zips(tmp_path / "zips", each=1)
    broken = tmp_path / "zips" / ZIPS[1]
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(DataError, match=ZIPS[1]):
        read_zips(tmp_path / "zips")
    for name in ZIPS:
        with zipfile.ZipFile(tmp_path / "zips" / name, "w"):
            pass
    with pytest.raises(DataError, match=r"no \.jpg files"):
        read_zips(tmp_path / "zips")
    broken.unlink()
    with pytest.raises(DataError, match=ZIPS[1]):
        read_zips(tmp_path / "zips")
    (tmp_path / "zips" / PACK).write_bytes(b"no pack")
    with pytest.raises(DataError, match=PACK):
        splits(tmp_path / "zips", tmp_path / "cache")
