"""Rows of an export as CSV, JSON or a table for people. An empty count is one that is not known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from typing import TextIO

from edge.collector.export import Counts

COLUMNS = ("device", "line", "start", "end", "in", "out", "coverage", "doubts", "reason")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(rows: Iterable[Counts], out: TextIO, form: str) -> None:
    """Write all rows, as they come.

    Args:
        rows: what to write.
        out: where to.
        form: csv, json (one array) or text.
    """
    forms: dict[str, Callable[[Iterable[Counts], TextIO], None]] = {
        "csv": _csv,
        "json": _json,
        "text": _text,
    }
    forms[form](rows, out)


def _csv(rows: Iterable[Counts], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = _values(row)
        names = [_harmless(row.device), _harmless(row.line)]
        figures = ["" if values[name] is None else values[name] for name in COLUMNS[2:7]]
        writer.writerow([*names, *figures, " ".join(row.doubts), _harmless(row.reason)])


def _json(rows: Iterable[Counts], out: TextIO) -> None:
    """An array on one line, which is written as it comes: a year of quarters is long."""
    between = "["
    for row in rows:
        out.write(f"{between}{json.dumps(_values(row))}")
        between = ", "
    out.write("[]\n" if between == "[" else "]\n")


def _text(rows: Iterable[Counts], out: TextIO) -> None:
    for row in rows:
        into, away = ("-" if each is None else str(each) for each in (row.in_count, row.out_count))
        known = f"{100 * row.coverage:.0f} %"
        remarks = ", ".join([*row.doubts, *([f"gap: {row.reason}"] if row.reason else [])])
        name = f"{row.device} {row.line}".strip()
        line = f"{row.start.isoformat(timespec='minutes')}  {into:>6} in {away:>6} out {known:>6}"
        out.write(f"{_printable(name):16} {line}   {_printable(remarks)}".rstrip() + "\n")


def _values(row: Counts) -> dict[str, object]:
    own = (
        row.device,
        row.line or None,
        row.start.isoformat(timespec="seconds"),
        row.end.isoformat(timespec="seconds"),
        row.in_count,
        row.out_count,
        row.coverage,
        list(row.doubts),
        row.reason or None,
    )
    return dict(zip(COLUMNS, own, strict=True))


def _harmless(text: str) -> str:
    """What a spreadsheet would reckon, as a text."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
