"""The checker of histories finds what it is there for; of a whole one it says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import pytest

from tests.history import Count, Heard, History, Passage, Verdict, check

A, B = "a" * 32, "b" * 32


def counts(device: str = "door", people: int = 6, epoch: str = A) -> tuple[Count, ...]:
    """A door's ledger: every third goes out."""
    ways = ["out" if person % 3 == 2 else "in" for person in range(people)]
    return tuple(
        Count(
            Passage(device, person, ways[person]),
            epoch,
            person + 1,
            ways[: person + 1].count("in"),
            ways[: person + 1].count("out"),
        )
        for person in range(people)
    )


def whole(*ledgers: Iterable[Count]) -> History:
    """Everything is committed, delivered and acknowledged."""
    rows = tuple(row for ledger in ledgers for row in ledger)
    acks = tuple(Heard(*row.ledger, row.seq) for row in rows)
    return History(tuple(row.passage for row in rows), rows, acks, rows)


def kinds(history: History) -> set[str]:
    """What is found to be wrong."""
    verdict = check(history)
    return {each.name for each in fields(verdict) if getattr(verdict, each.name)}


def without(rows: tuple[Count, ...], number: int) -> tuple[Count, ...]:
    return rows[:number] + rows[number + 1 :]


WHOLE = whole(counts("door"), counts("yard"))
STORED = WHOLE.deliveries
LAST = STORED[-1]
STRANGER = Count(Passage("yard", 99, "in"), A, 7, 5, 2)


def test_a_whole_history() -> None:
    """Nothing is found, and it says so."""
    assert Verdict() == check(WHOLE)
    assert check(WHOLE)
    assert "nothing is wrong" == str(check(WHOLE))


def test_nothing_happened() -> None:
    """That is whole, too; that something did, is for the test to say."""
    assert Verdict() == check(History((), (), (), ()))


def test_totals_go_on_in_a_new_epoch() -> None:
    """As after a damaged ledger: seq begins again, totals do not, and acks are of their epoch."""
    rows = counts(people=6)
    later = tuple(replace(row, epoch=B, seq=row.seq - 3) for row in rows[3:])

    assert Verdict() == check(whole(rows[:3], later))


@pytest.mark.parametrize("stored", [True, False])
def test_a_passage_that_a_kill_has_cut_short(stored: bool) -> None:
    """It may be in the store or not, as nobody was told."""
    history = replace(WHOLE, commits=WHOLE.commits[:-1], kills=1)
    acks = WHOLE.acks if stored else WHOLE.acks[:-1]

    assert Verdict() == check(
        replace(history, acks=acks, deliveries=STORED if stored else STORED[:-1])
    )


@pytest.mark.parametrize(
    ("expected", "history"),
    [
        pytest.param({"uncounted"}, replace(WHOLE, commits=WHOLE.commits[:-1]), id="uncounted"),
        pytest.param(
            {"lost"}, replace(WHOLE, acks=(), deliveries=STORED[:-1]), id="the last is lost"
        ),
        pytest.param(
            {"lost", "gaps", "false_totals"},
            replace(WHOLE, acks=(), deliveries=without(STORED, 1)),
            id="one in the middle is lost",
        ),
        pytest.param(
            {"lost"}, replace(WHOLE, acks=(), deliveries=STORED[:6]), id="a device is lost"
        ),
        pytest.param(
            {"gaps", "false_totals"},
            replace(
                WHOLE,
                commits=without(WHOLE.commits, 1),
                deliveries=without(STORED, 1),
                acks=(),
                kills=1,
            ),
            id="nobody was told of one that is counted in and lost",
        ),
        pytest.param(
            {"doubled", "false_totals"},
            replace(WHOLE, deliveries=(*STORED, LAST)),
            id="a row twice",
        ),
        pytest.param(
            {"doubled", "changed"},
            replace(WHOLE, deliveries=(*STORED, replace(LAST, seq=7, in_total=4, out_total=3))),
            id="a person counted twice",
        ),
        pytest.param(
            {"phantom"}, replace(WHOLE, deliveries=(*STORED, STRANGER)), id="nobody passed"
        ),
        pytest.param(
            {"lost", "phantom", "false_totals"},
            replace(
                WHOLE, deliveries=(*STORED[:-1], replace(LAST, passage=Passage("yard", 5, "in")))
            ),
            id="the other way",
        ),
        pytest.param(
            {"changed", "gaps"},
            replace(WHOLE, deliveries=(*STORED[:-1], replace(LAST, epoch=B)), acks=()),
            id="of another epoch",
        ),
        pytest.param(
            {"changed", "false_totals"},
            replace(WHOLE, deliveries=(*STORED[:-1], replace(LAST, in_total=3))),
            id="a total falls in the store",
        ),
        pytest.param(
            {"false_totals"},
            whole(counts("door"), (*counts("yard")[:-1], replace(LAST, out_total=3))),
            id="the last total is not the count",
        ),
        pytest.param(
            {"false_totals"},
            replace(WHOLE, commits=(*WHOLE.commits[:-2], LAST, WHOLE.commits[-2])),
            id="a total falls at the device",
        ),
        pytest.param(
            {"false_acks"},
            replace(WHOLE, acks=(Heard("yard", A, 7),)),
            id="more is acknowledged than was sent",
        ),
        pytest.param(
            {"false_acks"}, replace(WHOLE, acks=(Heard("yard", B, 1),)), id="of no such epoch"
        ),
        pytest.param(
            {"false_acks", "gaps", "lost", "false_totals"},
            replace(WHOLE, deliveries=without(STORED, 7), acks=(Heard("yard", A, 6),)),
            id="acknowledged over a gap",
        ),
        pytest.param(
            {"false_acks"},
            replace(WHOLE, acks=(Heard("yard", A, 3, early=True),)),
            id="acknowledged before it was stored",
        ),
    ],
)
def test_what_is_found(expected: set[str], history: History) -> None:
    """Each kind of fault, alone or with what follows from it."""
    assert expected == kinds(history)


def test_it_says_what_it_found() -> None:
    """How many of which kind, and the first of them."""
    told = str(check(replace(WHOLE, acks=(), deliveries=STORED[:6])))

    assert told.startswith("6 lost: Count(passage=Passage(device='yard', person=0, direction='in')")
    assert 3 == told.count("Count(")


@pytest.mark.parametrize("number", range(len(STORED)))
def test_no_single_loss_or_doubling_escapes(number: int) -> None:
    """Whichever row it is."""
    lost = check(replace(WHOLE, acks=(), deliveries=without(STORED, number)))
    doubled = check(replace(WHOLE, deliveries=(*STORED, STORED[number])))

    assert (STORED[number],) == lost.lost
    assert (STORED[number],) == doubled.doubled
