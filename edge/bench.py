"""What this device does: pictures each second, and where the milliseconds go.

Some seconds of the simulated door are drawn before the clock starts and kept as JPEG, as a USB
camera gives its pictures. Then they go the whole way again and again, as fast as it goes:

    decode, scale -> detector -> tracker, line       stages overlap, as they do at the door

`headcount bench --json` prints one object, `Report.to_json`:

    schema 1, headcount        of this layout; version of the program
    fps, seconds, frames       pictures through the whole way each second; both parts of it
    ms                         picture (decode and scale), inference (the device's time),
                               counting (tracker and line): {median, p95} of one picture's
                               milliseconds; what makes boxes of outputs is in none of them
    detector                   device that ran it at the end; stood_in, how many of all pictures
                               the CPU looked at in a stick's place; model; input [width, height];
                               precision, threads as configured (null: OpenVINO's choice)
    source                     uri of the scene, size [width, height] of its pictures
    machine                    model, arch, cores, memory_mb, kernel; versions of python, openvino,
                               numpy and opencv
    before, after              temperature_c, throttled (words, [] fine), rss_mb of this process;
                               null where the machine does not tell

Milliseconds of processes that share the machine with others are larger than of those that do not.
"""

from __future__ import annotations

import itertools
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge import __version__
from edge.assembly import build_corridor, choose_bundle, keep_score
from edge.config import CountingConfig, DetectorConfig, SourceConfig
from edge.contract.bundle import Manifest, ModelInput
from edge.detector import open_detector
from edge.detector.openvino import scale_picture
from edge.errors import CallError
from edge.machine import Machine, kernel_text
from edge.pipeline import Corridor
from edge.scene import SCENE_LINE
from edge.source import Source, open_source
from edge.types import Frame, Sighting

SCHEMA = 1
SCENE = "scene:1:6"  # people are in most of its pictures

_WARM_UP = 5  # pictures that are not counted: first inferences allocate
_FEWEST = 5  # pictures that are counted, however long they take
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]

Clock = Callable[[], float]  # seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of one picture in a stage."""

    median: float
    p95: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Spread:
        """Of some milliseconds, at least one."""
        median, p95 = np.percentile(times, (50, 95))
        return cls(round(float(median), 3), round(float(p95), 3))


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, on what. The module's docstring tells each field of the JSON."""

    seconds: float
    frames: int
    ms: dict[str, Spread]
    detector: dict[str, Any]
    source: dict[str, Any]
    machine: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def fps(self) -> float:
        """Pictures each second through the whole way."""
        return self.frames / self.seconds

    def to_json(self) -> dict[str, Any]:
        """The object that `headcount bench --json` prints."""
        return {
            "schema": SCHEMA,
            "headcount": __version__,
            "fps": round(self.fps, 2),
            **asdict(self),
        }


def bench(
    settings: DetectorConfig,
    seconds: float,
    *,
    machine: Machine | None = None,
    clock: Clock = time.perf_counter,
) -> Report:
    """Measure this device.

    Args:
        settings: model, device, precision, threads.
        seconds: how long to measure, above 0; a slow device takes longer.
        machine: where it tells of itself; this machine without it.
        clock: gives seconds.

    Raises:
        CallError: there is no time to measure in.
        BundleError: the model is missing or damaged.
        DetectorError: there is no such device, or the model does not run on it.
    """
    if not 0 < seconds < math.inf:
        raise CallError(f"--seconds {seconds:g}: give a number above 0")
    machine = machine or Machine()
    bundle = choose_bundle(settings, must_be_trusted=False)
    manifest = bundle.manifest
    with open_detector(bundle, settings, score=keep_score(manifest.score)) as detector:
        with open_source(SourceConfig(uri=SCENE)) as source:
            meter = _Meter(source, manifest.input, seconds, clock)
        corridor = build_corridor((SCENE_LINE,), CountingConfig(), manifest.score, source.size)
        before, stood_in = feeling(machine), 0
        for sighting in detector.detect(meter.frames()):
            stood_in += detector.fallback
            meter.count(corridor, sighting)
        return Report(
            round(meter.seconds, 3),
            meter.counted,
            meter.spreads(),
            {"device": detector.device, "stood_in": stood_in, **_model_of(manifest, settings)},
            {"uri": SCENE, "size": list(source.size)},
            describe(machine.root),
            before,
            feeling(machine),
        )


def tell(report: Report) -> str:
    """What a person wants to know of a measurement."""
    machine, detector = report.machine, report.detector
    rows = [
        f"{machine['model']}, {machine['cores']} cores, {machine['arch']}, "
        f"OpenVINO {machine['openvino']}",
        f"{detector['model']} on {detector['device']}",
        f"{report.fps:.1f} pictures/s ({report.frames} in {report.seconds:.1f} s)",
        "",
        f"{'ms a picture':14}{'median':>9}{'95 %':>9}",
    ]
    rows += [f"{name:14}{ms.median:9.2f}{ms.p95:9.2f}" for name, ms in report.ms.items()]
    rows += ["", *(_felt(when, getattr(report, when)) for when in ("before", "after"))]
    return "\n".join(rows)


class _Meter:
    """Hands on the pictures of a source while there is time, and notes what each takes."""

    def __init__(self, source: Source, wanted: ModelInput, seconds: float, clock: Clock) -> None:
        self._jpegs = [cv2.imencode(".jpg", frame.image, _JPEG)[1] for frame in source]
        self._fps = source.fps
        self._wanted = wanted
        self._limit = seconds
        self._clock = clock
        self._times: dict[str, list[float]] = {"picture": [], "inference": [], "counting": []}
        self._begun = self._ended = 0.0  # when the last of the warm-up was counted, and the last

    @property
    def counted(self) -> int:
        """Pictures that went the whole way after the warm-up."""
        return len(self._times["counting"]) - _WARM_UP

    @property
    def seconds(self) -> float:
        """From the end of the warm-up to the last picture."""
        return self._ended - self._begun

    def frames(self) -> Iterator[Frame]:
        """The pictures again and again, each decoded and scaled as it is asked for."""
        for index in itertools.count():
            if self.counted >= _FEWEST and self.seconds >= self._limit:
                return
            begun = self._clock()
            image: Any = cv2.imdecode(self._jpegs[index % len(self._jpegs)], cv2.IMREAD_COLOR)
            scaled = scale_picture(image, self._wanted)  # the detector finds nothing left to scale
            self._times["picture"].append(1000 * (self._clock() - begun))
            yield Frame(scaled, index, index / self._fps)

    def count(self, corridor: Corridor, sighting: Sighting) -> None:
        """Take in what the detector saw."""
        begun = self._clock()
        corridor.step(sighting)
        self._ended = self._clock()
        self._times["counting"].append(1000 * (self._ended - begun))
        self._times["inference"].append(sighting.ms)
        if self.counted == 0:
            self._begun = self._ended

    def spreads(self) -> dict[str, Spread]:
        """Each stage's milliseconds after the warm-up."""
        return {name: Spread.of(times[_WARM_UP:]) for name, times in self._times.items()}


def describe(root: Path = Path("/")) -> dict[str, Any]:
    """What a machine is, and what runs on it; None where it does not tell.

    Args:
        root: where its files are.
    """
    memory = _field(root / "proc/meminfo", "MemTotal")
    versions = {name: metadata.version(package) for name, package in _PACKAGES.items()}
    return {
        "model": _board(root),
        "arch": platform.machine(),
        "cores": os.cpu_count(),
        "memory_mb": round(int(memory.split()[0]) * 1024 / 1e6) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        **versions,
    }


_PACKAGES = {"openvino": "openvino", "numpy": "numpy", "opencv": "opencv-python-headless"}


def feeling(machine: Machine) -> dict[str, Any]:
    """How warm it is, what it holds back for, and how large this process is."""
    return {
        "temperature_c": machine.temperature_c(),
        "throttled": machine.throttled(),
        "rss_mb": machine.rss_mb(),
    }


def _model_of(manifest: Manifest, settings: DetectorConfig) -> dict[str, Any]:
    """What the detector runs, and how it was asked to."""
    return {
        "model": f"{manifest.name} {manifest.version}",
        "input": [manifest.input.width, manifest.input.height],
        "precision": settings.precision,
        "threads": settings.threads,
    }


def _board(root: Path) -> str | None:
    """A board's own name, else that of the CPU."""
    board = kernel_text(root / "proc/device-tree/model").strip("\0 \n")
    cpuinfo = root / "proc/cpuinfo"
    return board or _field(cpuinfo, "Model") or _field(cpuinfo, "model name")


def _field(path: Path, name: str) -> str | None:
    """The value of the first line `name : value` of one of the kernel's files."""
    for line in kernel_text(path).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _felt(when: str, values: dict[str, Any]) -> str:
    warm, held, rss = values["temperature_c"], values["throttled"], values["rss_mb"]
    return (
        f"{when:8}{'? ' if warm is None else f'{warm:.0f} '}C, throttled: "
        f"{'?' if held is None else ', '.join(held) or 'no'}, "
        f"memory {'?' if rss is None else f'{rss:.0f}'} MB"
    )
