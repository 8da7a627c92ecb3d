"""Exact assignment: which rows go with which columns so that the total benefit is largest.

Solved by the package lap (Jonker and Volgenant 1987). Most pictures of a door leave nothing to
solve: each person has one box in reach, and each box one person. Leaves it to the caller to say
what a pair is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import lap
import numpy as np

Pair = tuple[int, int, float]  # row, column, benefit


def assign(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    """Choose pairs so that no row and no column has two, and the sum of benefits is largest.

    Args:
        pairs: those that can be, each once; benefits are finite and above 0.

    Returns:
        The (row, column) that were chosen, in the order of the rows.
    """
    rows = sorted({row for row, _, _ in pairs})
    columns = sorted({column for _, column, _ in pairs})
    if len(rows) == len(columns) == len(pairs):
        return sorted((row, column) for row, column, _ in pairs)
    row_at = {row: place for place, row in enumerate(rows)}
    column_at = {column: place for place, column in enumerate(columns)}
    # The solver pairs every row of a square; a pair that cannot be costs nothing and means none.
    cost = np.zeros((max(len(rows), len(columns)),) * 2)
    for row, column, benefit in pairs:
        cost[row_at[row], column_at[column]] = -benefit
    chosen, _ = lap.lapjv(cost, return_cost=False)
    return [
        (row, columns[place])
        for row, place in zip(rows, chosen.tolist(), strict=False)
        if place < len(columns) and cost[row_at[row], place] < 0
    ]
