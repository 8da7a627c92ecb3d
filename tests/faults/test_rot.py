"""A bit that flips anywhere in the ledger's files: all is as it was, or it is told and goes on.

Each region of a file is hit, of one that was closed and of one that a crash has left with its
write-ahead log. Then people go on being counted, and whoever counts is started again when it ends,
as systemd does.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.ledger import EventRow, Ledger
from edge.ledger_log import LogState, judge
from edge.types import Crossing, Direction
from tests.disks import memory_disk

__all__ = ["memory_disk"]

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
PAGE = 4096
LINE = "a name that no page holds, " * 250
MORE = 12  # crossings, counted after the flip
Bit = tuple[str, int]  # suffix of the file, number of the bit


@dataclass(frozen=True)
class Image:
    """A ledger as it lies on the disk, and what is known of it."""

    files: dict[str, bytes]  # suffix -> content
    epoch: str
    totals: tuple[int, int]
    waiting: dict[int, EventRow]

    def put(self, path: Path) -> None:
        for suffix, content in self.files.items():
            path.with_name(path.name + suffix).write_bytes(content)


def crossing(number: int) -> Crossing:
    direction = Direction.OUT if number % 3 == 2 else Direction.IN
    return Crossing("L1", direction, number, 0.0, number, 1.0, 0.9)


def make(folder: Path, *, crashed: bool) -> Image:
    """A file with pages of every kind; of one that crashed the last crossings are in its log."""
    path = folder / "ledger.db"
    with Ledger.open(
        path, lines=["L1", LINE], max_mb=0, machine="m", boot="b", new_epoch=lambda: "ab" * 16
    ) as ledger:
        ledger.record_all([crossing(number) for number in range(700)], NOON)
        epoch = ledger.state(NOON).epoch
        for seq in (100, 200, 300, 400):  # the oldest are dropped: their pages are free
            ledger.acknowledge(epoch, seq)
    with Ledger.open(path, machine="m", boot="b") as ledger:
        for number in range(700, 725):
            ledger.record(crossing(number), NOON)
        state, waiting = ledger.state(NOON), {row.seq: row for row in ledger.pending(999)}
        if crashed:
            files = {end: path.with_name(path.name + end).read_bytes() for end in PARTS}
    if not crashed:
        files = {"": path.read_bytes()}
    for file in folder.iterdir():
        file.unlink()
    return Image(files, epoch, (state.in_total, state.out_total), waiting)


PARTS = ("", "-wal", "-shm")
KINDS = {2: "interior index", 5: "interior table", 10: "leaf index", 13: "leaf table"}


def regions(image: Image) -> dict[str, list[tuple[str, range]]]:
    """Region -> where its bits are: suffix, bits."""
    found: dict[str, list[tuple[str, range]]] = {
        "header": [("", range(800))],
        "schema": [("", range(800, 8 * PAGE))],
    }
    free = set(_free_pages(image.files[""]))
    for number in range(1, len(image.files[""]) // PAGE):
        kind = KINDS.get(image.files[""][number * PAGE], "overflow")
        where = range(8 * PAGE * number, 8 * PAGE * (number + 1))
        found.setdefault("free" if number + 1 in free else kind, []).append(("", where))
    if "-wal" in image.files:
        heads = range(32, len(image.files["-wal"]), 24 + PAGE)
        found["log, header"] = [("-wal", range(256))]
        found["log, heads of frames"] = [("-wal", range(8 * at, 8 * at + 192)) for at in heads]
        found["log, pages"] = [("-wal", range(8 * at + 192, 8 * (at + 24 + PAGE))) for at in heads]
        found["log's index"] = [("-shm", range(8 * len(image.files["-shm"])))]
    return found


def _free_pages(content: bytes) -> Iterator[int]:
    (trunk,) = struct.unpack(">I", content[32:36])
    while trunk:
        yield trunk
        following, leaves = struct.unpack(">II", content[(trunk - 1) * PAGE :][:8])
        yield from struct.unpack(f">{leaves}I", content[(trunk - 1) * PAGE + 8 :][: 4 * leaves])
        trunk = following


def flipped(image: Image, bit: Bit) -> Image:
    suffix, number = bit
    content = bytearray(image.files[suffix])
    content[number // 8] ^= 1 << number % 8
    return replace(image, files={**image.files, suffix: bytes(content)})


def lives(path: Path, image: Image, bit: Bit) -> str:
    """Open what a flip has left, count on, and check all of it; what became of it, in a word."""
    flipped(image, bit).put(path)
    with _opened(path) as ledger:
        state, told = ledger.state(NOON), ledger.pending(999)
    aside = bool(list(path.parent.glob("*.bad-*")))
    before = (state.in_total, state.out_total)
    torn = not aside and state.epoch != image.epoch

    assert torn or before == image.totals
    assert not torn or sum(before) == sum(image.totals) - 1
    assert all(image.waiting[row.seq] == replace(row, id=image.waiting[row.seq].id) for row in told)
    assert aside or torn or len(told) == len(image.waiting)
    _goes_on(path, before)
    return "set aside" if aside else "torn" if torn else "as it was"


def _opened(path: Path) -> Ledger:
    """Open it, as often as systemd would; a second start has to be enough."""
    try:
        return Ledger.open(path, machine="m")
    except LedgerError:
        return Ledger.open(path, machine="m")


def _goes_on(path: Path, totals: tuple[int, int]) -> None:
    """People are counted and told; who counts ends when it meets damage, and starts again."""
    counted, ends = 0, 0
    while True:
        try:
            with _opened(path) as ledger:
                while counted < MORE:
                    ledger.record(crossing(counted), NOON)
                    counted += 1
                for epoch, seq in {row.epoch: row.seq for row in ledger.pending(999)}.items():
                    ledger.acknowledge(epoch, seq)
                ledger.check()
            with Ledger.open(path) as ledger:
                state = ledger.state(NOON)
            break
        except LedgerError:
            ends += 1
            assert ends < 3

    assert (totals[0] + 8, totals[1] + 4) == (state.in_total, state.out_total)


def test_a_file_that_sqlite_would_only_read_is_set_aside(memory_disk: Path) -> None:
    """One of two bits says so; each start would end at its first crossing, for ever."""
    image = make(memory_disk, crashed=False)

    assert "set aside" == lives(memory_disk / "ledger.db", image, ("", 147))


def test_text_that_a_bit_turned_into_bytes_is_damage(memory_disk: Path) -> None:
    """SQLite tells the two apart by one bit in the row's head; the letters are the same."""
    path = memory_disk / "ledger.db"
    make(memory_disk, crashed=False).put(path)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE crossings SET direction = CAST(direction AS BLOB) WHERE id = 600")
    with _opened(path) as ledger:
        told = {row.seq for row in ledger.pending(999)}

    assert 600 not in told
    assert list(memory_disk.glob("*.bad-1"))


def test_damage_that_no_look_finds_is_met_once(memory_disk: Path) -> None:
    """What SQLite has met in use is damage, whatever the next start would find; totals go on."""
    path = memory_disk / "ledger.db"
    image = make(memory_disk, crashed=False)
    image.put(path)
    path.with_name("ledger.db.suspect").touch()
    with _opened(path) as ledger:
        state, waiting = ledger.state(NOON), ledger.backlog()

    assert (image.totals, len(image.waiting)) == ((state.in_total, state.out_total), waiting)
    assert state.epoch != image.epoch
    assert not path.with_name("ledger.db.suspect").exists()


def _survives(folder: Path, seed: int, flips: int, *, crashed: bool) -> None:
    randomness = random.Random(seed)
    image = make(folder, crashed=crashed)
    found = regions(image)

    assert {"header", "schema", "free", "overflow", *KINDS.values()} <= found.keys()
    for name, places in found.items():
        outcomes: dict[str, int] = {}
        for bit in _chosen(randomness, places, flips):
            try:
                outcome = lives(folder / "ledger.db", image, bit)
            except Exception as error:
                error.add_note(f"seed {seed}, {name}, bit {bit}")
                raise
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            for file in folder.iterdir():
                file.unlink()
        print(f"seed {seed}: {name}: {outcomes}")


def _chosen(
    randomness: random.Random, places: list[tuple[str, range]], flips: int
) -> Iterator[Bit]:
    for _ in range(flips):
        suffix, bits = randomness.choice(places)
        yield suffix, randomness.choice(bits)


@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "crashed"])
def test_no_flip_costs_a_total(memory_disk: Path, crashed: bool) -> None:
    """A few in each region of the files: see `lives`."""
    _survives(memory_disk, 1, 2, crashed=crashed)


@pytest.mark.proof
@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "crashed"])
@pytest.mark.parametrize("seed", [2, 3])
def test_no_flip_of_many_costs_a_total(memory_disk: Path, seed: int, crashed: bool) -> None:
    """The same with 50 in each region."""
    _survives(memory_disk, seed, 50, crashed=crashed)


@pytest.mark.proof
def test_no_flip_in_a_header_costs_a_total(memory_disk: Path) -> None:
    """Each bit of the file's header, the log's, and the heads of its first and last frames."""
    image = make(memory_disk, crashed=True)
    places = regions(image)
    heads = places["log, heads of frames"]
    bits = [places["header"][0], places["log, header"][0], *heads[:2], *heads[-2:]]
    outcomes: dict[str, int] = {}
    for suffix, numbers in bits:
        for number in numbers:
            outcome = lives(memory_disk / "ledger.db", image, (suffix, number))
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            for file in memory_disk.iterdir():
                file.unlink()
    print(f"every bit of the headers: {outcomes}")


CUTS: dict[str, tuple[Callable[[bytes], bytes], LogState]] = {
    "nothing": (lambda log: b"", LogState.SOUND),
    "a header alone": (lambda log: log[:32], LogState.SOUND),
    "half a header": (lambda log: log[:20], LogState.SOUND),
    "zeros": (lambda log: bytes(len(log)), LogState.SOUND),
    "half of the last page": (lambda log: log[:-2000], LogState.SOUND),
    "the last page in zeros": (lambda log: log[:-PAGE] + bytes(PAGE), LogState.TORN),
    "more zeros": (lambda log: log + bytes(3 * (PAGE + 24)), LogState.SOUND),
    "a hole in the middle": (
        lambda log: log[: len(log) // 2] + b"\xff" * 99 + log[len(log) // 2 + 99 :],
        LogState.DAMAGED,
    ),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_log_that_was_cut_is_no_damage(memory_disk: Path, cut: str) -> None:
    """What a power cut leaves of the last commit is left out; behind a hole there was more."""
    change, expected = CUTS[cut]
    log = make(memory_disk, crashed=True).files["-wal"]

    assert (LogState.SOUND, expected) == (judge(log), judge(change(log)))


def test_earlier_rounds_of_a_log_are_no_damage(memory_disk: Path) -> None:
    """SQLite writes over its log from the beginning, and what lay there before stays behind it."""
    path = memory_disk / "ledger.db"
    states = []
    with Ledger.open(path) as ledger:
        for number in range(300):  # the log begins anew after about every 100 of them
            ledger.record(crossing(number), NOON)
            if number % 30 == 0:
                states.append(judge(path.with_name("ledger.db-wal").read_bytes()))

    assert {LogState.SOUND} == set(states)
