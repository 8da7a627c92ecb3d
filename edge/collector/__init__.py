"""The far end: stores what the devices send, once, tells them so, and gives it out again.

broker --> session --> store --> database     collect
              |
              +------> fleet, tally --> metrics
database --> history --> export --> tables    export
"""

from __future__ import annotations

from edge.collector.export import Query, export
from edge.collector.opening import open_database
from edge.collector.service import Order, collect
from edge.collector.tables import write
from edge.collector.wall import DAY, HOUR, QUARTER, When, read_day_starts

__all__ = [
    "DAY",
    "HOUR",
    "QUARTER",
    "Order",
    "Query",
    "When",
    "collect",
    "export",
    "open_database",
    "read_day_starts",
    "write",
]
