"""What the cells of a comparison say together: a row for each arm, ties called ties.

An arm's AP50 is the mean over its seeds. Differences are drawn again in pairs: the same pictures
for both arms, so that what makes a picture hard for all drops out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import DataError
from training.arms import ARMS, DENSE, OURS, Arm
from training.bench import read_judged
from training.matching import Judged, weighted_ap

NOT_RUN = "not run"
ROUNDS = 1000  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Row:
    """One arm. AP50 in points (0 to 100); shares are of the dense network.

    ahead, low, high: ours minus this arm, and the 95 % interval of it; none for ours itself.
    """

    name: str
    title: str
    ap50: tuple[float, ...]  # one for each seed
    latencies: tuple[float, ...]  # of the same networks, shares
    ms: float  # median over them
    macs: float  # share
    parameters: float  # share
    ahead: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def mean(self) -> float:
        """AP50 over the seeds."""
        return float(np.mean(self.ap50))

    @property
    def latency(self) -> float:
        """Share of the dense network's latency, median over the seeds."""
        return float(np.median(self.latencies))

    @property
    def tied(self) -> bool:
        """Whether the difference to ours is within noise."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


def compare(out: Path, seeds: Sequence[int]) -> list[Row | Arm]:
    """A row for each arm, or the arm itself where no seed of it was run.

    Raises:
        DataError: a cell cannot be read, or nothing was put on the clock.
    """
    latency = _read(out / "latency.json")
    cells = {arm.name: _cells(out, arm.name, seeds) for arm in ARMS}
    if not cells[DENSE]:
        raise DataError(f"{out}: the dense network was not run, to which all others compare")
    whole = next(iter(cells[DENSE].values()))
    weights = _draws(len(whole["pictures"]))
    ours = _average(cells[OURS], weights) if cells[OURS] else None
    rows: list[Row | Arm] = []
    for arm in ARMS:
        found = cells[arm.name]
        if not found:
            rows.append(arm)
            continue
        clocks = [_clock(latency, f"{arm.name}-{seed}", out) for seed in found]
        row = Row(
            name=arm.name,
            title=arm.title,
            ap50=tuple(100 * cell["ap50"] for cell in found.values()),
            latencies=tuple(clock["share"] for clock in clocks),
            ms=float(np.median([clock["ms"] for clock in clocks])),
            macs=float(np.mean([cell["macs"] for cell in found.values()])) / whole["macs"],
            parameters=float(np.mean([c["parameters"] for c in found.values()]))
            / whole["parameters"],
        )
        rows.append(
            row if ours is None or arm.name == OURS else _against(row, found, ours, weights)
        )
    return rows


def _clock(latency: dict[str, Any], cell: str, out: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = latency[cell]
    except KeyError as error:  # as when two runs share the folder, and the other one ended later
        raise DataError(
            f"{out}: {cell} was not put on the clock yet; run `headcount-train bench` again"
        ) from error
    return found


def _against(
    row: Row, cells: dict[int, Any], ours: NDArray[np.float64], weights: NDArray[np.int64]
) -> Row:
    ahead, low, high = _lead_of(ours, _average(cells, weights))
    return Row(**{**asdict(row), "ahead": ahead, "low": low, "high": high})


def lead(first: Sequence[Judged], second: Sequence[Judged]) -> tuple[float, float, float]:
    """Points of AP50 by which the first detector is ahead on the same pictures, and 95 % of it."""
    weights = _draws(len(first))
    return _lead_of(weighted_ap(first, weights), weighted_ap(second, weights))


def _lead_of(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    apart = 100 * (first - second)
    low, high = np.percentile(apart[1:], [2.5, 97.5])
    return float(apart[0]), float(low), float(high)


def _draws(pictures: int, seed: int = 0) -> NDArray[np.int64]:
    """(1 + ROUNDS, pictures) how often each picture counts; in the first row once."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=ROUNDS)
    return np.concatenate([np.ones((1, pictures), np.int64), drawn])


def _average(cells: dict[int, Any], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """(1 + ROUNDS,) AP50 0..1, the mean over the seeds in each draw."""
    judged: list[list[Judged]] = [read_judged(cell) for cell in cells.values()]
    mean: NDArray[np.float64] = np.mean([weighted_ap(rows, weights) for rows in judged], axis=0)
    return mean


def _cells(out: Path, arm: str, seeds: Sequence[int]) -> dict[int, Any]:
    files = {seed: out / f"{arm}-{seed}.json" for seed in seeds}
    return {seed: _read(file) for seed, file in files.items() if file.exists()}


def _read(path: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; run `headcount-train bench`") from error


def to_json(rows: Sequence[Row | Arm]) -> list[dict[str, Any]]:
    """JSON objects; an arm that was not run has its name and title alone."""
    return [
        {"name": row.name, "title": row.title} if isinstance(row, Arm) else asdict(row)
        for row in rows
    ]


def from_json(data: Sequence[dict[str, Any]]) -> list[Row | Arm]:
    """What `to_json` gave."""
    arms = {arm.name: arm for arm in ARMS}
    return [_row(entry) if "ap50" in entry else arms[entry["name"]] for entry in data]


def _row(entry: dict[str, Any]) -> Row:
    lists = {name: tuple(entry[name]) for name in ("ap50", "latencies")}
    return Row(**{**entry, **lists})


def table(rows: Sequence[Row | Arm]) -> str:
    """The comparison as Markdown; every arm has a line, also those that were not run."""
    lines = [
        "| method | AP50 by seed | AP50 | latency | MACs | parameters | ours ahead by [95 %] |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if isinstance(row, Arm):
            lines.append(f"| {row.title} | {NOT_RUN} | | | | | |")
            continue
        seeds = ", ".join(f"{value:.1f}" for value in row.ap50)
        clocks = ", ".join(f"{100 * share:.1f}" for share in row.latencies)
        lines.append(
            f"| {row.title} | {seeds} | {row.mean:.1f} | {clocks} % ({row.ms:.2f} ms) "
            f"| {row.macs:.0%} | {row.parameters:.0%} | {_words(row)} |"
        )
    return "\n".join(lines)


def _words(row: Row) -> str:
    if row.ahead is None:
        return ""
    tie = ", a tie" if row.tied else ""
    return f"{row.ahead:+.1f} [{row.low:+.1f}, {row.high:+.1f}]{tie}"
