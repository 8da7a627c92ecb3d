"""A Movidius stick, with the CPU for the time in which the stick is no use.

Old sticks fail often, and in many ways (X_LINK_ERROR, half dead after a re-plug, a boot that
fails), and the last OpenVINO that knows them needs an interpreter of its own. Therefore the stick
lives in a worker process, which is killed whenever anything is wrong. Frames that were on their
way are looked at again by the CPU, which goes on until a new worker is ready: every frame is seen
once, and in order.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle
from edge.detector.base import Detector
from edge.detector.openvino import OpenVinoDetector, open_openvino, scale_picture
from edge.detector.outputs import to_detections
from edge.detector.stick import find_sticks
from edge.detector.stick_link import Patience, StickError, StickLink
from edge.detector.variant import Int8Support, choose_variants
from edge.errors import DetectorError
from edge.types import Frame, Image, Sighting

PLACES = (Path("/opt/headcount-ncs/bin/python"),)  # where deploy/install-ncs.sh puts it

STICK = "MYRIAD"

_FLYING = 2  # pictures on their way
_POLL_S = 0.01

_log = logging.getLogger(__name__)


def find_python(settings: DetectorConfig) -> Path | None:
    """The interpreter that the settings name, else one in `PLACES`; None where there is none."""
    places = PLACES if settings.ncs_python is None else (settings.ncs_python,)
    return next((place for place in places if place.is_file()), None)


def choose_device(
    settings: DetectorConfig, *, root: Path | None = None, within: float = 3.0
) -> str:
    """What the device `auto` is here: MYRIAD where a stick and its interpreter are, else CPU.

    Args:
        settings: may name the interpreter.
        root: of the file system.
        within: seconds; a stick that an earlier process has left behind is away while it boots.
    """
    if find_python(settings) is None:
        if find_sticks(root):
            _log.warning("a stick is plugged in; run deploy/install-ncs.sh to have it used")
        return "CPU"
    until = time.monotonic() + within
    while not (found := find_sticks(root)) and time.monotonic() < until:
        time.sleep(0.1)
    return STICK if found else "CPU"


def open_stick(
    bundle: Bundle,
    settings: DetectorConfig,
    score: float,
    *,
    patience: Patience | None = None,
    root: Path | None = None,
) -> StickDetector:
    """Start a worker for the stick; `detect` waits for it for a while.

    Args:
        bundle: verified and trusted.
        settings: device, the worker's interpreter; threads of the CPU.
        score: detections below are left out, 0..1.
        patience: how long all may take.
        root: of the file system, where sticks are looked for.

    Raises:
        DetectorError: the interpreter is not there, or the bundle has no file for a stick.
    """
    python = find_python(settings)
    if python is None:
        named = settings.ncs_python or PLACES[0]
        raise DetectorError(
            f"device {settings.device}: {named}, the Python whose OpenVINO knows the stick, is not "
            "there; run deploy/install-ncs.sh, or set detector.device to CPU"
        )
    choose_variants(bundle, settings.device, settings.precision, Int8Support(False, False))
    link = StickLink(
        python,
        bundle,
        settings.device,
        plugged=lambda: bool(find_sticks(root)),
        patience=patience,
    )
    return StickDetector(link, bundle, settings, score, (patience or Patience()).start)


class StickDetector(Detector):
    """Looks at frames with the stick while it runs, and with the CPU while it does not."""

    def __init__(
        self,
        link: StickLink,
        bundle: Bundle,
        settings: DetectorConfig,
        score: float,
        grace: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the worker.

        Args:
            link: to the stick.
            bundle: for the CPU, too.
            settings: threads of the CPU.
            score: detections below are left out, 0..1.
            grace: seconds from now on in which a stick that starts is waited for.
            clock: gives monotonic seconds.
        """
        self._link = link
        self._bundle = bundle
        self._settings = replace(settings, device="CPU", precision="f32")
        self._score = score
        self._clock = clock
        self._grace_ends = clock() + grace
        self._cpu: OpenVinoDetector | None = None
        self._ready()

    def detect(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        """Look at each frame; see `Detector.detect`.

        Raises:
            DetectorError: the stick is no use, and the CPU cannot load the model or broke.
        """
        waiting = _Frames(frames)
        while not self._ready() and self._link.hopeful and self._clock() < self._grace_ends:
            time.sleep(_POLL_S)
        while not waiting.ended:
            yield from self._by_stick(waiting) if self._ready() else self._by_cpu(waiting)

    def close(self) -> None:
        """End the worker, and let go of the CPU's model."""
        self._link.close()
        self._cpu = None

    def _by_stick(self, waiting: _Frames) -> Iterator[Sighting]:
        """Look at frames until they end or the stick fails; those on their way wait again."""
        flying: deque[Frame] = deque()
        try:
            for frame in waiting:
                flying.append(frame)
                self._link.send(self._picture(frame.image))
                if len(flying) == _FLYING:
                    yield self._collect(flying)
            while flying:
                yield self._collect(flying)
        except StickError:
            waiting.put_back(flying)
            self._ready()
        finally:
            self._link.forget()

    def _collect(self, flying: deque[Frame]) -> Sighting:
        outputs, ms = self._link.receive()
        found = to_detections(self._bundle.manifest, outputs, self._score)
        return Sighting(flying.popleft(), found, ms)

    def _picture(self, image: Image) -> Image:
        wanted = self._bundle.manifest.input
        picture = scale_picture(image, wanted)
        if wanted.colour == "rgb":
            return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]
        return picture

    def _by_cpu(self, waiting: _Frames) -> Iterator[Sighting]:
        """Look at frames until they end or the stick is ready."""
        if self._cpu is None:
            self._cpu = open_openvino(self._bundle, self._settings, self._score)
        yield from self._cpu.detect(waiting.until(self._ready))

    def _ready(self) -> bool:
        """Whether the stick takes pictures now; tells in `device` who does."""
        runs = self._link.advance()
        if runs:
            self.device = f"{self._link.device} (OpenVINO {self._link.runtime})"
        elif self._cpu is None:
            self.device = f"{self._link.device}, {self._link.trouble}"
        else:
            self.device = f"CPU (f32), {self._link.trouble}"
        self.fallback = not runs and self._cpu is not None
        return runs


class _Frames:
    """Frames that can be put back."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self._back: deque[Frame] = deque()
        self._exhausted = False

    @property
    def ended(self) -> bool:
        """Whether there are no more, as far as is known."""
        return self._exhausted and not self._back

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._back:
            return self._back.popleft()
        try:
            return next(self._frames)
        except StopIteration:
            self._exhausted = True
            raise

    def put_back(self, frames: Iterable[Frame]) -> None:
        """Give these again, in this order, before all others."""
        self._back.extendleft(reversed(list(frames)))

    def until(self, over: Callable[[], bool]) -> Iterator[Frame]:
        """Frames up to their end, or to the first before which it is over."""
        while not over():
            try:
                frame = next(self)
            except StopIteration:
                return
            yield frame
