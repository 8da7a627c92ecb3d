"""The service: builds the rooms from a configuration and lets pictures walk through them.

Counts until the source ends or it is told to stop. A crossing is in the ledger before anything
else learns of it; what fails ends the service, and the next start goes on from the ledger.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edge import __version__
from edge.assembly import build_corridor, choose_bundle, keep_score
from edge.clock import Clocks, ClockWatch, LocalDay
from edge.config import Config, read_config
from edge.contract.bundle import Bundle
from edge.detector import Detector, open_detector
from edge.errors import ConfigError
from edge.health import HealthMeter
from edge.ledger import Ledger
from edge.notify import Heartbeat, Systemd
from edge.pipeline import Corridor, Step
from edge.publisher import Publisher
from edge.quality import QualityMeter
from edge.renewal import Models
from edge.samples import Samples
from edge.source import Source, open_source
from edge.tally import Tally
from edge.types import Crossing, Frame
from edge.view import View

WATCH_S = 0.5  # from one look for a new model, or for the end, to the next
DRAIN_S = 5.0  # how long the broker may take the last crossings at the end

_log = logging.getLogger(__name__)


def run(path: Path | None) -> None:
    """Run the service until its source ends, or SIGTERM or SIGINT comes.

    Raises:
        HeadcountError: the configuration, camera, bundle or ledger is not as it must be.
    """
    if path is None:
        raise ConfigError("run: give a configuration with -c FILE")
    config = read_config(path)
    if not config.lines:
        raise ConfigError(f"{path}: no line to count at; add a [[line]] with a, b and in_side")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    systemd = Systemd.of(os.environ)
    models = Models.of(config, path, stop, systemd)
    while True:
        bundle = models.settle()
        renewed = not stop.is_set() and _count_until_renewed(config, models, bundle, stop, systemd)
        if not renewed or stop.is_set():
            return
        systemd.tell("WATCHDOG=1")  # a test and a source that opens have their own limits


def _count_until_renewed(
    config: Config, models: Models, bundle: Bundle, stop: threading.Event, systemd: Systemd
) -> bool:
    """Count with one model until there is another to try or to use, which is then true."""
    ended, renewed = threading.Event(), threading.Event()
    systemd.tell("STATUS=opening the source")
    with models.blamed(bundle), open_source(config.source, paced=True) as source:

        def watch() -> None:
            while not stop.wait(WATCH_S) and not ended.is_set():
                if models.has_news(bundle):
                    renewed.set()
                    break
            ended.set()
            # A camera that is stuck gives no frame at which the stop would be seen.
            source.close()

        threading.Thread(target=watch, daemon=True).start()
        try:
            serve(
                config,
                source,
                ended,
                bundle=bundle,
                models=models,
                goes_on=renewed.is_set,
                systemd=systemd,
            )
        finally:
            ended.set()
    return renewed.is_set()


def serve(
    config: Config,
    source: Source,
    stop: threading.Event,
    *,
    bundle: Bundle | None = None,
    models: Models | None = None,
    goes_on: Callable[[], bool] = lambda: False,
    watch: Callable[[Step], None] | None = None,
    systemd: Systemd | None = None,
) -> None:
    """Count a source into the ledger and tell the broker.

    Args:
        config: all sections but the source's, which is open already.
        source: the pictures; counting ends with them.
        stop: set it to end earlier.
        bundle: the model; the one that the configuration names where none is given.
        models: takes new ones and tells of them; without it none is taken.
        goes_on: whether counting goes on right after, with another model.
        watch: sees every step, after its crossings are in the ledger.
        systemd: is told how it goes; nobody without it.
    """
    systemd = systemd or Systemd()
    systemd.tell("STATUS=loading the detector")
    bundle = bundle or choose_bundle(config.detector, must_be_trusted=True)
    models = models or Models()
    score = bundle.manifest.score if config.detector.score is None else config.detector.score
    corridor = build_corridor(config.lines, config.counting, score, source.size)
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(
            Ledger.open(
                config.ledger.path,
                lines=[line.name for line in config.lines],
                day=LocalDay.at(config.site),
                night=LocalDay.night_of(config.site),
                clocks=Clocks(),
                max_mb=config.ledger.max_mb,
            )
        )
        detector = stack.enter_context(
            open_detector(bundle, config.detector, score=keep_score(score))
        )
        _tell_start(config, source, ledger)
        meter = HealthMeter(
            config.ledger.path, detector, bundle.manifest, update=models.latest_update
        )
        tally = _tally(source, ledger)
        publisher = _publisher(stack, config, ledger, meter, tally, models)
        heart = Heartbeat(systemd, ledger.check)
        samples = Samples(config.samples, config.kept_pictures, score)
        service = _Service(corridor, ledger, publisher, meter, tally, heart, samples, watch)
        service.count(detector, _until(stop, source))
        told = "there is news of the model" if goes_on() else "told to stop"
        _log.info("stopping: %s", told if stop.is_set() else "the source has ended")
        stopping = () if goes_on() else ("STOPPING=1",)
        systemd.tell(*stopping, "STATUS=delivering the last crossings")
        if publisher is not None:
            publisher.drain(DRAIN_S)
        _tell_end(config, ledger)


def _tell_start(config: Config, source: Source, ledger: Ledger) -> None:
    state = ledger.state(datetime.datetime.now(datetime.UTC))
    _log.info(
        "headcount %s counts %s (%dx%d) over %s; until now in %d, out %d",
        __version__,
        source.name,
        *source.size,
        ", ".join(line.name for line in config.lines),
        state.in_total,
        state.out_total,
    )


def _tell_end(config: Config, ledger: Ledger) -> None:
    state = ledger.state(datetime.datetime.now(datetime.UTC))
    waiting = ledger.backlog() if config.mqtt.url else 0
    rest = f"; {waiting} events wait for the broker in the ledger" if waiting else ""
    _log.info("stopped: in %d, out %d%s", state.in_total, state.out_total, rest)


class _Service:
    """What one step of the corridor sets off."""

    def __init__(
        self,
        corridor: Corridor,
        ledger: Ledger,
        publisher: Publisher | None,
        meter: HealthMeter,
        tally: Tally,
        heart: Heartbeat,
        samples: Samples,
        watch: Callable[[Step], None] | None,
    ) -> None:
        self._corridor = corridor
        self._ledger = ledger
        self._publisher = publisher
        self._meter = meter
        self._tally = tally
        self._heart = heart
        self._samples = samples
        self._watch = watch
        self._clock = ClockWatch()

    def count(self, detector: Detector, frames: Iterable[Frame]) -> None:
        """Count frames to their end; tracks that end with them are decided then."""
        frame = None
        device = ""
        for sighting in detector.detect(frames):
            if device != detector.device:
                device = detector.device
                self._tell(device)
            frame = sighting.frame
            step = self._corridor.step(sighting)
            utc, now = datetime.datetime.now(datetime.UTC), time.monotonic()
            self._clock.note(utc, now)
            self._record(step.crossings, frame)
            self._meter.note(sighting, now)
            self._samples.note(step, utc, now)
            if self._tally.note(step, self._corridor.counter.quality, utc, now):
                self._publish_health()
            self._heart.beat()
            if self._watch is not None:
                self._watch(step)
        if frame is not None:
            self._record(self._corridor.finish(), frame)
            utc, now = datetime.datetime.now(datetime.UTC), time.monotonic()
            self._tally.end(self._corridor.counter.quality, utc, now)
            self._publish_health()

    def _tell(self, device: str) -> None:
        _log.info("detector: %s", device)
        self._publish_health()

    def _publish_health(self) -> None:
        if self._publisher is not None:
            self._publisher.wake(health=True)

    def _record(self, crossings: Iterable[Crossing], frame: Frame) -> None:
        dated = [_dated(crossing, frame) for crossing in crossings]
        if not dated:
            return
        # One commit for a picture: cards wear out, and a crowd does not wait for each of its own.
        states = self._ledger.record_all(dated, datetime.datetime.now(datetime.UTC))
        for crossing, state in zip(dated, states, strict=True):
            _log.info(
                "%s over %s: in %d, out %d",
                crossing.direction.value,
                crossing.line,
                state.in_total,
                state.out_total,
            )
        if self._publisher is not None:
            self._publisher.wake()


def _dated(crossing: Crossing, frame: Frame) -> Crossing:
    """The crossing with the wall clock of its passage, which lies before the frame that decided."""
    if frame.utc is None:
        return crossing
    return replace(crossing, utc=frame.utc - datetime.timedelta(seconds=frame.t - crossing.t))


def _tally(source: Source, ledger: Ledger) -> Tally:
    """Of a source of which no picture was taken yet; a file or scene is no camera that freezes."""
    now = time.monotonic()
    width, height = source.size
    meter = QualityMeter(width / height, View(can_freeze=source.live), now)
    return Tally(meter, ledger, now)


def _publisher(
    stack: contextlib.ExitStack,
    config: Config,
    ledger: Ledger,
    meter: HealthMeter,
    tally: Tally,
    models: Models,
) -> Publisher | None:
    if not config.mqtt.url:
        _log.warning("no broker: [mqtt] url is empty, the counts stay in %s", config.ledger.path)
        return None
    publisher = Publisher(
        config.device.id,
        config.mqtt,
        ledger,
        status=meter.snapshot,
        quality=lambda: tally.latest.at(time.monotonic()),
        name=config.device.name,
        update=models.order,
    )
    return stack.enter_context(publisher)


def _until(stop: threading.Event, frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        if stop.is_set():
            return
        yield frame
