"""Tells the world over MQTT what the ledger holds: retained state, events, health.

What is to be sent is read from the ledger and nowhere else, so a lost connection loses nothing,
and a broker that is away costs nothing but the wait. Counting never waits for it.
"""

from __future__ import annotations

from edge.publisher.publisher import Publisher
from edge.publisher.session import Rhythm

__all__ = ["Publisher", "Rhythm"]
