"""A program: counts a door's pictures as `headcount run` does, but as fast as they can be had.

    python -m tests.unpaced_door CONFIG PICTURES

Its clock does not wait: it says that it has slept, and all is dated by it. Prints the number of
pictures and the resident memory, MB, after every hundredth of them; stops after PICTURES.
"""

from __future__ import annotations

import datetime
import sys
import threading
from pathlib import Path

from edge.app import serve
from edge.config import read_config
from edge.pipeline import Step
from edge.source import Clock, open_source
from tests.memory import resident_mb


class HastyClock:
    """Time passes by sleeping alone, and sleeping takes none."""

    def __init__(self) -> None:
        self._begun = datetime.datetime.now(datetime.UTC)
        self._now = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self._now, self._sleep, self._utc)

    def _sleep(self, seconds: float) -> None:
        self._now += seconds

    def _utc(self) -> datetime.datetime:
        return self._begun + datetime.timedelta(seconds=self._now)


def main(config_path: Path, pictures: int) -> None:
    config = read_config(config_path)
    stop = threading.Event()

    def watch(step: Step) -> None:
        done = step.sighting.frame.index + 1
        if done % max(pictures // 100, 1) == 0:
            print(done, round(resident_mb(), 3), flush=True)
        if done >= pictures:
            stop.set()

    with open_source(config.source, paced=True, clock=HastyClock().clock()) as source:
        serve(config, source, stop, watch=watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
