"""The tables of a store, in the SQL of both databases.

    headcount_store     one row: which schema this is
    headcount_ledgers   a row for each (device, epoch); stored_to: all up to it, from the first
                        that the device could still send, are in headcount_events
    headcount_events    a row for each event; (ledger, seq) is its key

Events are never changed. Rows up to stored_to may be deleted by whoever keeps the database: what is
acknowledged is not sent again.
"""

from __future__ import annotations

SCHEMA = 1

_STATEMENTS = """
CREATE TABLE headcount_store (schema INTEGER NOT NULL);
CREATE TABLE headcount_ledgers (
  id {key}, device TEXT NOT NULL, epoch TEXT NOT NULL, stored_to BIGINT NOT NULL,
  heard {time} NOT NULL, UNIQUE (device, epoch));
CREATE TABLE headcount_events (
  ledger BIGINT NOT NULL, seq BIGINT NOT NULL, type TEXT NOT NULL, ts {time}, ts_source TEXT,
  line TEXT, direction TEXT, in_total BIGINT, out_total BIGINT, track_s DOUBLE PRECISION,
  confidence DOUBLE PRECISION, period INTEGER, begins {time}, ends {time}, tz TEXT,
  in_count BIGINT, out_count BIGINT, coverage DOUBLE PRECISION, quality TEXT, reason TEXT,
  raw TEXT, PRIMARY KEY (ledger, seq)){end};
CREATE INDEX headcount_crossings ON headcount_events (ts) WHERE type = 'crossing';
CREATE INDEX headcount_periods ON headcount_events (begins) WHERE begins IS NOT NULL;
INSERT INTO headcount_store VALUES (1)
"""


def statements(*, key: str, time: str, end: str = "") -> list[str]:
    """What makes the tables.

    Args:
        key: type of a key that counts up by itself.
        time: type of a moment.
        end: what follows the events' columns.
    """
    return _STATEMENTS.format(key=key, time=time, end=end).split(";")
