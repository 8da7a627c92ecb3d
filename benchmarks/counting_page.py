"""The counting part of docs/benchmarks.md, from its results alone; needs none of the packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from marked import replaced

BEGIN, END = "<!-- counting: begin -->", "<!-- counting: end -->"
OURS = "ours"
OUR_OWN = (OURS, "deferred")

Results = Mapping[str, Any]
Row = Mapping[str, Any]  # "counted" by arm, beside what is true

SECTION = """# Counting, measured

Printed by `make bench-counting`, which makes an environment for the others, gives the same boxes to
all and keeps what it found in `benchmarks/results/counting.json`.

## Who counts

{setting}

{arms}

What is not named is the packages' default. Distances are pixels of a picture 480 high and are
scaled to others; ByteTrack and SORT are told the frame rate; of norfair's objects those count that
it calls live, and "timed" keeps its delays, which it tells in frames, at half a second. "Band"
is the textbook rule in this project's own writing (`benchmarks/sides.py`): it shows what a stock
tracker can do with a better rule than comes with it. `trackers` is not the newest: later ones bring
opencv-python, which cannot be installed beside what this project needs.

## Doors

The scenarios of this project's own test suite, and it was made while looking at them: they show
what goes wrong elsewhere, not how good the count is at a door that nobody has seen. In/out of 20
episodes on seed {seed}, one figure where all frame rates agree; wrong ones are bold. A case is a
scenario at a frame rate; an error is one person too many or too few, in or out.

{doors}

Errors by seed, each scenario at the rate nearest to 10 frames/s, and cases counted exactly:

{seeds}

## Crowds

People who come at random through a door four heads wide, both ways, and avoid and hide each other
(`tests/crowds.py`). Recall is the share of those who passed the line that was counted within half a
second, precision the share of what was counted that was true; {crowd_seeds} for each rate.

{crowds}

## Recordings

Found/false of the required events, matched as `headcount audit` does. These are development videos:
this project was made while looking at them, the others were not. "shipped" finds heads, "retail" is
Open Model Zoo's person-detection-retail-0013, which finds whole bodies.

{videos}

## Time

Microseconds a frame for following and counting: the median of all frames while all take turns.
Bringing boxes into a package's own form is left out.

{speed}

## Where another is better

Rows in which the best of the others has less of what is bad than "headcount" has:

{lost}
"""


def section(results: Results) -> str:
    """All that stands between the marks."""
    first = min(row["seed"] for row in results["doors"])
    return SECTION.format(
        setting="\n".join(f"- {key}: {value}" for key, value in results["setting"].items()),
        arms=arms(results),
        seed=first,
        doors=doors(results, first),
        seeds=seeds(results),
        crowd_seeds=_number(len({row["seed"] for row in results["crowds"]}), "crowd"),
        crowds=crowds(results),
        videos=videos(results),
        speed=speed(results),
        lost="\n".join(lost(results)) or "In no row.",
    )


def renew(page: str, results: Results) -> str:
    """The page with a new counting part."""
    return replaced(page, BEGIN, END, section(results))


def error(true: Sequence[int], counted: Sequence[int]) -> int:
    """People too many or too few."""
    return sum(abs(a - b) for a, b in zip(true, counted, strict=True))


def arms(results: Results) -> str:
    """Who counts, and with what."""
    return _table(["name", "tracker and rule"], [arm[1:] for arm in results["arms"]])


def doors(results: Results, seed: int) -> str:
    """A row a scenario, a column an arm, then errors and exact cases."""
    rows = [row for row in results["doors"] if row["seed"] == seed]
    table = []
    for name, group in groupby(rows, lambda row: row["name"]):
        cases = list(group)
        rates = ", ".join(f"{case['fps']:g}" for case in cases)
        true = "/".join(map(str, cases[0]["truth"]))
        cells = [_cell(cases, key) for key, *_ in results["arms"]]
        table.append([name, rates, true, *cells])
    keys = [key for key, *_ in results["arms"]]
    table.append(["**sum of errors**", "", "", *(str(_errors(rows, key)) for key in keys)])
    exact = [str(_exact(rows, key)) for key in keys]
    table.append([f"**exact of {len(rows)}**", "", "", *exact])
    return _table(["scenario", "frames/s", "true", *_titles(results)], table)


def seeds(results: Results) -> str:
    """A row an arm, a column a seed; each scenario at one rate, which all seeds have."""
    rows = [row for row in results["doors"] if row["usual"]]
    numbers = sorted({row["seed"] for row in rows})
    table = []
    for key, title, _ in results["arms"]:
        by = [_errors([row for row in rows if row["seed"] == n], key) for n in numbers]
        table.append([title, *map(str, by), str(sum(by)), f"{_exact(rows, key)} of {len(rows)}"])
    return _table(["", *(f"seed {n}" for n in numbers), "errors", "exact"], table)


def crowds(results: Results) -> str:
    """A row an arm, a column a rate: recall and precision."""
    rates = sorted({row["rate"] for row in results["crowds"]})
    table = []
    for key, title, _ in results["arms"]:
        cells = []
        for rate in rates:
            recall, precision = _shares([r for r in results["crowds"] if r["rate"] == rate], key)
            cells.append(f"{100 * recall:.1f} / {100 * precision:.1f}")
        table.append([title, *cells])
    people = [_people(results["crowds"], rate) for rate in rates]
    head = [f"{rate:g} a minute ({n} people)" for rate, n in zip(rates, people, strict=True)]
    return _table(["recall / precision, %", *head], table)


def videos(results: Results) -> str:
    """A row a detector and video, then the sum."""
    keys = [key for key, *_ in results["arms"]]
    table = []
    for row in results["videos"]:
        cells = ["/".join(map(str, row["counted"][key])) for key in keys]
        table.append([row["detector"], row["video"], str(row["true"]), *cells])
    rows = results["videos"]
    sums = ["/".join(str(sum(r["counted"][key][i] for r in rows)) for i in (0, 1)) for key in keys]
    table.append(["**all**", "", str(sum(row["true"] for row in rows)), *sums])
    missed = [str(sum(_missed_and_false(row, key) for row in rows)) for key in keys]
    table.append(["**missed and false**", "", "", *missed])
    return _table(["detector", "video", "true", *_titles(results)], table)


def speed(results: Results) -> str:
    """A row an arm, for each number of people the time and its ratio to ours."""
    counts = list(results["speed"])
    table = []
    for key, title, _ in results["arms"]:
        cells = []
        for count in counts:
            times = results["speed"][count]
            cells += [f"{times[key]:.0f}", f"{times[key] / times[OURS]:.1f} x"]
        table.append([title, *cells])
    head = [each for count in counts for each in (f"{count} people", "to ours")]
    return _table(["", *head], table)


def lost(results: Results) -> list[str]:
    """The rows in which an arm of another is better than ours, immediate mode."""
    titles = {key: title for key, title, _ in results["arms"] if key not in OUR_OWN}
    found = []
    for row in results["doors"]:
        errors = {k: error(row["truth"], row["counted"][k]) for k in (OURS, *titles)}
        what = f"{row['name']}, {row['fps']:g} frames/s, seed {row['seed']}: errors"
        found += _better(what, errors, titles)
    for rate in sorted({row["rate"] for row in results["crowds"]}):
        rows = [row for row in results["crowds"] if row["rate"] == rate]
        wrong = {k: sum(_missed_and_false(row, k) for row in rows) for k in (OURS, *titles)}
        found += _better(f"crowd of {rate:g} a minute: missed and false", wrong, titles)
    for row in results["videos"]:
        wrong = {k: _missed_and_false(row, k) for k in (OURS, *titles)}
        found += _better(f"{row['video']}, {row['detector']}: missed and false", wrong, titles)
    for count, times in results["speed"].items():
        found += _better(f"{count} people in view: microseconds", times, titles)
    return found


def _better(what: str, badness: Mapping[str, float], titles: Mapping[str, str]) -> list[str]:
    """A line if the best of the others has less of it than ours."""
    best = min(titles, key=lambda key: badness[key])
    if badness[best] >= badness[OURS]:
        return []
    return [f"- {what} {badness[OURS]:.0f}, {titles[best]} {badness[best]:.0f}"]


def _cell(cases: Iterable[Row], key: str) -> str:
    """In/out at every frame rate, once where they agree."""
    told: dict[str, None] = {}
    for case in cases:
        counted = case["counted"][key]
        text = "/".join(map(str, counted))
        told[text if counted == case["truth"] else f"**{text}**"] = None
    return " ".join(told)


def _errors(rows: Iterable[Row], key: str) -> int:
    return sum(error(row["truth"], row["counted"][key]) for row in rows)


def _exact(rows: Iterable[Row], key: str) -> int:
    return sum(row["counted"][key] == row["truth"] for row in rows)


def _shares(rows: Iterable[Row], key: str) -> tuple[float, float]:
    """Recall and precision; with nothing counted, nothing counted was wrong."""
    rows = list(rows)
    true = sum(row["true"] for row in rows)
    found, false = (sum(row["counted"][key][i] for row in rows) for i in (0, 1))
    return found / true, found / (found + false) if found + false else 1.0


def _missed_and_false(row: Row, key: str) -> int:
    found, false = row["counted"][key]
    return int(row["true"] - found + false)


def _people(rows: Iterable[Row], rate: float) -> int:
    return sum(row["true"] for row in rows if row["rate"] == rate)


def _titles(results: Results) -> list[str]:
    return [title for _, title, _ in results["arms"]]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
