"""The tables of the ledger's file, and the steps that bring an earlier version's file to them."""

from __future__ import annotations

from edge import ledger_checks

APPLICATION = 0x68636E74  # "hcnt": tells our files from those of other programs
_CROSSINGS = """
CREATE TABLE ledger (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch TEXT NOT NULL, machine TEXT, seq INTEGER NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL);
CREATE TABLE lines (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE days (
  name TEXT PRIMARY KEY, in_total INTEGER NOT NULL, out_total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE crossings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  line TEXT NOT NULL, direction TEXT NOT NULL, ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  monotonic REAL NOT NULL, boot TEXT NOT NULL, frame INTEGER NOT NULL, track INTEGER NOT NULL,
  track_s REAL NOT NULL, confidence REAL NOT NULL,
  in_total INTEGER NOT NULL, out_total INTEGER NOT NULL, UNIQUE (epoch, seq));
CREATE TABLE outbox (id INTEGER PRIMARY KEY REFERENCES crossings (id));
INSERT INTO ledger VALUES (1, '', NULL, 0, 0, 0);
"""
# The ledger's row gives out ids for events of all types; the table that has it tells the type.
_PERIODS = """
ALTER TABLE ledger ADD COLUMN last_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN told_until TEXT;
UPDATE ledger SET last_id = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'crossings'), 0);
ALTER TABLE outbox RENAME TO old_outbox;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL, UNIQUE (epoch, seq));
INSERT INTO outbox SELECT id, epoch, seq FROM old_outbox JOIN crossings USING (id);
DROP TABLE old_outbox;
CREATE TABLE periods (
  seconds INTEGER NOT NULL, start TEXT NOT NULL, end TEXT NOT NULL,
  in_count INTEGER NOT NULL, out_count INTEGER NOT NULL, figures TEXT NOT NULL,
  PRIMARY KEY (seconds, start)) WITHOUT ROWID;
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  seconds INTEGER NOT NULL, start TEXT NOT NULL, end TEXT NOT NULL, tz TEXT NOT NULL,
  in_count INTEGER NOT NULL, out_count INTEGER NOT NULL, figures TEXT NOT NULL);
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  ts TEXT NOT NULL, ts_source TEXT NOT NULL,
  start TEXT NOT NULL, end TEXT NOT NULL, reason TEXT NOT NULL);
"""
# Occupancy is in - out + inside; shift: seconds from the monotonic clock to the wall's.
_CHECKED = """
ALTER TABLE ledger ADD COLUMN inside INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN inside_day TEXT;
ALTER TABLE ledger ADD COLUMN schema INTEGER NOT NULL DEFAULT 3;
ALTER TABLE crossings ADD COLUMN shift REAL;
ALTER TABLE crossings ADD COLUMN synced INTEGER NOT NULL DEFAULT 0;
CREATE INDEX crossings_unsynced ON crossings (boot) WHERE synced = 0;
CREATE TABLE commands (id TEXT PRIMARY KEY, name TEXT NOT NULL, answer TEXT NOT NULL);
"""
STEPS = (  # each brings a file from one schema to the next
    tuple(_CROSSINGS.split(";")),
    tuple(_PERIODS.split(";")),
    (*_CHECKED.split(";"), *ledger_checks.statements()),
)
SCHEMA = len(STEPS)
