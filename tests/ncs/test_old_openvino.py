"""One file for every device: the shipped detector in the stick's worker, on OpenVINO of three eras.

The worker that drives a stick at the door runs here with the CPU of each OpenVINO. What a stick
computes in FP16 is not seen by this; that its compiler takes what the worker gives it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openvino
import pytest

from edge.assembly import DEFAULT_BUNDLE
from edge.config import DetectorConfig
from edge.contract.bundle import read_bundle
from edge.contract.detections import Detections
from edge.detector import Detector, open_detector
from edge.detector.ncs import StickDetector
from edge.detector.ncs_worker import short_version
from edge.detector.stick_link import BACKEND, StickLink
from edge.scene import Scene
from edge.source import SceneSource
from edge.types import Frame
from edge.worker import Worker
from tests.old_openvino import LAST_OF_THE_PI, LAST_WITH_MYRIAD, old_python, require_libusb

LIMIT = 1e-3  # of the picture; float32 on all, but kernels differ in the order of their sums
SCORE = 0.3
START_S = 60.0  # of a worker on a busy machine


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Ten pictures of a simulated door; in most of them somebody passes."""
    return list(SceneSource(Scene(101, duration=50, fps=0.2)))


def seen(detector: Detector, frames: list[Frame]) -> list[Detections]:
    """What a detector finds, as long as it is the one that was asked for."""
    found = []
    with detector:
        for sighting in detector.detect(frames):
            assert not detector.fallback, detector.device
            found.append(sighting.detections)
    return found


@pytest.fixture(scope="module")
def here(frames: list[Frame]) -> list[Detections]:
    """What today's OpenVINO finds in this process."""
    detector = open_detector(read_bundle(DEFAULT_BUNDLE), DetectorConfig(device="CPU"), score=SCORE)
    return seen(detector, frames)


def by_worker(python: Path, frames: list[Frame]) -> tuple[list[Detections], str]:
    """What the worker under another interpreter finds with its CPU, and its OpenVINO."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    link = StickLink(python, bundle, "CPU")
    detector = StickDetector(link, bundle, DetectorConfig(device="CPU"), SCORE, START_S)
    return seen(detector, frames), link.runtime


@pytest.mark.parametrize(
    "requirement",
    [
        None,
        LAST_WITH_MYRIAD,
        pytest.param(LAST_OF_THE_PI, marks=pytest.mark.proof),
    ],
    ids=["today", "2021.4.2", "2022.3.2"],
)
def test_the_worker_finds_what_is_found_here(
    requirement: str | None, frames: list[Frame], here: list[Detections]
) -> None:
    """The same heads in every picture: as many, in the same places, with the same scores."""
    if requirement:
        python, version = old_python(requirement), requirement.partition("==")[2]
    else:
        python, version = Path(sys.executable), short_version(openvino.__version__)
    there, runtime = by_worker(python, frames)
    boxes = [abs(a.boxes - b.boxes).max() for a, b in zip(here, there, strict=True) if len(a)]
    print(f"{runtime}: boxes differ by at most {max(boxes):.2g}")

    assert runtime == version
    assert [len(found) for found in here] == [len(found) for found in there]
    assert sum(len(found) for found in here) >= 5
    assert max(boxes) < LIMIT
    for one, other in zip(here, there, strict=True):
        assert np.allclose(one.scores, other.scores, atol=LIMIT)


def test_2021_4_compiles_for_the_stick() -> None:
    """What the worker loads compiles for a Myriad X, and only then the stick is missed."""
    require_libusb()
    bundle = read_bundle(DEFAULT_BUNDLE)
    variant, wanted = bundle.variant("MYRIAD"), bundle.manifest.input
    load = {
        "xml": str(bundle.path(variant.xml)),
        "bin": str(bundle.path(variant.bin)),
        "device": "MYRIAD",
        "mean": list(wanted.mean),
        "scale": list(wanted.scale),
        "config": {"VPU_MYRIAD_PLATFORM": "VPU_MYRIAD_2480"},
    }
    with Worker.start("worker", old_python(LAST_WITH_MYRIAD), BACKEND, {}) as worker:
        worker.accept(worker.receive(START_S))
        worker.send({"load": load}, None, START_S)
        told = worker.receive(START_S).head

    assert "no available devices with platform" in str(told.get("error"))
