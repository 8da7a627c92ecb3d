"""Picture files of all sorts: what opens, what is refused, which way up it is."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from edge.types import Image
from tests.training.sets import corner_marked, encoded, with_orientation
from training.data.container import Header, read_header
from training.data.photo import decode, probe, turned
from training.data.settle import turned_corners


def noise(shape: tuple[int, ...], kind: type = np.uint8) -> np.ndarray:
    """Random pixels of a type's whole range."""
    return np.random.default_rng(1).integers(0, np.iinfo(kind).max, shape, kind)


def test_16_bits_become_8() -> None:
    """A 16-bit PNG gives the upper 8 bits of each value."""
    deep = noise((20, 30, 3), np.uint16)

    assert 16 == read_header(encoded(deep, ".png")).bits
    assert np.abs(decode(encoded(deep, ".png")).astype(int) - deep // 257).max() <= 1


def test_grey_becomes_bgr() -> None:
    """Three equal channels, of JPEG and of PNG, of 8 and of 16 bits."""
    grey = noise((20, 30))
    image = decode(encoded(grey, ".png"))

    assert (20, 30, 3) == image.shape
    assert all(np.array_equal(grey, image[:, :, k]) for k in range(3))
    assert (20, 30, 3) == decode(encoded(grey, ".jpg")).shape
    assert (20, 30, 3) == decode(encoded(noise((20, 30), np.uint16), ".png")).shape


def test_alpha_is_dropped() -> None:
    """The colours below are kept as they are."""
    image = noise((20, 30, 4))

    assert np.array_equal(image[:, :, :3], decode(encoded(image, ".png")))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("keep", [0, 1, 10, 40, 0.3, 0.9, -2])
def test_a_file_that_is_cut_off_is_refused(suffix: str, keep: float) -> None:
    """Wherever it ends: no half picture passes for a whole one."""
    data = encoded(noise((64, 96, 3)), suffix)
    length = int(keep * len(data)) if 0 < keep < 1 else int(keep)

    with pytest.raises(ValueError, match=r"cut off|empty|neither"):
        decode(data[:length])


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_beginning_of_a_file_is_refused(suffix: str) -> None:
    """Byte by byte, in its header as well; nothing but this error is raised."""
    data = encoded(corner_marked(), suffix)

    for length in range(len(data) - 1):
        with pytest.raises(ValueError, match=r"^(it|its|the) "):
            decode(data[:length])


@settings(deadline=None)
@given(st.integers(2, 700), st.binary(min_size=1, max_size=4), st.sampled_from([".jpg", ".png"]))
def test_damage_anywhere_is_refused_or_gives_the_whole_picture(
    at: int, bad: bytes, suffix: str
) -> None:
    """Whatever bytes a bad disk puts where: an error of this kind, or a picture of its header."""
    data = encoded(corner_marked(), suffix)
    at %= len(data)
    spoilt = data[:at] + bad + data[at + len(bad) :]
    try:
        image = decode(spoilt)
    except ValueError:
        return

    assert image.shape == (*read_header(spoilt).upright[::-1], 3)


def test_a_thumbnail_does_not_pass_for_the_end() -> None:
    """The small picture within a photo's header has an end mark of its own."""
    thumbnail = encoded(noise((8, 8, 3)))
    block = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    photo = encoded(noise((64, 96, 3)))
    data = photo[:2] + block + photo[2:]

    assert (64, 96, 3) == decode(data).shape
    with pytest.raises(ValueError, match="cut off"):
        decode(data[:-100])


def test_damage_within_is_refused() -> None:
    """Bytes of another file in the middle: a PNG's checksums and a JPEG's markers tell."""
    png, jpeg = encoded(noise((64, 96, 3)), ".png"), encoded(noise((64, 96, 3)))
    other = bytes(range(200, 255)) * 4 + b"\xff\x01\xff\xaa"

    for data in (png, jpeg):
        middle = len(data) // 2
        with pytest.raises(ValueError, match="damaged at byte"):
            decode(data[:middle] + other + data[middle + len(other) :])


def test_a_progressive_jpeg_and_bytes_after_the_end_are_whole() -> None:
    """Several scans, restart marks, and what phones append are no damage."""
    image = noise((64, 96, 3))
    for option in (cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL):
        _, data = cv2.imencode(".jpg", image, [option, 1])

        assert (64, 96, 3) == decode(bytes(data) + b"video of the same moment").shape


@pytest.mark.parametrize("data", [b"no picture at all", b"GIF89a", b"\xff\xd8\xff\xd9"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """By one line of the file's own header."""
    with pytest.raises(ValueError, match=r"neither JPEG nor PNG|cut off"):
        decode(data)


def mark(image: Image) -> tuple[int, ...]:
    """The box around what is light."""
    rows, columns = np.nonzero(image[:, :, 0] > 128)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_phones_photos_are_turned_upright_and_boxes_with_them(orientation: int, order: str) -> None:
    """As the reference decoder does, for all eight orientations; a box stays on what it marks."""
    stored = corner_marked()
    data = with_orientation(encoded(stored), orientation, order)
    shown = decode(data)
    header = read_header(data)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    assert np.array_equal(reference, shown)
    assert header.upright == (shown.shape[1], shown.shape[0])
    assert mark(shown) == turned_corners((4, 2, 12, 8), header, orientation)
    assert np.array_equal(turned(stored, 1), stored)


def test_a_png_may_be_turned_too() -> None:
    """Its eXIf chunk is read."""
    png = encoded(corner_marked(), ".png")
    jpeg = with_orientation(encoded(corner_marked()), 6)
    content = jpeg[jpeg.index(b"Exif\0\0") + 6 :][:26]
    chunk = b"eXIf" + content
    after = 8 + 25  # the signature, the first chunk
    block = len(content).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    data = png[:after] + block + png[after:]

    assert Header(48, 32, 8, 6) == read_header(data)
    assert (48, 32, 3) == decode(data).shape


def test_a_broken_exif_block_says_nothing() -> None:
    """The picture is taken as stored."""
    data = with_orientation(encoded(corner_marked()), 6)
    broken = data.replace(b"II*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff")

    assert 1 == read_header(broken).orientation


def test_only_the_beginning_of_a_file_is_probed(tmp_path: Path) -> None:
    """Unless its header is longer than usual; files that are none are told by name."""
    data = encoded(corner_marked())
    long = b"\xff\xe2\xff\xff" + bytes(65533)
    (tmp_path / "a.jpg").write_bytes(data[:2] + long * 5 + data[2:])
    (tmp_path / "b.jpg").write_bytes(b"")

    assert (48, 32) == probe(tmp_path / "a.jpg").upright
    with pytest.raises(DataError, match=r"b\.jpg: cannot be decoded as a picture: .* empty"):
        probe(tmp_path / "b.jpg")
    with pytest.raises(DataError, match=r"c\.jpg: cannot be read: No such file"):
        probe(tmp_path / "c.jpg")
