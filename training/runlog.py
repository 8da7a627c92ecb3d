"""What a run has said of itself: `metrics.jsonl` line by line, and `results.csv` made of it.

`metrics.jsonl` has a line for every `log_every` steps (losses) and one for each checkpoint (AP50).
A run that goes on from a checkpoint first takes back the lines after it, so that the file of an
interrupted run is that of an uninterrupted one; `seconds` and `images_per_s` alone tell of a clock.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.contract.bundle import write_file
from edge.errors import DataError

Figures = dict[str, float]

METRICS, RESULTS = "metrics.jsonl", "results.csv"


class RunLog:
    """The log in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, figures: Figures) -> Figures:
        """Append a line; returns it as it was written, rounded.

        Raises:
            DataError: it cannot be written.
        """
        line = {key: round(value, 6) for key, value in figures.items()}
        path = self._folder / METRICS
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise unwritten(path, error.strerror) from error
        return line

    def take_back(self, step: int) -> None:
        """Leave out the lines after a step, and one that a kill or a full disk has cut.

        Raises:
            DataError: the file cannot be written.
        """
        path = self._folder / METRICS
        if not path.exists():
            return
        kept = [json.dumps(line) for line in read_metrics(path) if line["step"] <= step]
        _put(path, "".join(line + "\n" for line in kept))

    def write_results(self) -> None:
        """Write `results.csv` anew.

        Raises:
            DataError: it cannot be written.
        """
        rows = checkpoints(read_metrics(self._folder / METRICS))
        columns = list(dict.fromkeys(key for row in rows for key in row))
        out = io.StringIO(newline="")
        table = csv.DictWriter(out, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        _put(self._folder / RESULTS, out.getvalue())


def read_metrics(path: Path) -> list[Figures]:
    """The whole lines of a `metrics.jsonl`, none if there is no such file.

    Raises:
        DataError: a line other than the last is not one of ours.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            figures = json.loads(line)
            figures["step"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):  # a kill or a full disk may have cut it
                break
            raise DataError(f"{path}:{number}: not a line of a run's log; remove it") from error
        found.append(figures)
    return found


def checkpoints(lines: Sequence[Figures]) -> list[Figures]:
    """One row for each checkpoint: its metrics, and the losses last logged before it."""
    rows, losses = [], {}
    for line in lines:
        if "lr" in line:
            losses = {key: value for key, value in line.items() if key != "step"}
        else:
            rows.append({"step": line["step"], **losses, **line})
    return rows


def attempt(path: Path, write: Callable[[], None]) -> None:
    """Write a file of a run; what cannot be written is told in one line.

    Raises:
        DataError: the disk is full, or the folder may not be written to.
    """
    try:
        write()
    except OSError as error:
        raise unwritten(path, error.strerror) from error


def unwritten(path: Path, why: str | None) -> DataError:
    """The error that a file of a run cannot be written."""
    return DataError(
        f"{path}: cannot be written: {why}; the run is whole up to its last checkpoint: make room "
        "and go on with --resume"
    )


def _put(path: Path, text: str) -> None:
    attempt(path, lambda: write_file(path, text.encode()))
