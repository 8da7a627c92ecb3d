"""A checksum in each row of the ledger's file, and whether the rows are still what was written.

SQLite notices what breaks its own structure, and of single flipped bits about one in eight
(docs/adr/0016-a-damaged-ledger.md). So the column `crc` of each table is the CRC-32 of its other
columns. Triggers write it, in the transaction of the row itself; no writer has to think of it.
"""

from __future__ import annotations

import sqlite3
import zlib

NEWEST = 10_000  # rows of events, the latest, that each opening looks at

# The columns under the checksum; those before the bar tell the row.
_TABLES = {
    "ledger": "one | epoch machine seq in_total out_total last_id told_until inside inside_day"
    " schema",
    "lines": "name | in_total out_total",
    "days": "name | in_total out_total",
    "periods": "seconds start | end in_count out_count figures",
    "outbox": "id | epoch seq",
    "commands": "id | name answer",
    "crossings": "id | epoch seq line direction ts ts_source monotonic boot frame track track_s"
    " confidence in_total out_total shift synced",
    "buckets": "id | epoch seq ts ts_source seconds start end tz in_count out_count figures",
    "gaps": "id | epoch seq ts ts_source start end reason",
}
EVENTS = ("crossings", "buckets", "gaps")  # the tables that grow; the others stay small


def columns(table: str) -> tuple[str, ...]:
    """All columns of a table but `crc`."""
    return tuple(_TABLES[table].replace("|", "").split())


def register(db: sqlite3.Connection) -> None:
    """Give a connection the SQL function `checksum`, without which it can write nothing.

    Text that is none can be read then, too; its checksum is wrong.
    """
    db.text_factory = lambda content: content.decode("utf-8", "replace")
    db.create_function("checksum", -1, _checksum, deterministic=True)
    db.execute("PRAGMA trusted_schema = ON")  # or triggers may not call it


def statements() -> tuple[str, ...]:
    """SQL that gives the tables their checksums, those of the rows that are there included."""
    added = (f"ALTER TABLE {table} ADD COLUMN crc INTEGER" for table in _TABLES)
    sealed = (f"UPDATE {table} SET crc = {_of_row(table, table)}" for table in _TABLES)  # noqa: S608
    return (*added, *sealed)


def arm(db: sqlite3.Connection) -> None:
    """Let each row that this connection writes get its checksum.

    Its own triggers do that, and not the file's, in which a flipped bit would change what they do.
    """
    for table, listed in _TABLES.items():
        this = " AND ".join(f"{key} = NEW.{key}" for key in listed.partition("|")[0].split())
        seal = f"UPDATE {table} SET crc = {_of_row('NEW', table)} WHERE {this}"  # noqa: S608
        for name, what in {"made": "INSERT", "changed": f"UPDATE OF {_listed(table)}"}.items():
            db.execute(
                f"CREATE TEMP TRIGGER {table}_{name} AFTER {what} ON main.{table} BEGIN {seal}; END"
            )


def _listed(table: str) -> str:
    return ", ".join(columns(table))


def sound(table: str) -> str:
    """The SQL condition that a row is as it was written."""
    return f"{table}.crc IS {_of_row(table, table)}"


def damaged(what: str) -> sqlite3.DatabaseError:
    """The error that SQLite raises for damage, for damage that only a checksum tells."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def damage(db: sqlite3.Connection, *, structure: bool) -> str | None:
    """What is wrong with a file of this version; None where nothing is known to be.

    Args:
        db: to be read.
        structure: look through the whole file, as after a crash, not at the small tables alone.

    Raises:
        sqlite3.DatabaseError: so damaged that it cannot be read.
    """
    # A row that its page no longer names has no checksum that could be wrong.
    for looked_at in ("1",) if structure else (each for each in _TABLES if each not in EVENTS):
        (found,) = db.execute(f"PRAGMA quick_check({looked_at})").fetchone()
        if found != "ok":
            return str(found)
    (last,) = db.execute("SELECT last_id FROM ledger").fetchone()
    first = last - NEWEST if isinstance(last, int) else 0
    for table in _TABLES:
        within = "id > ?" if table in EVENTS else "? IS NOT NULL"
        query = f"SELECT count(*) FROM {table} WHERE {within} AND NOT {sound(table)}"  # noqa: S608
        (bad,) = db.execute(query, (first,)).fetchone()
        if bad:
            return f"{bad} of the rows of {table} are not as they were written"
    return _contradiction(db)


def _of_row(row: str, table: str) -> str:
    """The SQL expression of a row's checksum; text as bytes, for damaged text may be none.

    No column holds bytes, but a bit tells SQLite which of both a value is.
    """
    values = (
        f"CASE typeof({row}.{name}) WHEN 'text' THEN CAST({row}.{name} AS BLOB)"
        f" WHEN 'blob' THEN 'no text' ELSE {row}.{name} END"
        for name in columns(table)
    )
    return f"checksum({', '.join(values)})"


def _contradiction(db: sqlite3.Connection) -> str | None:
    """Rows may be sound and of two moments: one page was written, the other was not."""
    ahead = db.execute(
        "SELECT count(*) FROM ledger"
        " JOIN (SELECT * FROM crossings ORDER BY id DESC LIMIT 1) AS last"
        " WHERE last.in_total > ledger.in_total OR last.out_total > ledger.out_total"
        " OR last.id > ledger.last_id"
    ).fetchone()[0]
    if ahead:
        return "the last crossing is not in the totals"
    events = " UNION ALL ".join(f"SELECT id FROM {table}" for table in EVENTS)  # noqa: S608
    query = f"SELECT count(*) FROM outbox WHERE id NOT IN ({events})"  # noqa: S608
    (lost,) = db.execute(query).fetchone()
    return f"{lost} events that wait are not there" if lost else None


def _checksum(*values: object) -> int:
    # repr, for it is exact: 1 and 1.0, None and 'None' differ, and a float is told to its last bit.
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))
