"""A wall clock that jumps while people are counted: nothing is lost, doubled or out of order.

A process of its own counts, tells the world, and tells of quarters of an hour as the service does,
under a clock that libfaketime bends; seconds that pass stay as they are. Camera and detector are
left out, as they know nothing of the wall.
"""

from __future__ import annotations

import datetime
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.clock import LocalDay
from edge.config import MqttConfig, SiteConfig
from edge.contract.detections import Detections
from edge.contract.messages import BucketMessage, CrossingMessage, GapMessage
from edge.ledger import EventRow, Ledger
from edge.periods import quarter_of
from edge.pipeline import Step
from edge.publisher import Publisher, Rhythm
from edge.quality import QualityMeter
from edge.tally import GRACE_S, Tally
from edge.types import Crossing, Direction, Frame, Sighting, TrackUpdate
from tests.brokers import Listener, Mosquitto, wait_until
from tests.faults.test_machine import BENDER, BentClock
from tests.processes import ROOT
from tests.test_publisher import HEALTH

HOUR, DAY = 3600, 86400
JUMPS = {"a day back": -DAY, "an hour ahead": HOUR, "five years ahead": 5 * 365 * DAY}
EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
UTC_DAY = LocalDay.at(SiteConfig(timezone="UTC"))

pytestmark = pytest.mark.skipif(BENDER is None, reason="no libfaketime (Debian: faketime)")


def _survives(folder: Path, jumps: list[tuple[str, float]]) -> None:
    """Jump from noon and back again, staying so many seconds each time; check all that was told."""
    clock = BentClock(folder / "clock")
    noon = datetime.datetime.now(UTC).replace(hour=12, minute=0, second=0)
    base = noon.timestamp() - time.time()
    clock.set(base)
    path, log = folder / "ledger.db", folder / "log"
    environment = {**os.environ, **clock.environment, "PYTHONPATH": str(ROOT)}
    with Mosquitto(folder) as broker, Listener(broker.url) as world, log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, __file__, str(path), broker.url],
            stdin=subprocess.PIPE,
            stdout=out,
            env=environment,
        )
        assert child.stdin is not None
        with child:
            wait_until(lambda: _lines(log), "the first is counted", 60)
            for name, stays in jumps:
                for seconds in (base + JUMPS[name], base):
                    before = len(_lines(log))
                    clock.set(seconds)
                    time.sleep(stays)
                    wait_until(lambda: len(_lines(log)) > before + 3, "it counts", 60)  # noqa: B023
            child.stdin.close()
            assert 0 == child.wait(60)
        told = _lines(log)
        wait_until(lambda: len(world.crossings()) >= len(told), "all came", 30)
        events, seqs = world.events(), world.seqs()
    days = Counter[str]()
    for _, today, day in told:
        days[day] += 1
        assert days[day] == int(today)  # what this day has counted, whenever it came again
    crossings = [each for each in events if isinstance(each, CrossingMessage)]
    totals = [each.in_total + each.out_total for each in crossings]

    heard = [each for each in events if isinstance(each, BucketMessage | GapMessage)]
    periods = [*heard, *_rest(path, noon)]
    quarters = [each for each in periods if getattr(each, "period", 0) == 900]
    gaps = [each for each in heard if isinstance(each, GapMessage)]
    print(f"{len(told)} counted, {len(quarters)} quarters, {len(gaps)} gaps; days: {dict(days)}")

    assert list(range(1, len(told) + 1)) == totals
    assert list(range(1, len(seqs) + 1)) == seqs
    assert len(days) == 1 + len({name for name, _ in jumps} - {"an hour ahead"})
    assert len(told) == sum(each.in_count + each.out_count for each in quarters)
    assert all(each.reason == "clock" for each in gaps)
    ahead = sum(JUMPS[name] > 0 and stays > GRACE_S for name, stays in jumps)
    assert len(gaps) >= ahead


def _rest(path: Path, noon: datetime.datetime) -> list[EventRow]:
    """What waits once the last quarter is over."""
    later = noon + timedelta(days=10_000)
    with Ledger.open(path, day=UTC_DAY) as ledger:
        ledger.turn(quarter_of(later), later, "off")
        return list(ledger.pending(1_000_000))


def _lines(log: Path) -> list[list[str]]:
    """Seq, today and day after each crossing."""
    return [line.split() for line in log.read_text().splitlines(keepends=True) if line[-1] == "\n"]


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """A day back, an hour ahead, five years ahead, and to the time again after each."""
    _survives(tmp_path, [(name, 0.3) for name in JUMPS])


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_a_clock_that_jumps_again_and_again(tmp_path: Path, seed: int) -> None:
    """Each jump three times, some for long enough that quarters of the wrong time are told."""
    randomness = random.Random(seed)
    print(f"seed {seed}")
    jumps = [(name, randomness.choice([0.2, 2.0, GRACE_S + 2])) for name in JUMPS for _ in range(3)]
    jumps += [(name, GRACE_S + 2) for name in JUMPS]
    randomness.shuffle(jumps)
    _survives(tmp_path, jumps)


def _count(path: Path, url: str) -> None:
    """Count until stdin ends, about 30 people a second, each told of on stdout."""
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    rhythm = Rhythm(reconnect=(0.05, 0.2), health=0.5)
    begun = time.monotonic()
    with (
        Ledger.open(path, day=UTC_DAY) as ledger,
        Publisher("door", MqttConfig(url=url), ledger, status=lambda: HEALTH, rhythm=rhythm) as out,
    ):
        tally = Tally(QualityMeter(1.0, None, begun), ledger, begun)
        for number in itertools.count():
            utc, t = datetime.datetime.now(UTC), time.monotonic()
            way = Direction.OUT if number % 3 == 2 else Direction.IN
            crossing = Crossing("L1", way, number, t, number, 1.0, 0.9, utc)
            state = ledger.record(crossing, utc)
            os.write(1, f"{state.seq} {state.in_today + state.out_today} {utc.date()}\n".encode())
            frame = Frame(np.zeros((4, 4, 3), np.uint8), number, t)
            tally.note(Step(Sighting(frame, EMPTY, 1.0), TrackUpdate(), (crossing,)), {}, utc, t)
            out.wake()
            # Not time.sleep, which libfaketime breaks (EINVAL).
            if over.wait(0.03):
                break
        out.drain(10)


if __name__ == "__main__":
    _count(Path(sys.argv[1]), sys.argv[2])
