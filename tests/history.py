"""What happened between doors and their store, and a checker of it, in the manner of Jepsen.

    passages     the truth: who was to be counted, as the generator of people knows it
    commits      what a door was told is in its ledger
    acks         what the store was heard to say is stored
    deliveries   what another program finds in the store in the end

    commits <= deliveries <= passages, as sets, and each delivery once: a passage that is no commit
    was cut short by a kill, and may be there or not.

Pure: a history in, a verdict out. Who makes history is left to the tests and benchmarks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, count, groupby

_SHOWN = 3  # findings of a kind that a message quotes


@dataclass(frozen=True, slots=True)
class Passage:
    """A person who passes; `person` is unlike that of all others at this device."""

    device: str
    person: int
    direction: str  # in, out


@dataclass(frozen=True, slots=True)
class Count:
    """A passage with its place in the ledger and the totals that include it."""

    passage: Passage
    epoch: str
    seq: int
    in_total: int
    out_total: int

    @property
    def ledger(self) -> tuple[str, str]:
        """Device and epoch: within them seq counts."""
        return self.passage.device, self.epoch


@dataclass(frozen=True, slots=True)
class Heard:
    """An acknowledgement; `early`: its event was looked for at once, and was not in the store."""

    device: str
    epoch: str
    seq: int
    early: bool = False

    @property
    def ledger(self) -> tuple[str, str]:
        """Device and epoch of what is acknowledged."""
        return self.device, self.epoch


@dataclass(frozen=True, slots=True)
class History:
    """All that happened; `kills` of devices, each of which may have cut a passage short."""

    passages: tuple[Passage, ...]
    commits: tuple[Count, ...]
    acks: tuple[Heard, ...]
    deliveries: tuple[Count, ...]
    kills: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a history, by kind; nothing is where all are empty."""

    uncounted: tuple[Passage, ...] = ()  # neither committed nor cut short
    lost: tuple[Count, ...] = ()  # committed, not delivered
    doubled: tuple[Count, ...] = ()  # delivered again
    phantom: tuple[Count, ...] = ()  # delivered, though nobody passed so
    changed: tuple[Count, ...] = ()  # delivered otherwise than committed
    gaps: tuple[tuple[str, str, int], ...] = ()  # device, epoch, seq below the last one delivered
    false_totals: tuple[Count, ...] = ()  # delivered or committed, unlike the people so far
    false_acks: tuple[Heard, ...] = ()  # of what is not in the store

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return not any(getattr(self, each.name) for each in fields(self))

    def __str__(self) -> str:
        return "; ".join(self._told()) or "nothing is wrong"

    def _told(self) -> Iterator[str]:
        for each in fields(self):
            found = getattr(self, each.name)
            if found:
                quoted = ", ".join(map(str, found[:_SHOWN]))
                yield f"{len(found)} {each.name.replace('_', ' ')}: {quoted}"


def check(history: History) -> Verdict:
    """Judge a history."""
    committed = {each.passage: each for each in history.commits}
    delivered = {each.passage for each in history.deliveries}
    passed = set(history.passages)
    uncommitted = tuple(each for each in history.passages if each not in committed)
    ledgers = _by_ledger(history.deliveries)
    stored_to = {ledger: _stored_to(rows) for ledger, rows in ledgers.items()}
    return Verdict(
        uncounted=uncommitted if len(uncommitted) > history.kills else (),
        lost=tuple(each for each in history.commits if each.passage not in delivered),
        doubled=tuple(_again(history.deliveries)),
        phantom=tuple(each for each in history.deliveries if each.passage not in passed),
        changed=tuple(
            each for each in history.deliveries if each != committed.get(each.passage, each)
        ),
        gaps=tuple(gap for ledger, rows in ledgers.items() for gap in _gaps(ledger, rows)),
        false_totals=(*_false_totals(ledgers), *_falling(history.commits)),
        false_acks=tuple(
            each for each in history.acks if each.early or each.seq > stored_to.get(each.ledger, 0)
        ),
    )


_Ledgers = Mapping[tuple[str, str], Sequence[Count]]  # rows of each (device, epoch), by seq


def _by_ledger(counts: Iterable[Count]) -> _Ledgers:
    ordered = sorted(counts, key=lambda each: (*each.ledger, each.seq))
    return {ledger: list(rows) for ledger, rows in groupby(ordered, lambda each: each.ledger)}


def _again(deliveries: Iterable[Count]) -> Iterator[Count]:
    seen: set[Passage] = set()
    for each in deliveries:
        if each.passage in seen:
            yield each
        seen.add(each.passage)


def _gaps(ledger: tuple[str, str], rows: Sequence[Count]) -> Iterator[tuple[str, str, int]]:
    there = {row.seq for row in rows}
    return ((*ledger, seq) for seq in range(1, max(there)) if seq not in there)


def _stored_to(rows: Sequence[Count]) -> int:
    """The seq up to which none is missing."""
    there = {row.seq for row in rows}
    return next(seq for seq in count() if seq + 1 not in there)


def _false_totals(ledgers: _Ledgers) -> Iterator[Count]:
    """Rows whose totals are not the people so far at their device; epochs go on from another."""
    in_order = sorted(ledgers.values(), key=lambda rows: rows[0].in_total + rows[0].out_total)
    so_far: Counter[tuple[str, str]] = Counter()
    for row in chain.from_iterable(in_order):
        device, direction = row.passage.device, row.passage.direction
        so_far[device, direction] += 1
        if (row.in_total, row.out_total) != (so_far[device, "in"], so_far[device, "out"]):
            yield row


def _falling(commits: Iterable[Count]) -> Iterator[Count]:
    """Commits with a seq or a total below one that the device was told before."""
    last: dict[str, Count] = {}
    for each in commits:
        before = last.get(each.passage.device, each)
        lower = each.in_total < before.in_total or each.out_total < before.out_total
        if lower or (each.epoch == before.epoch and each.seq < before.seq):
            yield each
        last[each.passage.device] = each
