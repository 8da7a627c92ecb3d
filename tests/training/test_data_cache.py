"""Shrunken photos kept by content: the same pixels, without decoding, whatever happens to files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from tests.disks import fill, small_disk
from tests.training.kit import HEIGHT, WIDTH
from tests.training.sets import (
    add_voc,
    corner_marked,
    encoded,
    photo,
    voc_object,
    with_orientation,
    write_csv,
)
from training.data.cache import load_pictures
from training.data.heads import Sample, read_heads
from training.data.shrunk import ShrunkCache

__all__ = ["small_disk"]


def test_cached_pictures_are_those_that_were_decoded(tmp_path: Path) -> None:
    """Pixels and boxes are equal, and may be written to; shrunk or not."""
    samples = read_heads(write_csv(tmp_path / "set"))
    for long_side in (48, 640):
        plain = load_pictures(samples, long_side)
        for _ in range(2):
            kept = load_pictures(samples, long_side, tmp_path / "cache")
            for one, other in zip(plain, kept, strict=True):
                assert np.array_equal(one.image, other.image)
                assert np.array_equal(one.boxes, other.boxes)
                other.image[:] = 0
    assert (HEIGHT // 2, WIDTH // 2, 3) == load_pictures(samples, 48)[0].image.shape


def entries(cache: Path) -> list[Path]:
    """The files of a cache."""
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_a_second_load_decodes_nothing(tmp_path: Path) -> None:
    """An entry is believed: what it holds is what comes back, and no entry is written again."""
    data = photo(tmp_path / "a.jpg", size=(200, 100)).read_bytes()
    cache = ShrunkCache(tmp_path / "cache", 50)
    first = cache.load(data)
    (entry,) = entries(tmp_path / "cache")
    os.utime(entry, (1, 1))

    assert np.array_equal(first, ShrunkCache(tmp_path / "cache", 50).load(data))
    assert 1 == entry.stat().st_mtime


def test_other_content_or_size_is_another_entry(tmp_path: Path) -> None:
    """A photo that was exchanged under its old name is decoded; a copy of one is not."""
    cache = tmp_path / "cache"
    for seed, side in ((1, 50), (1, 50), (2, 50), (1, 60)):
        ShrunkCache(cache, side).load(photo(tmp_path / "a.jpg", seed).read_bytes())

    assert 3 == len(entries(cache))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "long", "size"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    """Cut off, a bit turned, nothing in it, too much, or another shape: never wrong pixels."""
    data = photo(tmp_path / "a.png").read_bytes()
    cache = ShrunkCache(tmp_path / "cache", 50)
    good = cache.load(data)
    (entry,) = entries(tmp_path / "cache")
    whole = entry.read_bytes()
    spoilt = {
        "cut": whole[:-1],
        "flip": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
        "empty": b"",
        "long": b"\xff" * 8 + whole[8:],
        "size": whole[4:8] + whole[:4] + whole[8:],
    }[damage]
    entry.write_bytes(spoilt)

    assert np.array_equal(good, cache.load(data))
    assert whole == entry.read_bytes()


def test_turned_photos_are_kept_upright(tmp_path: Path) -> None:
    """Boxes fit the picture as shown, from the cache as well."""
    folder = add_voc(tmp_path / "set", "a.jpg", voc_object((24, 4, 30, 12)), size=(32, 48))
    data = with_orientation(encoded(corner_marked()), 6)
    (folder / "JPEGImages" / "a.jpg").write_bytes(data)
    for _ in range(2):
        (picture,) = load_pictures(read_heads(folder), 24, tmp_path / "cache")

        assert (24, 16, 3) == picture.image.shape
        assert [[12, 2, 15, 6]] == picture.boxes.tolist()
        assert picture.image[3:5, 13:14].mean() > 150 > picture.image.mean()


def test_a_broken_photo_is_told_by_name(tmp_path: Path) -> None:
    """And nothing is kept of it."""
    path = photo(tmp_path / "a.jpg", size=(300, 300))
    path.write_bytes(path.read_bytes()[:-50])

    with pytest.raises(DataError, match=r"a\.jpg: cannot be decoded as a picture: .*cut off"):
        load_pictures([Sample.of(path, [])], cache=tmp_path / "cache")
    assert [] == entries(tmp_path / "cache")


def test_a_cache_that_is_no_folder_is_told_and_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when somebody has given a file."""
    (tmp_path / "cache").write_text("a file")
    samples = read_heads(write_csv(tmp_path / "set"))

    assert 4 == len(load_pictures(samples, cache=tmp_path / "cache"))
    assert 1 == capsys.readouterr().err.count("no more pictures are kept")


def test_a_full_disk_stops_the_cache_and_not_the_work(
    tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told once; pictures come as without a cache, and no half entry stays."""
    samples = read_heads(write_csv(tmp_path / "set"))
    filler = fill(small_disk)

    assert 4 == len(load_pictures(samples, cache=small_disk))
    assert 1 == capsys.readouterr().err.count("No space left on device")
    assert [filler] == entries(small_disk)
