"""Events as devices send them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.collector.records import Record, read_record
from edge.contract.messages import BucketMessage, CrossingMessage, GapMessage
from edge.contract.quality import Quality

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EPOCH, LATER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def crossing(seq: int, *, epoch: str = EPOCH, kept_from: int = 1, **changes: Any) -> str:
    """A crossing, the seq-th into the door; `changes` are of its JSON."""
    message = CrossingMessage(
        epoch, seq, NOON, "frame", "L1", "in", seq, 0, 1.0, 0.9, kept_from=kept_from
    )
    return json.dumps({**json.loads(message.to_json()), **changes})


def record(seq: int, *, device: str = "door", epoch: str = EPOCH, kept_from: int = 1) -> Record:
    return read_record(device, crossing(seq, epoch=epoch, kept_from=kept_from).encode())


def bucket(
    seq: int,
    start: datetime,
    counts: tuple[int, int] = (1, 0),
    *,
    counted_s: float = 900,
    tz: str = "Europe/Berlin",
    epoch: str = EPOCH,
    period: int = 900,
) -> str:
    end = start + timedelta(seconds=period)
    quality = Quality(seconds=period, counted_s=counted_s, pictures=int(10 * counted_s))
    return BucketMessage(
        epoch, seq, end, "ledger", period, start, end, tz, *counts, quality
    ).to_json()


def gap(seq: int, start: datetime, end: datetime, reason: str = "off") -> str:
    return GapMessage(EPOCH, seq, end, "ledger", start, end, reason).to_json()
