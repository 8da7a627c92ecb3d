"""Exact assignment: which rows go with which columns so that the total benefit is largest.

The Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987), O(n^2 m) in plain
Python: a door shows a handful of people, so a linear-algebra package would cost more than it
saves. Leaves it to the caller to say what a pair is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def assign(benefit: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pair rows with columns, one to one, for the largest sum of benefits.

    Args:
        benefit: finite values, one list a row; a pair worth 0 or less is never made.

    Returns:
        (row, column) pairs in the order of the rows.
    """
    if not benefit or not benefit[0]:
        return []
    if len(benefit) > len(benefit[0]):
        return sorted((row, column) for column, row in assign(list(zip(*benefit, strict=True))))
    # a pair that is worth nothing costs the same as leaving both alone
    cost = [[-max(value, 0.0) for value in row] for row in benefit]
    pairs = _cheapest(cost)
    return [(row, column) for row, column in pairs if benefit[row][column] > 0]


def _cheapest(cost: list[list[float]]) -> list[tuple[int, int]]:
    """The cheapest complete assignment of the rows; needs rows <= columns."""
    width = len(cost[0])
    row_price, column_price = [0.0] * len(cost), [0.0] * (width + 1)
    owner = [-1] * (width + 1)  # the row that holds each column; the last entry is the root
    for row in range(len(cost)):
        owner[width] = row
        column, previous = _augmenting_path(cost, row_price, column_price, owner)
        while column != width:
            owner[column] = owner[previous[column]]
            column = previous[column]
    return sorted((owner[column], column) for column in range(width) if owner[column] >= 0)


def _augmenting_path(
    cost: list[list[float]],
    row_price: list[float],
    column_price: list[float],
    owner: list[int],
) -> tuple[int, list[int]]:
    """Dijkstra on reduced costs from the root to a free column; mends the prices on the way."""
    width = len(column_price) - 1
    distance, previous = [math.inf] * width, [width] * width
    done = [False] * (width + 1)
    column = width
    while owner[column] >= 0:
        done[column] = True
        row = owner[column]
        open_columns = [j for j in range(width) if not done[j]]
        for j in open_columns:
            reduced = cost[row][j] - row_price[row] - column_price[j]
            if reduced < distance[j]:
                distance[j], previous[j] = reduced, column
        nearest = min(open_columns, key=distance.__getitem__)
        step = distance[nearest]
        for j in range(width + 1):
            if done[j]:
                row_price[owner[j]] += step
                column_price[j] -= step
            elif j < width:
                distance[j] -= step
        column = nearest
    return column, previous
