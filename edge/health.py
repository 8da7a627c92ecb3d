"""How the device feels: rate and age of the pictures, warmth, throttling, memory, disk.

What cannot be learned here is None, never zero. Telling it is left to the publisher, which adds
how many crossings wait.
"""

from __future__ import annotations

import platform
import shutil
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from edge import __version__
from edge.contract.manifest import Manifest
from edge.contract.messages import FALLBACK, HealthSnapshot
from edge.contract.quality import OK
from edge.detector import Detector
from edge.machine import Machine
from edge.types import Sighting

_WINDOW_S = 10.0


class HealthMeter:
    """Notes each picture in the pipeline's thread, tells a snapshot in any other."""

    def __init__(
        self,
        ledger: Path,
        detector: Detector,
        model: Manifest,
        *,
        update: Callable[[], Mapping[str, str] | None] = lambda: None,
        machine: Machine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to measure.

        Args:
            ledger: its disk is watched.
            detector: is asked what runs it.
            model: what the detector runs.
            update: tells what became of the latest update, None where there was none.
            machine: where its files are; this machine without it.
            clock: gives monotonic seconds, those that `note` is told.
        """
        self._ledger = ledger
        self._detector = detector
        self._model = f"{model.name} {model.version}"
        self._update = update
        self._machine = machine or Machine()
        self._clock = clock
        self._begun = clock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()  # monotonic s, ms
        self._last_at: float | None = None  # monotonic s of the last picture
        self._seen = -1  # index of the last picture; what the camera gave before it is gone, too
        self._dropped = 0
        self._versions = _versions()

    def note(self, sighting: Sighting, now: float) -> None:
        """Take in that a picture went through at monotonic second `now`."""
        index = sighting.frame.index
        with self._lock:
            self._dropped += max(0, index - self._seen - 1)
            self._last_at, self._seen = now, index
            self._recent.append((now, sighting.ms))
            self._forget(now)

    def snapshot(self) -> HealthSnapshot:
        """How things are now; `outbox` is left at 0."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            times = [ms for _, ms in self._recent if ms > 0]
            span = min(_WINDOW_S, now - self._begun)
            known = self._last_at is not None
            fps = len(self._recent) / span if known and span > 0 else None
            age = None if self._last_at is None else now - self._last_at
            dropped = self._dropped
        return HealthSnapshot(
            fps=fps,
            inference_ms=statistics.median(times) if times else None,
            device=self._detector.device,
            camera_age_s=age,
            dropped=dropped,
            temperature_c=self._machine.temperature_c(),
            throttled=self._machine.throttled(),
            rss_mb=self._machine.rss_mb(),
            disk_free_mb=_disk_free_mb(self._ledger),
            outbox=0,
            versions=self._versions,
            model=self._model,
            detector=FALLBACK if self._detector.fallback else OK,
            update=self._update(),
        )

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _WINDOW_S:
            self._recent.popleft()


def _disk_free_mb(path: Path) -> float | None:
    try:
        return shutil.disk_usage(path.parent).free / 1e6
    except OSError:
        return None


def _versions() -> dict[str, str]:
    found = {"headcount": __version__, "python": platform.python_version()}
    for package in ("openvino", "paho-mqtt"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
