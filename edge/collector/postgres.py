"""A store in PostgreSQL, which several collectors may share."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edge.collector import schema
from edge.collector.database import Row
from edge.errors import CallError, StoreError, WorldError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as error:
    raise CallError(
        f"PostgreSQL needs psycopg, which cannot be loaded ({error}): "
        "pip install 'headcount[collect]'"
    ) from error

_BRINGING_UP = 0x68637374  # "hcst": the lock of whoever makes the tables
# A collector that hangs or whose network is cut must not hold up the others.
_SETTINGS = """
SET idle_in_transaction_session_timeout = '15s';
SET lock_timeout = '30s';
SET statement_timeout = '60s';
SET client_min_messages = warning;
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') = 'off'
"""
_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
    "application_name": "headcount collect",
}

_log = logging.getLogger(__name__)
# It warns of a connection that is lost, which is told here.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class PostgresDatabase:
    """An open connection; it never mends itself: whoever has lost it opens the next."""

    shared = True
    for_update = " FOR UPDATE"
    quarter_number = "floor(extract(epoch FROM ts) / 900)"

    def __init__(self, name: str, db: psycopg.Connection[Row]) -> None:
        self._name, self._db = name, db

    @classmethod
    def open(cls, address: str, *, only_read: bool = False) -> PostgresDatabase:
        """Connect.

        Raises:
            CallError: the address is none.
            WorldError: its tables are a newer version's, or missing where only read.
            StoreError: the server is away or refuses.
        """
        name = _name(address)
        with _told(name):
            db = psycopg.connect(address, autocommit=True, **_NETWORK)
        with contextlib.ExitStack() as undo:
            undo.callback(db.close)
            with _told(name):
                db.execute(_SETTINGS)
                _bring_up(db, name, only_read=only_read)
            undo.pop_all()
        return cls(name, db)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all within a `with` block one whole."""
        with _told(self._name), self._db.transaction():
            yield

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a statement."""
        with _told(self._name):
            return self._db.execute(_translated(sql), values).fetchall()

    def run(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement with each row."""
        with _told(self._name), self._db.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)
            return cursor.rowcount

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(psycopg.Error):
            self._db.close()


def _name(address: str) -> str:
    """How to call the database in a message: without a password."""
    try:
        parts = conninfo_to_dict(address)
    except psycopg.Error as error:
        raise CallError(f"store: {_first_line(error)}; write postgresql://host/database") from error
    return f"postgresql://{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"


def _bring_up(db: psycopg.Connection[Row], name: str, *, only_read: bool) -> None:
    with db.transaction():
        # Two collectors that start at once would both make the tables.
        db.execute("SELECT pg_advisory_xact_lock(%s)", [_BRINGING_UP])
        found = db.execute("SELECT to_regclass('headcount_store')").fetchone()
        missing = found is None or found[0] is None
        if missing and only_read:
            raise WorldError(f"store {name}: no collector has stored anything there")
        if missing:
            for statement in schema.statements(
                key="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", time="TIMESTAMPTZ"
            ):
                db.execute(statement.encode())
    row = db.execute("SELECT schema FROM headcount_store").fetchone()
    if row is None or row[0] != schema.SCHEMA:
        raise WorldError(
            f"store {name}: has schema {row and row[0]}, this version knows {schema.SCHEMA}; "
            "install the newer version again"
        )
    if db.execute("SHOW fsync").fetchone() == ("off",):
        _log.warning("store %s: its fsync is off: a power cut there loses what is stored", name)


def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(f"store {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
