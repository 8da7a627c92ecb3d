"""The seam between a store and its database: transactions, statements, and how it was lost.

Statements are written once, with `?` for parameters, in the SQL that all the databases know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from edge.contract.messages import parse_utc

Row = tuple[Any, ...]


class Database(Protocol):
    """A database that is open, for one thread at a time.

    All of its methods raise StoreError where it is away, full or broken; what a transaction has
    written until then is undone.
    """

    shared: bool  # whether several collectors may write into it
    for_update: str  # what ends a SELECT whose rows are to be locked until the transaction ends

    quarter_number: str  # of `ts`: whole quarters of an hour since 1970

    def transaction(self) -> AbstractContextManager[None]:
        """Make all within a `with` block one whole, on the disk when the block has ended."""

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a statement."""

    def run(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement with each row; how many rows of a table that changed."""

    def close(self) -> None:
        """Close it; never raises."""


def moment(value: object) -> datetime | None:
    """A time as a database gives it."""
    return parse_utc(value) if isinstance(value, str) else value  # type: ignore[return-value]
