"""The Pi's own camera: `picamera2:`, or `picamera2:N` for one of several.

Picamera2 is built for the system's Python, so it runs there, in a child. Its known faults, a front
end that times out and a stop that never ends, block whoever called; so the child is timed and
killed, never asked to stop, and a new one is started. A camera that has given pictures is borne
with for a while; then the source breaks, and the service is started again as a whole.

                  hello          picture                 silent, dead, or told why
    child  -------->*-------------->*---*---*---*---->X  killed
            hello           first        picture      |  pause
    again  -------->*-------------->*---*---*-- ...   +---- the next child
                    again
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.config import SourceConfig
from edge.errors import CallError, SourceError
from edge.restarts import RestartRule, Restarts
from edge.source.base import Clock
from edge.source.camera_child import LOOK, CameraChild, CameraFault
from edge.source.newest import NewestSource
from edge.types import Frame, Image

_FPS = 30.0  # Picamera2's own choice for video
_BEYOND = 3  # times the patience: then our own thread is stuck, as in starting from a dead disk
_PAUSES = RestartRule(limit=1000, window_s=60.0, first_s=0.1, most_s=1.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, seconds.

    Attributes:
        hello: for the first child, which loads Picamera2 from a cold disk.
        first: from there to its first picture.
        again: for a later child's first picture, at least; three times as long as the first
            child took for its own where that is more, for this machine may be slow.
        picture: between pictures, besides three times their period.
        busy: at the beginning, while a predecessor that was killed may still hold the camera.
        give_up: without a picture, where there have been some.
        pauses: between children.
    """

    hello: float = 20.0
    first: float = 8.0
    again: float = 3.0
    picture: float = 1.5
    busy: float = 3.0
    give_up: float = 30.0
    pauses: RestartRule = _PAUSES


def open_picamera(
    settings: SourceConfig, clock: Clock, patience: Patience | None = None
) -> NewestSource:
    """Open the Pi's own camera.

    A frame's `t` is the sensor's own time of its first row. libcamera says that this is
    CLOCK_BOOTTIME, on a Pi it is CLOCK_MONOTONIC; they are one on a machine that is never
    suspended. A time that cannot be is replaced by that of the arrival.

    Raises:
        CallError: the uri names none, or the exposure does not fit the rate.
        SourceError: no Picamera2, no camera, it is in use, or it gives no pictures.
    """
    number = _number(settings)
    fps = settings.fps or _FPS
    if settings.exposure > 1e6 / fps:
        raise CallError(
            f"source.exposure {settings.exposure} is longer than 1/{fps:g} s; set source.fps to "
            f"{1e6 / settings.exposure:.3g} or less, or a shorter exposure"
        )
    patience = patience or Patience()
    pictures = _Pictures(settings, number, clock, patience)
    source = NewestSource(
        pictures.name,
        pictures.frames(),
        fps,
        stall=_BEYOND * patience.give_up,
        stop=pictures.stop,
    )
    source.fps = pictures.fps
    return source


def survey(settings: SourceConfig) -> Mapping[str, Any]:
    """Ask the camera's Python what it has, without opening a camera.

    Returns:
        `picamera2`, `libcamera` and `python` (versions, None where not known) and `cameras`
        (their models, by number).

    Raises:
        CallError: the uri names no such camera.
        SourceError: it has no Picamera2, or does not answer.
    """
    name = f"picamera2:{_number(settings)}"
    try:
        with CameraChild(name, settings, None) as child:
            return child.greet(Patience().hello)
    except CameraFault as fault:
        raise SourceError(f"{name}: {fault}") from fault


def _number(settings: SourceConfig) -> int:
    match = re.fullmatch(r"picamera2:(\d{0,2})", settings.uri)
    if match is None:
        raise CallError(f"{settings.uri}: write picamera2:, or picamera2:N, as picamera2:1")
    return int(match[1] or 0)


class _Pictures:
    """The pictures of one child after the other."""

    def __init__(
        self, settings: SourceConfig, number: int, clock: Clock, patience: Patience
    ) -> None:
        self.name = f"picamera2:{number}"
        self.fps = settings.fps or _FPS
        self._settings = settings
        self._number = number
        self._clock = clock
        self._patience = patience
        self._restarts = Restarts(patience.pauses)
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # of the child, which `stop` kills from another thread
        self._child: CameraChild | None = None
        self._took = 0.0  # seconds from the first child's start to its first picture
        self._index = 0  # of the next picture
        self._last = float("-inf")  # time of the last picture
        self._shape: tuple[int, ...] | None = None
        self._since = clock.monotonic()  # when the last picture came, or we began
        self._borne = ""  # the fault that was told since then

    def frames(self) -> Generator[Frame, None, None]:
        """Every picture as it comes, until `stop`.

        Raises:
            SourceError: the camera does not open, or has given none for too long.
        """
        while not self._stopped.is_set():
            try:
                yield from self._of_one_child()
            except CameraFault as fault:
                if not self._stopped.is_set():
                    self._bear(fault)

    def stop(self) -> None:
        """End the frames soon, whatever the child does. Any thread may."""
        self._stopped.set()
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def _bear(self, fault: CameraFault) -> None:
        """Wait until a new child is due; break where that has been done for too long."""
        now = self._clock.monotonic()
        without = now - self._since
        if self._index == 0 and without >= (self._patience.busy if fault.busy else 0.0):
            raise SourceError(f"{self.name}: {fault}") from fault
        if without >= self._patience.give_up:
            raise SourceError(f"{self.name}: no picture for {without:.0f} s, {fault}") from fault
        if fault.what != self._borne:
            _log.warning("%s: %s; starting the camera again", self.name, fault.what)
            self._borne = fault.what
        self._restarts.failed(now)
        self._stopped.wait(self._restarts.due() - now)

    def _of_one_child(self) -> Generator[Frame, None, None]:
        begun = self._clock.monotonic()
        again = max(self._patience.again, 3 * self._took)
        with self._new_child() as child:
            hello = child.greet(again if self._took else self._patience.hello)
            now = self._clock.monotonic()
            deadline = begun + again if self._took else now + self._patience.first
            while not self._stopped.is_set():
                head, image = child.picture(deadline - self._clock.monotonic())
                frame = self._frame(head["t"], image, begun)
                if frame is not None:
                    self._note(head, hello, begun)
                    deadline = self._since + self._patience.picture + 3 / self.fps
                    yield frame
                elif self._clock.monotonic() > deadline:
                    raise CameraFault("the same picture again and again", LOOK)

    @contextlib.contextmanager
    def _new_child(self) -> Iterator[CameraChild]:
        with CameraChild(self.name, self._settings, self._number) as child:
            with self._lock:
                self._child = child
            try:
                if self._stopped.is_set():  # before it was there to be killed
                    child.kill()
                yield child
            finally:
                with self._lock:
                    self._child = None

    def _frame(self, taken: float | None, image: Image, begun: float) -> Frame | None:
        """A picture with its times; None where it is the last one again."""
        if self._shape not in (None, image.shape):
            what = f"the size changed to {image.shape[1]}x{image.shape[0]}"
            raise CameraFault(what, "start headcount again, so that it measures anew")
        now, utc = self._clock.monotonic(), self._clock.utc()
        t = taken if taken is not None and begun <= taken <= now else now
        if t <= self._last:
            return None
        self._last, self._shape = t, image.shape
        self._index += 1
        return Frame(image, self._index - 1, t, utc - datetime.timedelta(seconds=now - t))

    def _note(self, head: Mapping[str, Any], hello: Mapping[str, Any], begun: float) -> None:
        """Take note of when a picture came, and tell of the first one of a child."""
        now = self._clock.monotonic()
        if not self._took:
            self._took = now - begun
            self._learn_rate(head["period"])
            _log.info(
                "%s: %s, %dx%d, %.3g pictures/s, Picamera2 %s, %s", self.name,
                hello["cameras"][self._number], *head["size"], self.fps,
                hello["picamera2"], _light(head),
            )  # fmt: skip
        elif head["index"] == 0:
            _log.info("%s: pictures again, after %.1f s without", self.name, now - self._since)
        self._since, self._borne = now, ""

    def _learn_rate(self, period: float | None) -> None:
        """Believe the camera's own word on its rate; `period` in microseconds."""
        given, asked = 1e6 / period if period else self.fps, self._settings.fps
        if asked is not None and abs(given / asked - 1) > 0.05:
            _log.warning("%s: %g pictures/s asked, the camera gives %.3g", self.name, asked, given)
        self.fps = given


def _light(head: Mapping[str, Any]) -> str:
    """What the camera says of the light, as far as it does."""
    units = {"exposure": "us exposed", "gain": "gain", "lux": "lux"}
    known = [(head[key], unit) for key, unit in units.items() if head.get(key) is not None]
    return ", ".join(f"{round(value, 1):g} {unit}" for value, unit in known)
