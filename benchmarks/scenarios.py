"""Count the synthetic door scenarios, and print counted against true.

    python benchmarks/scenarios.py [--seeds 4] [--mode immediate|deferred] [--dropped S] [--false N]

Cells are in/out for each seed, one figure where all seeds agree; wrong ones are bold. `--dropped`
is the share of the boxes that are missing (0.05, poster 0.6), `--false` the mean number of false
boxes in a frame. The suite is also a test; this prints it as a table, and lets one make it worse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge.line import LineSettings
from tests.scenarios import SCENARIOS, Scenario, frames, play, totals


def count(scenario: Scenario, fps: float, options: argparse.Namespace) -> list[tuple[int, int]]:
    """(in, out) for each seed."""
    settings = LineSettings(options.mode, u_turns=options.u_turns)
    return [
        totals(
            play(
                frames(scenario, seed, fps, dropped=options.dropped, false=options.false),
                fps,
                settings,
                scenario.place,
            )
        )
        for seed in range(1, options.seeds + 1)
    ]


def cell(scenario: Scenario, counted: list[tuple[int, int]]) -> str:
    """What one scenario came to."""
    told = dict.fromkeys(
        f"{a}/{b}" if (a, b) == scenario.truth else f"**{a}/{b}**" for a, b in counted
    )
    return " ".join(told)


def main() -> None:
    """Print one row a scenario and frame rate, and the sum of the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--mode", choices=("immediate", "deferred"), default="immediate")
    parser.add_argument("--u-turns", action="store_true")
    parser.add_argument("--dropped", type=float)
    parser.add_argument("--false", type=float)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args()
    print("| scenario | fps | true | counted | errors |")
    print("|---|---|---|---|---|")
    total = 0
    for scenario in SCENARIOS:
        if options.only not in scenario.name:
            continue
        for fps in scenario.fps:
            counted = count(scenario, fps, options)
            truth = scenario.truth
            errors = sum(abs(a - truth[0]) + abs(b - truth[1]) for a, b in counted)
            total += errors
            row = f"| {scenario.name} | {fps:g} | {truth[0]}/{truth[1]} "
            print(f"{row}| {cell(scenario, counted)} | {errors} |", flush=True)
    print(f"\n{total} errors over {options.seeds} seeds")


if __name__ == "__main__":
    main()
