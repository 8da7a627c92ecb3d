"""The store: every event once, and no word beyond what it has."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.collector.opening import open_database
from edge.collector.records import Record, read_record
from edge.collector.store import Receipt, Store
from edge.errors import CallError, StoreError, WorldError
from tests.collector.events import EPOCH, LATER, NOON, bucket, crossing, gap, record
from tests.postgres import Postgres

DOOR, YARD = ("door", EPOCH), ("yard", EPOCH)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with closing(Store(open_database(address), clock=lambda: NOON)) as store:
        yield store


def rows(address: str) -> list[tuple[str, str, int]]:
    """The key of every row, as another program finds them."""
    with closing(open_database(address, only_read=True)) as database:
        return [
            tuple(row)
            for row in database.query(
                "SELECT device, epoch, seq FROM headcount_events JOIN headcount_ledgers "
                "ON id = ledger ORDER BY device, epoch, seq"
            )
        ]


def take(store: Store, *seqs: int, **settings) -> Receipt:
    return store.take([record(seq, **settings) for seq in seqs])


def test_each_event_once(store: Store, address: str) -> None:
    """What comes again, in the same batch or later, is a duplicate and no row."""
    first = take(store, 1, 2, 2)
    second = take(store, 2, 3)

    assert (2, 1) == (first.stored, first.duplicates)
    assert (1, 1) == (second.stored, second.duplicates)
    assert [("door", EPOCH, seq) for seq in (1, 2, 3)] == rows(address)


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        pytest.param([(1, 2, 3)], [3], id="in order"),
        pytest.param([(2, 3), (1,)], [0, 3], id="the first comes last"),
        pytest.param([(3, 1, 2)], [3], id="in any order"),
        pytest.param([(1,), (3,), (5,), (2,), (4,)], [1, 1, 1, 3, 5], id="gaps are closed"),
        pytest.param([(1, 2), (1, 2)], [2, 2], id="again"),
    ],
)
def test_it_says_how_far_nothing_is_missing(
    store: Store, batches: list[tuple[int, ...]], said: list[int]
) -> None:
    """The word for a ledger is the largest seq up to which all are stored."""
    assert said == [take(store, *batch).stored_to[DOOR] for batch in batches]


def test_devices_and_epochs_are_apart(store: Store) -> None:
    """Each ledger has its own word; another card of the same device is another ledger."""
    batch = [record(1), record(2), record(1, device="yard"), record(2, epoch=LATER)]
    receipt = store.take(batch)

    assert {DOOR: 2, YARD: 1, ("door", LATER): 0} == receipt.stored_to


def test_a_store_that_is_new_begins_where_the_device_does(store: Store) -> None:
    """What a device let go of before is not waited for."""
    assert {DOOR: 500} == take(store, 500, kept_from=500).stored_to
    assert {DOOR: 502} == take(store, 501, 502, kept_from=500).stored_to


def test_what_was_sent_before_a_store_listened_is_waited_for(store: Store) -> None:
    """The device has sent 40 to 42 to nobody and still keeps them: nothing is acknowledged."""
    assert {DOOR: 39} == take(store, 43, 44, kept_from=40).stored_to
    assert {DOOR: 44} == take(store, 40, 41, 42, kept_from=40).stored_to


def test_a_store_that_lost_rows_goes_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Set back to an older copy it would wait for ever; it says what is missing, and goes on."""
    take(store, 1, 2, 3)
    receipt = take(store, 9, 10, kept_from=9)

    assert {DOOR: 10} == receipt.stored_to
    assert "events 4 to 8" in caplog.text


def test_a_word_is_never_taken_back_by_what_was_late(store: Store) -> None:
    """A message that was under way when the device let go of others says an older kept_from."""
    take(store, 1, 2, 3, 4)

    assert {DOOR: 5} == take(store, 5, kept_from=1).stored_to
    assert {DOOR: 6} == take(store, 6, kept_from=6).stored_to
    assert {DOOR: 6} == take(store, 2, kept_from=1).stored_to


def test_all_types_are_stored(store: Store, address: str) -> None:
    """Crossings, buckets and gaps share seq; one that cannot be read is kept as it came."""
    payloads = [
        crossing(1),
        bucket(2, NOON, (3, 2)),
        gap(3, NOON, NOON),
        crossing(4, direction="up"),
        crossing(5, type="of a later version"),
    ]
    receipt = store.take([read_record("door", each.encode()) for each in payloads])
    with closing(open_database(address, only_read=True)) as database:
        found = database.query(
            "SELECT type, direction, in_count, coverage, reason, raw FROM headcount_events "
            "ORDER BY seq"
        )

    assert {DOOR: 5} == receipt.stored_to
    assert [
        ("crossing", "in", None, None, None, None),
        ("bucket", None, 3, 1.0, None, None),
        ("gap", None, None, None, "off", None),
        ("unread", None, None, None, None, payloads[3]),
        ("unread", None, None, None, None, payloads[4]),
    ] == [tuple(row) for row in found]


def test_what_it_said_is_there_after_it_was_opened_again(address: str) -> None:
    """The word for each device is of its ledger that was heard last."""
    with closing(Store(open_database(address), clock=lambda: NOON)) as store:
        take(store, 1, 2, 5)
    with closing(Store(open_database(address), clock=lambda: NOON.replace(hour=13))) as store:
        take(store, 1, epoch=LATER)
        heard = store.latest()

    assert {"door": (LATER, 1, NOON.replace(hour=13))} == {
        device: (each.epoch, each.stored_to, each.at) for device, each in heard.items()
    }


def test_rows_that_were_told_may_be_deleted(address: str) -> None:
    """Whoever keeps the database may drop old rows: the word stays."""
    with closing(Store(open_database(address))) as store:
        take(store, 1, 2, 3)
    with closing(open_database(address)) as database:
        database.run("DELETE FROM headcount_events WHERE seq <= ?", [(2,)])
    with closing(Store(open_database(address))) as store:
        assert {DOOR: 4} == take(store, 4).stored_to


KEYS = st.tuples(
    st.sampled_from(["door", "yard"]), st.sampled_from([EPOCH, LATER]), st.integers(1, 12)
)


@given(batches=st.lists(st.lists(KEYS, max_size=8), max_size=12))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_comes_in_whatever_order(
    address: str, batches: list[list[tuple[str, str, int]]]
) -> None:
    """Rows are exactly what came; each word is the longest run from 1, and grows."""
    with closing(open_database(address)) as database:
        for table in ("headcount_events", "headcount_ledgers"):
            database.run(f"DELETE FROM {table}", [()])
    _holds_for(address, batches)


def _holds_for(address: str, batches: list[list[tuple[str, str, int]]]) -> None:
    came: set[tuple[str, str, int]] = set()
    with closing(Store(open_database(address))) as store:
        for batch in filter(None, batches):
            new = set(batch) - came
            came |= new
            receipt = store.take([record(s, device=d, epoch=e) for d, e, s in batch])

            assert (len(new), len(batch) - len(new)) == (receipt.stored, receipt.duplicates)
            for device, epoch in {(device, epoch) for device, epoch, _ in batch}:
                seqs = {seq for d, e, seq in came if (d, e) == (device, epoch)}
                run = next(n for n in range(14) if n + 1 not in seqs)
                assert run == receipt.stored_to[device, epoch]
    assert sorted(came) == rows(address)


@pytest.mark.parametrize("seed", [1, 2])
def test_several_write_into_one_database(postgres: Postgres, seed: int) -> None:
    """Each has a part, in an order of its own, some of it twice: in the end all is acknowledged,
    and at no time anything that another could not read.
    """
    address, said = postgres.new_database(), []
    randomness = random.Random(seed)
    events = [record(seq, device=device) for seq in range(1, 201) for device in ("door", "yard")]
    events += randomness.sample(events, 100)
    randomness.shuffle(events)

    def work(part: list[Record]) -> None:
        with (
            closing(Store(open_database(address))) as store,
            closing(open_database(address, only_read=True)) as reader,
        ):
            for first in range(0, len(part), 10):
                for (device, _), word in store.take(part[first : first + 10]).stored_to.items():
                    ((found,),) = reader.query(
                        "SELECT count(*) FROM headcount_events JOIN headcount_ledgers "
                        "ON id = ledger WHERE device = ? AND seq <= ?",
                        (device, word),
                    )
                    said.append((device, word, found))

    threads = [threading.Thread(target=work, args=(events[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"door": 200, "yard": 200} == {
        device: max(word for d, word, _ in said if d == device) for device in ("door", "yard")
    }
    assert [] == [each for each in said if each[1] != each[2]]
    assert 400 == len(rows(address))


def test_two_make_the_tables_at_once(postgres: Postgres) -> None:
    """Collectors that start together on an empty database all find it in order."""
    address, errors = postgres.new_database(), []

    def begin() -> None:
        try:
            open_database(address).close()
        except WorldError as error:
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors


def test_an_sqlite_store_has_one_collector(tmp_path: Path) -> None:
    """The second is told that several need PostgreSQL; a reader is let in."""
    address = f"sqlite:{tmp_path}/store.db"
    with closing(open_database(address)):
        with pytest.raises(WorldError, match="another collector"):
            open_database(address)
        open_database(address, only_read=True).close()


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    """The database of another program, and a store of a later version, are refused as they are."""
    foreign, later = tmp_path / "foreign.db", tmp_path / "later.db"
    with closing(sqlite3.connect(foreign)) as db:
        db.execute("CREATE TABLE theirs (one)")
    open_database(f"sqlite:{later}").close()
    with closing(sqlite3.connect(later)) as db, db:
        db.execute("UPDATE headcount_store SET schema = 99")
    with pytest.raises(WorldError, match="no store of a collector"):
        open_database(f"sqlite:{foreign}")
    with pytest.raises(WorldError, match="schema 99"):
        open_database(f"sqlite:{later}")


def test_a_damaged_file_is_a_store_that_is_away(tmp_path: Path) -> None:
    """It is told and nothing is acknowledged; nobody throws it away."""
    path = tmp_path / "store.db"
    path.write_bytes(b"no database, but long enough to have been one" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_database(f"sqlite:{path}")

    assert path.stat().st_size == 4500


@pytest.mark.parametrize("wrong", ["store.db", "sqlite:", "mysql://me:secret@host/db"])
def test_what_is_no_address(wrong: str) -> None:
    """It is refused with the two that there are, and without the password."""
    with pytest.raises(CallError, match="sqlite:FILE or postgresql://") as refusal:
        open_database(wrong)

    assert "secret" not in str(refusal.value)


def test_a_server_that_is_away(postgres: Postgres) -> None:
    """One line, without the password."""
    address = postgres.url("nothing").replace("headcount@", "headcount:secret@")
    with pytest.raises(StoreError, match='database "nothing" does not exist') as refusal:
        open_database(address)

    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
