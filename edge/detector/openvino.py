"""Runs a model in this process with OpenVINO, on CPU, GPU or NPU.

Live, two pictures are on their way at a time: while the device works on one, the one before is
turned into detections and the one after is decoded and scaled. Of a recording, as many are as keep
every core at work: each core has pictures of its own, which takes less of it than to share one.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant
from edge.contract.manifest import INT8
from edge.detector.base import Detector
from edge.detector.outputs import Array, order_outputs, to_detections
from edge.detector.variant import AUTO, Int8Support, choose_variants, read_support
from edge.errors import DetectorError
from edge.openvino_core import core as the_core
from edge.types import Frame, Image, Sighting

_AHEAD = 1  # live: pictures that wait for the device while it works
# Of a recording. One more than live, as pictures end out of order and are given in order: while
# the oldest is waited for, its neighbours may be done.
_AHEAD_RECORDED = 2
_VIRTUAL = ("AUTO", "MULTI", "HETERO", "BATCH")  # devices made of others

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A frame on its way."""

    frame: Frame
    request: Any
    submitted: float  # seconds of time.perf_counter


class OpenVinoDetector(Detector):
    """A compiled model. Make one with `open_openvino`.

    Args:
        compiled: the model, on its device.
        manifest: of the model.
        device: what runs it, for people.
        score: detections below are left out, 0..1.
        recorded: as many pictures a second as can be, rather than each soon.
    """

    def __init__(
        self,
        compiled: Any,  # noqa: ANN401 - OpenVINO has no types
        manifest: Manifest,
        device: str,
        score: float,
        *,
        recorded: bool = False,
    ) -> None:
        self.device = device
        self._compiled = compiled
        self._manifest = manifest
        self._score = score
        shapes = [tuple(output.shape) for output in compiled.outputs]
        self._order = order_outputs(manifest, shapes)
        at_once = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if recorded else 1
        self._requests = at_once + (_AHEAD_RECORDED if recorded else _AHEAD)
        self._free_at = [0.0] * at_once  # a heap: when each part of the device is free

    def detect(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        """Look at each frame; see `Detector.detect`."""
        free = [self._compiled.create_infer_request() for _ in range(self._requests)]
        jobs: deque[_Job] = deque()
        try:
            for frame in frames:
                jobs.append(self._submit(frame, free.pop()))
                if not free:
                    free.append(jobs[0].request)
                    yield self._collect(jobs.popleft())
            while jobs:
                yield self._collect(jobs.popleft())
        finally:
            for job in jobs:  # the device still reads their pictures
                with suppress(RuntimeError):  # what has failed before is what is told
                    job.request.wait()

    def _submit(self, frame: Frame, request: Any) -> _Job:  # noqa: ANN401
        picture = scale_picture(frame.image, self._manifest.input)
        submitted = time.perf_counter()
        try:
            request.start_async({0: picture[None]})
        except RuntimeError as e:
            raise self._broke(e) from e
        return _Job(frame, request, submitted)

    def _collect(self, job: _Job) -> Sighting:
        try:
            job.request.wait()
        except RuntimeError as e:
            raise self._broke(e) from e
        # A request waits for the one before it; that time is not the device's work on it.
        done = job.submitted + job.request.latency / 1000
        took = done - max(job.submitted, heapq.heapreplace(self._free_at, done))
        outputs: list[Array] = [job.request.get_output_tensor(i).data for i in self._order]
        detections = to_detections(self._manifest, outputs, self._score)
        return Sighting(job.frame, detections, max(1000 * took, 0.0))

    def _broke(self, error: Exception) -> DetectorError:
        return DetectorError(
            f"{self._manifest.name} on {self.device}: inference failed: {first_line(error)}; "
            "start again, or set detector.device to CPU"
        )


def open_openvino(
    bundle: Bundle,
    settings: DetectorConfig,
    score: float,
    support: Int8Support | None = None,
    *,
    recorded: bool = False,
) -> OpenVinoDetector:
    """Load a bundle's model on a device.

    With precision `auto`, an int8 file that cannot be loaded here is logged and passed over.

    Args:
        bundle: verified and trusted.
        settings: device, precision, threads.
        score: detections below are left out, 0..1.
        support: of int8 on the device; it is asked where none is given.
        recorded: as many pictures a second as can be, rather than each soon.

    Raises:
        DetectorError: there is no such device, or the model cannot be loaded on it.
    """
    core = the_core()
    device = settings.device
    _check_device(core, device)
    support = support or read_support(core, device)
    variants = choose_variants(bundle, device, settings.precision, support)
    for variant in variants[:-1]:
        try:
            return _load(core, bundle, variant, settings, score, recorded=recorded)
        except DetectorError as e:
            _log.warning("%s; taking the bundle's next file", e)
    return _load(core, bundle, variants[-1], settings, score, recorded=recorded)


def _load(
    core: Any,  # noqa: ANN401
    bundle: Bundle,
    variant: Variant,
    settings: DetectorConfig,
    score: float,
    *,
    recorded: bool,
) -> OpenVinoDetector:
    device, precision = settings.device, _precision(variant, settings)
    xml, weights = bundle.path(variant.xml), bundle.path(variant.bin)
    try:
        model = core.read_model(str(xml), str(weights))
        compiled = core.compile_model(
            _with_pictures(model, bundle.manifest.input),
            device,
            _properties(settings, precision, recorded=recorded),
        )
        name = f"{device} ({precision})"
        return OpenVinoDetector(compiled, bundle.manifest, name, score, recorded=recorded)
    except (RuntimeError, ValueError) as e:
        raise DetectorError(
            f"{xml}: cannot be loaded on {device}: {first_line(e)}; "
            "build the bundle again, or set detector.device or detector.precision"
        ) from e


def scale_picture(image: Image, wanted: ModelInput) -> Image:
    """The picture in the size of the model's input, scaled as in training."""
    size = (wanted.width, wanted.height)
    if image.shape[1::-1] == size:
        return np.ascontiguousarray(image)
    shrink = image.shape[1] > wanted.width
    scaled: NDArray[Any] = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    )
    return scaled


def first_line(error: Exception) -> str:
    """What OpenVINO has to say, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[0].rstrip(".;")


def _check_device(core: Any, device: str) -> None:  # noqa: ANN401
    available = core.available_devices
    known = {*available, *(name.split(".")[0] for name in available), *_VIRTUAL}
    head, _, members = device.partition(":")
    for name in [head, *filter(None, members.split(","))]:
        if name.lstrip("-").split("(")[0] not in known:
            raise DetectorError(
                f"device {name}: OpenVINO has none here; "
                f"set detector.device to one of: {', '.join([*available, 'AUTO'])}"
            )


def _precision(variant: Variant, settings: DetectorConfig) -> str:
    """What a variant is run in, and called in a detector's `device`."""
    if variant.quantised:
        return INT8
    return "f32" if settings.precision == AUTO else settings.precision


def _properties(settings: DetectorConfig, precision: str, *, recorded: bool) -> dict[str, object]:
    # The layers of an int8 file that stayed float are few, and run exactly.
    properties: dict[str, object] = {
        "PERFORMANCE_HINT": "THROUGHPUT" if recorded else "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32" if precision == INT8 else precision,
    }
    if settings.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = settings.threads
    return properties


def _with_pictures(model: Any, wanted: ModelInput) -> Any:  # noqa: ANN401
    """The model, taking pictures as they come: uint8, (1, height, width, 3), BGR."""
    shape = (1, 3, wanted.height, wanted.width)
    given = [str(port.partial_shape) for port in model.inputs]
    if len(given) != 1 or tuple(model.inputs[0].shape) != shape:
        raise ValueError(f"inputs are {given}, the manifest promises one of {list(shape)}")
    steps = PrePostProcessor(model)
    port = steps.input()
    port.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    port.tensor().set_color_format(ColorFormat.BGR)
    port.model().set_layout(openvino.Layout("NCHW"))
    work = port.preprocess().convert_element_type(openvino.Type.f32)
    if wanted.colour == "rgb":
        work = work.convert_color(ColorFormat.RGB)
    if any(wanted.mean):
        work = work.mean(list(wanted.mean))
    if any(part != 1 for part in wanted.scale):
        work.scale(list(wanted.scale))
    return steps.build()
