"""Opens whichever database an address names."""

from __future__ import annotations

from edge.collector.database import Database
from edge.collector.sqlite import SqliteDatabase
from edge.errors import CallError

_SQLITE = "sqlite:"
_POSTGRES = ("postgresql://", "postgres://")


def check_address(address: str) -> None:
    """Refuse what is no address of a database.

    Raises:
        CallError: it is none.
    """
    if not address.startswith((_SQLITE, *_POSTGRES)) or address == _SQLITE:
        raise CallError(
            f"store {_without_password(address)!r}: is no address; write sqlite:FILE or "
            "postgresql://[user@]host/database"
        )


def open_database(address: str, *, only_read: bool = False) -> Database:
    """Open the database at `sqlite:FILE` or `postgresql://…`, bringing its tables up.

    Args:
        address: where it is.
        only_read: change nothing; it must be there.

    Raises:
        CallError: the address is none, or what PostgreSQL needs is not installed.
        WorldError: it belongs to another program, another collector or a newer version.
        StoreError: it is away, full or broken.
    """
    check_address(address)
    if address.startswith(_SQLITE):
        return SqliteDatabase.open(address.removeprefix(_SQLITE), only_read=only_read)
    # Not every machine has its driver.
    from edge.collector.postgres import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase.open(address, only_read=only_read)


def _without_password(address: str) -> str:
    scheme, found, rest = address.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
