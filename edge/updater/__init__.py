"""Updates of the model on a device: taken in, tried, kept or given up.

The way of an update is in `machine`, what is remembered of it in `record`, where bundles lie in
`shelf`.
"""

from __future__ import annotations

from edge.updater.house import BusyError, House, StoppedError, Test, Verdict
from edge.updater.machine import Updater
from edge.updater.record import Phase, Record, Update

__all__ = [
    "BusyError",
    "House",
    "Phase",
    "Record",
    "StoppedError",
    "Test",
    "Update",
    "Updater",
    "Verdict",
]
