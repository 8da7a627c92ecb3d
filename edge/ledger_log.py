"""Whether the write-ahead log beside the ledger's file is what was written. Pure: bytes in.

SQLite ends its reading of a log at the first frame whose checksum is wrong, and says nothing: after
a crash that is the rest of a commit that never came to its end. If a bit has flipped it is all that
was committed since, and totals would fall, and a `seq` be given out twice. So it is asked here,
before SQLite is, what lies behind such a frame.

    header  32 bytes: magic, version, size of a page, checkpoint, salt, checksum of 24 bytes
    frame   24 bytes: page, pages of the file (0: no commit), salt, checksum; then the page

A checksum goes over the one before it, the first 8 bytes of the frame and its page; frames of
earlier rounds of the log have another salt (https://www.sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_HEADER, _FRAME = 32, 24  # bytes
_MAGIC, _BIG_ENDIAN, _VERSION = 0x377F0682, 1, 3007000
_SIZES = [1 << bits for bits in range(9, 17)]

_Sums = tuple[int, int]


class LogState(enum.Enum):
    """What a log is worth."""

    SOUND = "sound"
    # The last commit is not whole: it was cut, or it was whole and is damaged. Nobody can tell.
    TORN = "torn"
    DAMAGED = "damaged"  # something that was on the disk already is no longer what it was


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a frame begins, and what of it is as it should be."""

    at: int
    is_commit: bool
    has_salt: bool
    follows: bool  # its checksum is right, after the one that the frame before it has


def judge(log: bytes) -> LogState:
    """Judge the content of a `-wal`."""
    if len(log) < _HEADER or not any(log[:_HEADER]):
        return LogState.SOUND  # never written, or zeros: a file that grew and was cut
    if _sums_of_header(log) is None:
        return LogState.DAMAGED
    frames = _round(list(_frames(log)))
    bad = next((n for n, each in enumerate(frames) if not (each.has_salt and each.follows)), None)
    if bad is None:
        return LogState.SOUND
    # A frame behind a commit is written when the commit is on the disk.
    commit = next((n for n in range(bad, len(frames)) if frames[n].is_commit), len(frames))
    if commit < len(frames) - 1:
        return LogState.DAMAGED
    # SQLite writes the head of a frame first: a process that is killed may leave it without a page.
    was_begun = bad == len(frames) - 1 and not frames[bad].is_commit
    return LogState.SOUND if was_begun else LogState.TORN


def mended(log: bytes, *, drop: bool) -> bytes:
    """The log with a right header and right checksums, so that SQLite reads all of it.

    What it holds is as damaged as before; who reads it has to ask the rows' own checksums.

    Args:
        log: the content of a `-wal`.
        drop: leave out the frames that are damaged.
    """
    frames = _kept(log, drop)
    if not frames:
        return b""
    size = _page_size(log)
    head = struct.pack(">IIII", _MAGIC | _BIG_ENDIAN, _VERSION, size, 0) + log[16:24]
    sums = _checksum(head, (0, 0), ">")
    parts = [head, struct.pack(">II", *sums)]
    for frame in frames:
        start, page = log[frame.at : frame.at + 8], log[frame.at + _FRAME :][:size]
        sums = _checksum(start + page, sums, ">")
        parts += [start, log[16:24], struct.pack(">II", *sums), page]
    return b"".join(parts)


def _kept(log: bytes, drop: bool) -> list[_Frame]:
    if len(log) < _HEADER:
        return []
    frames = list(_frames(log))
    if _sums_of_header(log) is None:  # its salt may be what is damaged: none can be compared
        return frames
    frames = _round(frames)
    return [each for each in frames if each.has_salt and each.follows] if drop else frames


def _round(frames: list[_Frame]) -> list[_Frame]:
    """The frames of this round of the log; behind them lie those of earlier ones."""
    end = 1 + max((n for n, each in enumerate(frames) if each.has_salt), default=-1)
    # Of the last one the salt may be what is damaged.
    return frames[: end + 1] if end < len(frames) and frames[end].follows else frames[:end]


def _frames(log: bytes) -> Iterator[_Frame]:
    """All whole frames that a log has room for, whatever is in them."""
    size, order = _page_size(log), _order(log)
    before = struct.unpack(">II", log[24:_HEADER])
    for at in range(_HEADER, len(log) - _FRAME - size + 1, _FRAME + size):
        _, pages, *salt = struct.unpack(">IIII", log[at : at + 16])
        told = struct.unpack(">II", log[at + 16 : at + _FRAME])
        page = log[at + _FRAME : at + _FRAME + size]
        sums = _checksum(log[at : at + 8] + page, before, order)
        has_salt = tuple(salt) == struct.unpack(">II", log[16:24])
        yield _Frame(at, pages > 0, has_salt, sums == told)
        before = told


def _sums_of_header(log: bytes) -> _Sums | None:
    """The header's checksum; None where the header is damaged."""
    magic, version, size = struct.unpack(">III", log[:12])
    told: _Sums = struct.unpack(">II", log[24:_HEADER])
    known = magic | _BIG_ENDIAN == _MAGIC | _BIG_ENDIAN and version == _VERSION and size in _SIZES
    return told if known and _checksum(log[:24], (0, 0), _order(log)) == told else None


def _order(log: bytes) -> str:
    return ">" if log[3] & _BIG_ENDIAN else "<"


def _page_size(log: bytes) -> int:
    (size,) = struct.unpack(">I", log[8:12])
    return size if size in _SIZES else 4096  # that of every file that this program makes


def _checksum(content: bytes, before: _Sums, order: str) -> _Sums:
    """SQLite's: s0 += x0 + s1; s1 += x1 + s0, for each pair of words, modulo 2^32.

    A step is a matrix M = [[1, 1], [1, 2]] on (s0, s1), and (x0, x0 + x1) is added; so it is a sum
    of the words with the powers of M, whose entries are Fibonacci numbers, as weights.
    """
    words = np.frombuffer(content, f"{order}u4").astype(np.uint32).reshape(-1, 2)  # (pairs, 2)
    added = np.vstack([np.array([before], np.uint32), words.cumsum(axis=1, dtype=np.uint32)])
    weights = _weights(len(added))
    # The first is what was before, and has gone through all steps; the last through none.
    first = added[:, 0] * weights[0] + added[:, 1] * weights[1]
    second = added[:, 0] * weights[1] + added[:, 1] * weights[2]
    return int(first.sum(dtype=np.uint32)), int(second.sum(dtype=np.uint32))


@lru_cache(maxsize=4)
def _weights(pairs: int) -> npt.NDArray[np.uint32]:
    """Entries a, b, c of M^k = [[a, b], [b, c]], from k = pairs - 1 down to 0; (3, pairs)."""
    power, powers = (1, 0, 1), []
    for _ in range(pairs):
        powers.append(power)
        a, b, c = power
        power = a + b & 0xFFFFFFFF, b + c & 0xFFFFFFFF, b + 2 * c & 0xFFFFFFFF
    return np.array(powers[::-1], np.uint32).T
