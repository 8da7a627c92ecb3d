"""Live, the present is counted: what is late is dropped, counted as such, and never piles up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.app import serve
from edge.assembly import build_corridor
from edge.config import Config, CountingConfig, LedgerConfig, MqttConfig
from edge.contract.detections import Detections
from edge.contract.messages import HealthSnapshot
from edge.detector import Detector
from edge.health import HealthMeter
from edge.pipeline import Step
from edge.source import Clock, Source
from edge.source.camera import CameraSource
from edge.types import Frame, Line, Sighting
from tests.brokers import Listener, make_broker
from tests.cameras import FakeCapture, FastCamera
from tests.test_health import model

INTERVAL = 0.04  # seconds between pictures
LINE = Line("L1", (0, 0.5), (1, 0.5), (0.5, 0.9))


@dataclass
class Door:
    """A camera in a time that passes only by `wait`: a picture every INTERVAL of it."""

    capture: FakeCapture = field(default_factory=FakeCapture)
    given: int = 0  # pictures
    now: float = 0.0

    def wait(self, until: float) -> None:
        """Let time pass; the camera's thread has put each picture down when this returns."""
        while (due := (self.given + 1) * INTERVAL) <= until:
            self.now = due
            self.given += 1
            self.capture.shutter()
        self.now = until

    def clock(self) -> Clock:
        return Clock(lambda: self.now, utc=lambda: datetime(2026, 1, 31, tzinfo=UTC))

    def open(self) -> CameraSource:
        first = threading.Thread(target=self.wait, args=(INTERVAL,))
        first.start()
        source = CameraSource("cam", self.capture, self.clock(), stall=5)
        first.join()
        return source

    def frames(self, source: Source, pictures: int) -> Iterator[Frame]:
        """What a consumer takes until so many pictures were given, waiting where none is new."""
        taken = 0
        for frame in source:
            yield frame
            taken = frame.index + 1
            if self.given >= pictures:
                return
            if self.given == taken:
                self.wait((self.given + 1) * INTERVAL)


class SlowEye(Detector):
    """Looks at each picture for some seconds, one after the other, as every detector does: the
    next picture is taken before a sighting is given.
    """

    device = "CPU"

    def __init__(self, door: Door, seconds: float) -> None:
        self._door = door
        self._seconds = seconds
        self._free_at = 0.0

    def detect(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        before: tuple[Frame, float] | None = None
        for frame in frames:
            begun = max(self._door.now, self._free_at)
            self._free_at = begun + self._seconds
            if before is not None:
                yield self._done(*before)
            before = frame, self._free_at
        if before is not None:
            yield self._done(*before)

    def _done(self, frame: Frame, at: float) -> Sighting:
        self._door.wait(max(at, self._door.now))
        return Sighting(frame, Detections.empty(), 1000 * self._seconds)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0.3 * INTERVAL, id="faster than the camera"),
        pytest.param(INTERVAL, id="as fast"),
        pytest.param(1.1 * INTERVAL, id="a little slower"),
        pytest.param(2.5 * INTERVAL, id="slower"),
        pytest.param(10 * INTERVAL, id="much slower"),
    ],
)
@pytest.mark.parametrize("ahead", [1, 60], ids=["ready", "loads long"])
def test_no_picture_that_is_counted_is_old(tmp_path: Path, seconds: float, ahead: int) -> None:
    """However long it runs, and however slow the detector is.

    A picture that is counted is no older than one picture of the camera, the detector's work on
    the picture before it, and that on itself. All others are in `dropped` of the health, those
    included that came while the detector was being loaded.
    """
    door = Door()
    pictures, ages = 1500, []
    with door.open() as source:
        eye = SlowEye(door, seconds)
        meter = HealthMeter(tmp_path / "ledger.db", eye, model(), clock=lambda: door.now)
        corridor = build_corridor((LINE,), CountingConfig(), 0.4, source.size)
        door.wait(ahead * INTERVAL)
        for sighting in eye.detect(door.frames(source, pictures)):
            step = corridor.step(sighting)
            meter.note(sighting, door.now)
            ages.append(door.now - step.sighting.frame.t)
            last = sighting.frame.index
            assert last + 1 == len(ages) + meter.snapshot().dropped
        left = door.given - 1 - last  # the camera's last, which nobody took any more
        door.capture.end()

    assert door.given == len(ages) + meter.snapshot().dropped + left
    assert source.dropped == meter.snapshot().dropped + max(left - 1, 0)
    assert max(ages) <= INTERVAL + 2 * seconds + 1e-9
    assert max(ages[-len(ages) // 4 :]) <= max(ages[: len(ages) // 4]) + 1e-9


@pytest.mark.timeout(120)
def test_the_service_counts_the_present_and_tells_what_it_dropped(tmp_path: Path) -> None:
    """A camera of 400 pictures a second, which no CPU keeps up with, and the shipped detector.

    Each picture that is counted was taken from the camera after the second before it was done:
    that, one picture of the camera and a thread's delay are all of its age, in the last second as
    in the first. `dropped` of each `/health` is exactly what was not counted until then.
    """
    camera = FastCamera(400)
    ages: list[tuple[float, float]] = []  # seconds: counted at, age
    missing = {0}
    stop = threading.Event()

    def watch(step: Step) -> None:
        frame, now = step.sighting.frame, time.monotonic()
        ages.append((now, now - frame.t))
        missing.add(frame.index + 1 - len(ages))
        if now > ages[0][0] + 5.5:  # health is told every 5 s
            stop.set()

    with make_broker("embedded", tmp_path) as broker, Listener(broker.url) as listener:
        config = Config(
            lines=(LINE,),
            ledger=LedgerConfig(path=tmp_path / "ledger.db"),
            mqtt=MqttConfig(url=broker.url),
        )
        with CameraSource("cam", camera, Clock()) as source:
            serve(config, source, stop, watch=watch)
        told = [
            HealthSnapshot.from_json(payload).dropped
            for payload in listener.payloads("health", config.device.id)
        ]
    late = [
        age - (now - before) - 1 / 400
        for (before, _), _, (now, age) in zip(ages, ages[1:], ages[2:], strict=False)
    ]

    assert max(told) > 0
    assert set(told) <= missing
    assert camera.given - source.dropped - len(ages) <= 3  # on their way when it was stopped
    assert max(late) < 0.1
