"""The ledger: one transaction a crossing, an outbox that only an acknowledgement empties."""

from __future__ import annotations

import contextlib
import datetime
import random
import resource
import sqlite3
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import ledger_checks
from edge.clock import Clocks, LocalDay
from edge.config import SiteConfig
from edge.contract.commands import Command
from edge.errors import LedgerError
from edge.identity import boot_identity, machine_identity
from edge.ledger import Ledger
from edge.ledger_schema import SCHEMA
from edge.types import Crossing, Direction, LineTotals

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=UTC)
BERLIN = SiteConfig(timezone="Europe/Berlin")


def crossing(
    direction: Direction = Direction.IN,
    line: str = "L1",
    utc: datetime.datetime | None = None,
) -> Crossing:
    return Crossing(line, direction, 7, 1.5, 3, 0.8, 0.9, utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def test_a_crossing_is_in_the_totals_at_once(path: Path) -> None:
    """What `record` returns is what `state` tells and what a second opening finds."""
    with Ledger.open(path, lines=["L1", "side"]) as ledger:
        ledger.record(crossing(), NOON)
        told = ledger.record(crossing(Direction.OUT, "back"), NOON)
        seen = ledger.state(NOON)
    with Ledger.open(path) as ledger:
        found = ledger.state(NOON)

    assert told == seen == found
    assert (2, 1, 1) == (told.seq, told.in_total, told.out_total)
    assert {"L1": LineTotals(1, 0), "back": LineTotals(0, 1), "side": LineTotals()} == told.lines
    assert 32 == len(bytes.fromhex(told.epoch).hex())


@given(st.lists(st.sampled_from(Direction), max_size=12))
@settings(max_examples=15, deadline=None)
def test_totals_are_the_sum_of_the_crossings(directions: list[Direction]) -> None:
    """Totals, line totals, seq and outbox agree; occupancy is never below zero."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        for each in directions:
            ledger.record(crossing(each), NOON)
        state, rows = ledger.state(NOON), ledger.pending(100)
    into, out = directions.count(Direction.IN), directions.count(Direction.OUT)

    assert (into, out, max(0, into - out)) == (state.in_total, state.out_total, state.occupancy)
    assert (into, out) == (state.in_today, state.out_today)
    assert list(range(1, len(directions) + 1)) == [row.seq for row in rows]
    assert [each.value for each in directions] == [row.direction for row in rows]


def test_rows_carry_the_crossing_and_the_totals_with_it(path: Path) -> None:
    """A row has the picture's time where there is one, else the time of writing."""
    with Ledger.open(path) as ledger:
        ledger.record(crossing(utc=NOON - timedelta(seconds=1)), NOON)
        ledger.record(crossing(Direction.OUT), NOON)
        first, second = ledger.pending(10)

    assert (NOON - timedelta(seconds=1), "frame") == (first.ts, first.ts_source)
    assert (NOON, "ledger") == (second.ts, second.ts_source)
    assert (1, 0, "in", 0.8, 0.9) == (
        first.in_total,
        first.out_total,
        first.direction,
        first.track_s,
        first.confidence,
    )
    assert (1, 1, "out") == (second.in_total, second.out_total, second.direction)


def test_only_an_acknowledgement_empties_the_outbox(path: Path) -> None:
    """It frees all up to its seq, of its epoch only, and leaves the totals alone."""
    with Ledger.open(path) as ledger:
        for _ in range(5):
            epoch = ledger.record(crossing(), NOON).epoch
        freed = [ledger.acknowledge(epoch, 3), ledger.acknowledge(epoch, 3)]
        strange = ledger.acknowledge("0" * 32, 99)
        rows = ledger.pending(1), ledger.pending(9, after=4)
        backlog, total = ledger.backlog(), ledger.state(NOON).in_total

    assert ([3, 0], 0) == (freed, strange)
    assert ([4], [5]) == ([row.seq for row in rows[0]], [row.seq for row in rows[1]])
    assert (2, 5) == (backlog, total)


@pytest.mark.parametrize(
    ("moment", "site", "day"),
    [
        ("2026-11-20T22:59:59+00:00", BERLIN, "2026-11-20"),
        ("2026-11-20T23:00:00+00:00", BERLIN, "2026-11-21"),
        ("2026-07-01T22:00:00+00:00", BERLIN, "2026-07-02"),
        (
            "2026-11-21T02:59:59+00:00",
            SiteConfig("Europe/Berlin", datetime.time(4)),
            "2026-11-20",
        ),
        (
            "2026-11-21T03:00:00+00:00",
            SiteConfig("Europe/Berlin", datetime.time(4)),
            "2026-11-21",
        ),
    ],
    ids=["before midnight", "midnight", "summer midnight", "before 4", "at 4"],
)
def test_the_day_is_that_of_the_site(moment: str, site: SiteConfig, day: str) -> None:
    """Today begins at `day_starts` in the site's time zone."""
    assert day == LocalDay.at(site).of(datetime.datetime.fromisoformat(moment))


def test_today_rolls_over_and_survives_a_clock_that_jumps(path: Path) -> None:
    """Midnight begins a new day without a crossing; a clock that lost its time costs no count."""
    night = datetime.datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
    with Ledger.open(path, day=LocalDay.at(BERLIN)) as ledger:
        ledger.record(crossing(), night)
        before, after = ledger.state(night), ledger.state(night + timedelta(hours=1))
        ledger.record(crossing(), datetime.datetime(1970, 1, 1, tzinfo=UTC))
        healed = ledger.record(crossing(), night)

    assert (1, 0) == (before.in_today, after.in_today)
    assert (3, 3) == (healed.in_today, healed.in_total)


def test_a_cloned_card_begins_a_new_epoch_and_its_totals_go_on(path: Path) -> None:
    """On another machine seq begins anew; rows that wait keep their epoch and their order."""
    with Ledger.open(path, machine="one") as ledger:
        old = ledger.record(crossing(), NOON)
    with Ledger.open(path, machine="two") as ledger:
        new = ledger.record(crossing(), NOON)
        rows = ledger.pending(10)
        ledger.acknowledge(new.epoch, 1)
        left = ledger.pending(10)
    with Ledger.open(path, machine="two") as ledger:
        same = ledger.state(NOON)

    assert old.epoch != new.epoch == same.epoch
    assert (1, 2) == (new.seq, new.in_total)
    assert [(old.epoch, 1), (new.epoch, 1)] == [(row.epoch, row.seq) for row in rows]
    assert [old.epoch] == [row.epoch for row in left]


def test_no_database_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no database stays beside the new one; counting begins with a new epoch."""
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, " * 100)
    with Ledger.open(path) as ledger:
        state = ledger.record(crossing(), NOON)

    assert (1, 1) == (state.seq, state.in_total)
    assert path.with_name("ledger.db.bad-1").read_bytes().startswith(b"not a database")
    assert "set aside" in caplog.text


def _of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()


def _of_a_newer_version(path: Path) -> None:
    Ledger.open(path).close()
    with sqlite3.connect(path) as db:
        ledger_checks.register(db)
        db.execute("UPDATE ledger SET schema = schema + 1")
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_of_another_program, "another program"),
        (_of_a_newer_version, "install the newer version"),
        (Path.mkdir, "writable"),
    ],
    ids=["other program", "newer schema", "folder"],
)
def test_what_is_not_ours_is_refused_and_left_alone(tmp_path: Path, spoil, says: str) -> None:
    """A sound file of somebody else is neither moved nor written."""
    path = tmp_path / "ledger.db"
    spoil(path)
    with pytest.raises(LedgerError, match=says) as refusal:
        Ledger.open(path)

    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert not list(tmp_path.glob("*.bad-*"))


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"^[^\n]*set ledger\.path[^\n]*$"):
        Ledger.open(tmp_path / "file" / "ledger.db")


def test_one_process_at_a_time(path: Path) -> None:
    """A ledger that is open is refused, for two would count everybody twice."""
    with Ledger.open(path), pytest.raises(LedgerError, match="another headcount"):
        Ledger.open(path)
    Ledger.open(path).close()


def test_a_full_disk_raises_and_counts_nothing_twice(path: Path) -> None:
    """A crossing that cannot be written is in no total, and the next one is."""
    with Ledger.open(path) as ledger:
        ledger.record(crossing(), NOON)
        pages = ledger._recorder.execute("PRAGMA page_count").fetchone()[0]
        ledger._recorder.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="free some space"):
            for _ in range(10_000):
                last = ledger.record(crossing(), NOON)
        kept = ledger.state(NOON)
        ledger._recorder.execute("PRAGMA max_page_count = 1000000")
        next_one = ledger.record(crossing(), NOON)

    assert last == kept
    assert last.seq + 1 == next_one.seq == next_one.in_total


def test_a_check_knows_a_full_disk_before_a_crossing_comes(path: Path) -> None:
    """A file that cannot grow fails the check with the mend; one that can is as it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger.open(path) as ledger:
        before = ledger.record(crossing(), NOON)
        ledger.check()
        written = path.with_name(f"{path.name}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (written, hard))
        try:
            with pytest.raises(LedgerError, match="disk"):
                ledger.check()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        ledger.check()

        assert before == ledger.state(NOON)


def test_a_large_file_drops_delivered_crossings_only(path: Path) -> None:
    """Above max_mb the oldest delivered ones go; waiting ones and totals stay."""
    with Ledger.open(path, max_mb=0) as ledger:
        for _ in range(9):
            epoch = ledger.record(crossing(), NOON).epoch
        ledger.acknowledge(epoch, 4)
        ledger.acknowledge(epoch, 6)
        rows = ledger.pending(100)
        state = ledger.state(NOON)
        kept = ledger._shared.execute("SELECT min(seq), count(*) FROM crossings").fetchone()

    assert [7, 8, 9] == [row.seq for row in rows]
    assert (9, 9) == (state.seq, state.in_total)
    assert (7, 3) == kept


def test_people_without_a_pause_hold_up_no_acknowledgement(path: Path) -> None:
    """Each waits for a commit or two, and not for a pause that never comes."""
    recorded, stop = 0, threading.Event()

    def crowd(ledger: Ledger) -> None:
        nonlocal recorded
        while not stop.is_set():
            ledger.record(crossing(), NOON)
            recorded += 1

    with Ledger.open(path) as ledger:
        epoch, waits = ledger.state(NOON).epoch, []
        thread = threading.Thread(target=crowd, args=(ledger,))
        thread.start()
        for _ in range(20):
            before = recorded
            ledger.acknowledge(epoch, before)
            waits.append(recorded - before)
            time.sleep(0.01)
        stop.set()
        thread.join(20)

    assert sum(waits) / len(waits) < 10


def test_recording_and_freeing_at_once(path: Path) -> None:
    """One thread records while another reads and frees: no row is lost, none stays."""
    freed = []

    def drain(ledger: Ledger, done: threading.Event) -> None:
        while not done.is_set() or ledger.backlog():
            for row in ledger.pending(10):
                freed.append(row.seq)
                ledger.acknowledge(row.epoch, row.seq)

    with Ledger.open(path) as ledger:
        done = threading.Event()
        thread = threading.Thread(target=drain, args=(ledger, done))
        thread.start()
        for _ in range(60):
            ledger.record(crossing(), NOON)
        done.set()
        thread.join(20)
        total = ledger.state(NOON).in_total

    assert 60 == total
    assert list(range(1, 61)) == freed


def test_identity_prefers_the_board_and_hides_the_number(tmp_path: Path) -> None:
    """Board before machine-id before nothing; a boot always has an id."""
    board = tmp_path / "sys/firmware/devicetree/base/serial-number"
    machine = tmp_path / "etc/machine-id"
    identities = [machine_identity(tmp_path)]
    for path, text in ((machine, "abc\n"), (board, "10000000deadbeef\0")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        identities.append(machine_identity(tmp_path))

    assert identities[0] is None
    assert 3 == len(set(identities))
    assert "deadbeef" not in str(identities)
    assert boot_identity(tmp_path) == boot_identity(tmp_path) != ""


class Wall:
    """A machine's clocks: seconds that pass, a wall clock that is wrong until it is set."""

    def __init__(self, utc: datetime.datetime) -> None:
        self.utc = utc
        self.seconds = 100.0
        self.right = False
        self.clocks = Clocks(lambda: self.utc, lambda: self.seconds, lambda: self.right)

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.utc += timedelta(seconds=seconds)


def test_crossings_of_one_picture_are_one_commit(path: Path) -> None:
    """All of them are on the disk at once, or none is; the counts after each are told."""
    with Ledger.open(path) as ledger:
        ledger.record(crossing(), NOON)
        log = path.with_name("ledger.db-wal")
        single = log.stat().st_size
        states = ledger.record_all([crossing(), crossing(Direction.OUT), crossing()], NOON)
        three = log.stat().st_size - single
        with pytest.raises(AttributeError):
            ledger.record_all([crossing(), "no crossing"], NOON)  # type: ignore[list-item]
        kept = ledger.state(NOON)

    assert [(2, 0), (2, 1), (3, 1)] == [(each.in_total, each.out_total) for each in states]
    assert states[-1] == kept
    assert three < 2 * single  # pages are written once a commit


@given(
    st.lists(st.sampled_from([*Direction]) | st.integers(0, 9), max_size=12),
)
@settings(max_examples=20, deadline=None)
def test_occupancy_is_what_was_set_and_who_came_and_went(steps: list[Direction | int]) -> None:
    """Never below zero; totals know nothing of it; so it is after a restart."""
    with tempfile.TemporaryDirectory() as folder:
        path, people, net = Path(folder) / "l.db", 0, 0
        for number, step in enumerate(steps):
            with Ledger.open(path) as ledger:
                if isinstance(step, Direction):
                    change = 1 if step is Direction.IN else -1
                    people, net = people + change, net + change
                    told = ledger.record(crossing(step), NOON).occupancy
                else:
                    people = step
                    done = ledger.obey(Command("set_occupancy", f"c{number}", step), NOON)
                    told = ledger.state(NOON).occupancy
                    assert done.ok
                state = ledger.state(NOON)

            assert max(0, people) == told == state.occupancy
            assert net == state.in_total - state.out_total


def test_a_night_empties_the_place_and_a_clock_that_jumps_does_not_stop_the_nights(
    path: Path,
) -> None:
    """At the hour of the site, without a crossing too; totals go on, and today has its own hour."""
    night = LocalDay.night_of(SiteConfig("Europe/Berlin", occupancy_reset=datetime.time(4)))
    late = datetime.datetime(2026, 11, 21, 2, 59, tzinfo=UTC)  # 3:59 in Berlin
    with Ledger.open(path, day=LocalDay.at(BERLIN), night=night) as ledger:
        for _ in range(3):
            ledger.record(crossing(), late)
        before, after = ledger.state(late), ledger.state(late + timedelta(minutes=2))
        morning = ledger.record(crossing(), late + timedelta(minutes=2))
        ahead = ledger.record(crossing(), late + timedelta(days=1825))
        back = ledger.record(crossing(), late + timedelta(minutes=3))
        next_night = ledger.state(late + timedelta(days=1, minutes=1))
    with Ledger.open(path, night=None) as ledger:
        never = ledger.state(late + timedelta(days=9))

    assert (3, 0, 1) == (before.occupancy, after.occupancy, morning.occupancy)
    assert (4, 4) == (morning.in_total, morning.in_today)
    assert (1, 2, 0) == (ahead.occupancy, back.occupancy, next_night.occupancy)
    assert (2, 6) == (never.occupancy, never.in_total)


def test_a_command_is_done_once(path: Path) -> None:
    """A second one of the same id says what the first said and changes nothing; for years."""
    later = NOON + timedelta(hours=1)
    with Ledger.open(path) as ledger:
        ledger.record(crossing(), NOON)
        first = ledger.obey(Command("set_occupancy", "a", 7), NOON)
        ledger.record(crossing(), NOON)
    with Ledger.open(path) as ledger:
        again = ledger.obey(Command("set_occupancy", "a", 7), later)
        state = ledger.state(NOON)
        ledger.obey(Command("reset_today", "b"), NOON)
        today = ledger.state(NOON)
        ledger.record(crossing(), NOON)
        ledger.obey(Command("reset_occupancy", "c"), NOON)
        last = ledger.state(NOON)

    assert (True, None, NOON, False) == (first.ok, first.error, first.ts, first.repeated)
    assert replace(first, repeated=True) == again
    assert (8, 2) == (state.occupancy, state.in_today)
    assert (8, 0, 2) == (today.occupancy, today.in_today, today.in_total)
    assert (0, 1, 3) == (last.occupancy, last.in_today, last.in_total)


@pytest.mark.parametrize(
    "begun",
    [datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC), NOON - timedelta(hours=5)],
    ids=["never set", "of when it was switched off"],
)
def test_times_are_filled_in_once_the_clock_is_synchronised(
    path: Path, begun: datetime.datetime
) -> None:
    """By the seconds that passed since; in the order of seq, and for this boot alone."""
    wall = Wall(begun)
    with Ledger.open(path, boot="before", clocks=wall.clocks) as ledger:
        ledger.record(crossing(), wall.utc)
    with Ledger.open(path, boot="now", clocks=wall.clocks) as ledger:
        ledger.record(crossing(utc=wall.utc - timedelta(seconds=2)), wall.utc)
        wall.passes(30)
        ledger.record(crossing(), wall.utc)
        wall.passes(30)
        wall.utc, wall.right = NOON, True
        ledger.check()
        wall.passes(5)
        ledger.record(crossing(), wall.utc)
        rows = ledger.pending(9)
    times = [(row.ts - NOON).total_seconds() for row in rows[1:]]

    assert [1, 2, 3, 4] == [row.seq for row in rows]
    assert [-62, -30, 5] == times
    assert ["backfilled", "backfilled", "ledger"] == [row.ts_source for row in rows[1:]]
    assert [False, True, True, True] == [row.synced for row in rows]
    assert begun == rows[0].ts


def test_a_clock_that_nobody_synchronises_changes_no_time(path: Path) -> None:
    """It may jump as it likes: what is written stays, and says that it is not sure."""
    wall = Wall(NOON)
    with Ledger.open(path, clocks=wall.clocks) as ledger:
        ledger.record(crossing(), wall.utc)
        wall.utc += timedelta(days=1825)
        ledger.record(crossing(), wall.utc)
        ledger.check()
        rows = ledger.pending(9)

    assert [(NOON, False), (NOON + timedelta(days=1825), False)] == [
        (row.ts, row.synced) for row in rows
    ]


def _filled(path: Path, crossings: int, delivered: int) -> str:
    """A ledger of so many crossings, every third one out; its epoch."""
    with Ledger.open(path, lines=["L1"]) as ledger:
        ways = (Direction.OUT if number % 3 == 2 else Direction.IN for number in range(crossings))
        ledger.record_all([crossing(way) for way in ways], NOON)
        epoch = ledger.state(NOON).epoch
        ledger.acknowledge(epoch, delivered)
    return epoch


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_bit_costs_a_total(tmp_path: Path, seed: int) -> None:
    """Anywhere in the file: totals and counting go on, and no event is told other than it was."""
    path, randomness = tmp_path / "ledger.db", random.Random(seed)
    epoch = _filled(path, 300, 250)
    with Ledger.open(path) as ledger:
        whole = {row.seq: row for row in ledger.pending(999)}
    content = path.read_bytes()
    for number in range(25):
        place = randomness.randrange(len(content) if number % 3 else 4096)
        flipped = bytearray(content)
        flipped[place] ^= 1 << randomness.randrange(8)
        path.write_bytes(flipped)
        with Ledger.open(path) as ledger:
            state, rows = ledger.state(NOON), ledger.pending(999)
            next_one = ledger.record(crossing(), NOON)
        aside = list(tmp_path.glob("*.bad-*"))
        for file in tmp_path.iterdir():
            file.unlink()

        assert (200, 100) == (state.in_total, state.out_total), place
        assert 201 == next_one.in_total
        assert all(whole.get(row.seq, row) == replace(row, id=row.id) for row in rows), place
        assert bool(aside) == (epoch != next_one.epoch), place


def test_damage_that_is_met_while_counting_is_mended_by_the_next_start(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits is not told wrongly; the service ends at its next look, and starts anew."""
    epoch = _filled(path, 30, 10)
    with Ledger.open(path) as ledger:
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE crossings SET direction = 'out' WHERE id = 13")
        with pytest.raises(LedgerError, match="event 13"):
            ledger.pending(99)
        with pytest.raises(LedgerError, match="start again"):
            ledger.check()
    with Ledger.open(path) as ledger:
        state = ledger.record(crossing(), NOON)
        rows = ledger.pending(99)

    assert (1, 21, 10) == (state.seq, state.in_total, state.out_total)
    assert epoch != state.epoch
    assert [*range(11, 13), *range(14, 31)] == [row.seq for row in rows if row.epoch == epoch]
    assert "totals go on from in 20, out 10" in caplog.text


def test_a_damaged_row_of_totals_goes_on_from_the_last_sound_crossing(path: Path) -> None:
    """It carries the totals with it; a checksum that is wrong is enough, whatever it says."""
    _filled(path, 30, 30)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE ledger SET in_total = 999999")
        db.execute("UPDATE crossings SET in_total = 888888 WHERE id = 30")
    with Ledger.open(path) as ledger:
        state = ledger.state(NOON)

    assert (20, 9, 0) == (state.in_total, state.out_total, state.occupancy)


def test_half_of_a_file_is_enough_for_its_totals(path: Path) -> None:
    """Cut off in the middle, as by a card that lost its end."""
    _filled(path, 2000, 2000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with Ledger.open(path) as ledger:
        state = ledger.state(NOON)

    assert (1334, 666) == (state.in_total, state.out_total)
