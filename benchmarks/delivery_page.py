"""The delivery part of docs/benchmarks.md, from its results alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marked import replaced

BEGIN, END = "<!-- delivery: begin -->", "<!-- delivery: end -->"
FIRST_S, ALL_S, WAITING = 2.0, 10.0, 10_000  # what is asked for after an outage
WAYS = {
    "plain": "paho alone, QoS 1, and a subscriber with a lasting session",
    "trusting": "an outbox that lets go at the broker's PUBACK (headcount without `mqtt.stores`)",
    "headcount": "headcount: an outbox that lets go at the store's word",
}

Results = Mapping[str, Any]

SECTION = """# Delivery, measured

Printed by `python benchmarks/delivery.py` (as root, for the networks), which keeps what it found in
`benchmarks/results/delivery.json`. What is lost and doubled is found by the checker of the
tests, `tests/history.py`, which knows everybody who passed.

## Lost and doubled

{kills_setting}

Three doors count {rate:.0f} people a second each, side by side, for {seconds:.0f} s a run; the two
that have a disk to write to count fewer where it is slow or the machine has no time. Meanwhile the
one broker is killed (kill -9) {kills} times at random moments, to be back {down:.1f} s later.
Nothing else is killed. All come back to the broker after 1 to 5 s, or sooner. Counted twice is what
a reader has got twice: that of the plain way has nothing to tell it by; `headcount collect`, which
stores what the other two send, has (device, epoch, seq).

{kills_table}

A broker that has acknowledged a message has not delivered it: what it holds is gone when it is
killed (Debian's writes its database each half hour), and what comes to it before the subscriber is
back has nobody to go to.

## After an outage

{outages}

## A commit

{commits_setting}

Milliseconds until a crossing, its totals and its place in the outbox are on the disk; {commits} of
them, {rate:.0f} a second: p50 {p50:.2f}, p99 {p99:.2f}.
"""

OUTAGES = """{setting}

The network between door and broker drops all packets for {outage:.0f} s, or for as long as a slow
machine takes to count so many, while the door goes on counting. Seconds from the network's return
until the first event that waited is in the store, and until all of them are. Asked for: the first
within {first:.0f} s, {waiting} within {all:.0f} s: {verdict}.

{table}"""


def section(results: Results) -> str:
    """All that stands between the marks."""
    runs, commits = results["kills"], results["commits"]
    settings = results["settings"]
    return SECTION.format(
        kills_setting=setting(settings["kills"]),
        rate=results["rate"],
        seconds=runs[0]["seconds"],
        kills=runs[0]["kills"],
        down=results["down_s"],
        kills_table=kills(runs),
        outages=outages(results),
        commits_setting=setting(settings["commits"]),
        commits=commits["commits"],
        p50=commits["p50_ms"],
        p99=commits["p99_ms"],
    )


def renew(page: str, results: Results) -> str:
    """The page with a new delivery part."""
    return replaced(page, BEGIN, END, section(results))


def setting(told: Mapping[str, str]) -> str:
    """What ran, and where."""
    return "\n".join(f"- {key}: {value}" for key, value in told.items())


def kills(runs: Sequence[Results]) -> str:
    """A row a way: what was lost and doubled in each run, of how much in all."""
    seeds = [f"seed {run['seed']}: lost / twice" for run in runs]
    table = []
    for way, title in WAYS.items():
        told = [run["ways"][way] for run in runs]
        cells = [f"{each['lost']} / {each['doubled']}" for each in told]
        sums = [sum(each[key] for each in told) for key in ("counted", "lost", "doubled")]
        table.append([title, *cells, *map(str, sums)])
    return _table(["way", *seeds, "counted", "**lost**", "**counted twice**"], table)


def outages(results: Results) -> str:
    """A row an outage, and whether they are within what is asked for."""
    rows = results["outages"]
    if rows is None:
        return "Not run: it needs root."
    table = [
        [str(number), str(row["waiting"]), f"{row['first_s']:.2f}", f"{row['all_s']:.2f}"]
        for number, row in enumerate(rows, 1)
    ]
    return OUTAGES.format(
        setting=setting(results["settings"]["outages"]),
        outage=results["outage_s"],
        first=FIRST_S,
        waiting=WAITING,
        all=ALL_S,
        verdict=verdict(rows),
        table=_table(["outage", "waiting", "first", "all"], table),
    )


def verdict(rows: Sequence[Mapping[str, float]]) -> str:
    """How many of the outages are within what is asked for."""
    first = sum(row["first_s"] < FIRST_S for row in rows)
    all_ = sum(row["all_s"] < ALL_S and row["waiting"] >= WAITING for row in rows)
    return f"the first was in {first} of {len(rows)} outages, all were in {all_}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
