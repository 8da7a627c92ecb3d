"""Updates a device's models for ever, and says how far it is: `python -m tests.updater.writer`.

Arguments: the desk's folder, the models' folder, the counter to begin with. Each third bundle does
not pass its trial. Prints `.` before a step is remembered, `N` once counter N is committed.
"""

from __future__ import annotations

import io
import itertools
import sys
from datetime import datetime
from pathlib import Path

from edge.updater import Phase
from tests.updater.houses import NOON, Site, bad, good

EACH_BAD = 3


def tick() -> datetime:
    """A step is about to be remembered."""
    print(".", flush=True)
    return NOON


def main() -> None:
    """Update until killed."""
    desk, models, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    site = Site(desk, models, clock=tick)
    for counter in itertools.count(first):
        packed = site.packed(counter)
        updater = site.updater()
        updater.receive(io.BytesIO(packed))
        updater.settle(bad if counter % EACH_BAD == 0 else good)
        update = updater.record.update
        if update is not None and update.phase is Phase.COMMITTED:
            print(update.counter, flush=True)


if __name__ == "__main__":
    main()
