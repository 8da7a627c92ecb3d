"""The far side of `edge.detector.ncs`: a model under an OpenVINO that knows the stick, MYRIAD.

A backend of `worker_child`: standard library, NumPy and whichever OpenVINO its interpreter has,
from 2021.3 to today, under Python 3.7 to 3.13.

    parent                                 here
           <--- hello                      runtime "2021.4.2", devices ["CPU", "MYRIAD"]
    load   --->                            {"load": {xml, bin, device, mean, scale, config}}
           <--- ready                      {"ready": seconds, "input": [1, height, width, 3],
                                            "outputs": [[name, shape], ...]}
    frame  --->                            {"frame": n} and the picture, uint8 (height, width, 3)
           <--- outputs                    {"frame": n, "ms": of the device} and the outputs, one
                                            after the other, float32
           <--- error                      {"error": one line}, whenever something fails; the last

Pictures are in the model's order of colours. They are read from the pipe into the input of a
request; turning uint8 rows of pixels into what the graph takes is left to the runtime. Two
requests are on their way at a time, so that the next picture travels while the device works.
"""

from __future__ import annotations

import queue
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from edge.worker_child import Channel

REQUESTS = 2


def serve(channel: Channel, options: dict[str, Any]) -> None:
    """Say who is here, load what the parent asks for, and look at its pictures until it is gone."""
    del options  # all is told by message
    try:
        runtime = find_runtime()
        devices = list(runtime.core.available_devices)
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises is the parent's to tell
        channel.send({"error": f"{sys.executable}: {first_line(error)}"})
        return
    channel.hello(runtime=runtime.version, devices=devices)
    got = channel.receive()
    if got is None:
        return
    begun = time.monotonic()
    try:
        model = runtime.load(**got[0]["load"])
    except Exception as error:  # noqa: BLE001
        channel.send({"error": first_line(error)})
        return
    channel.send(
        {"ready": time.monotonic() - begun, "input": model.input, "outputs": model.outputs}
    )
    look(channel, model)


def look(channel: Channel, model: Model) -> None:
    """Start each picture that comes; a thread of its own answers, in the same order."""
    free, started = queue.Queue(), queue.Queue()  # type: Any, Any
    for request in model.requests:
        free.put(request)
    answering = threading.Thread(target=_answer, args=(channel, started, free), daemon=True)
    answering.start()
    try:
        while True:
            request = free.get()
            got = channel.receive(request.memory)
            if got is None:
                started.put(None)
                break
            begun = time.perf_counter()
            request.start()
            started.put((got[0]["frame"], request, begun))
    except Exception as error:  # noqa: BLE001
        started.put(error)
    answering.join()


def _answer(channel: Channel, started: Any, free: Any) -> None:  # noqa: ANN401
    done = 0.0  # when the device was last known to be free
    while True:
        job = started.get()
        if job is None:
            return
        try:
            if isinstance(job, Exception):
                raise job
            number, request, begun = job
            outputs, latency = request.finish()
        except Exception as error:  # noqa: BLE001
            channel.send({"error": first_line(error)})
            return
        # A request waits for the one before it; that time is not the device's work on it.
        after = max(begun, done)
        done = begun + latency / 1000 if latency > 0 else time.perf_counter()  # 2022.1 gives 0
        channel.send({"frame": number, "ms": max(1000 * (done - after), 0.0)}, outputs)
        free.put(request)


def find_runtime() -> Any:  # noqa: ANN401 - one of two classes alike
    """The OpenVINO of this interpreter.

    Raises:
        ImportError: it has none.
    """
    try:
        import openvino  # noqa: PLC0415

        if hasattr(openvino, "Core") and hasattr(openvino, "Type"):
            return Runtime(openvino, openvino.__version__)
        from openvino import runtime  # noqa: PLC0415 - its place in 2022

        return Runtime(runtime, runtime.get_version())
    except ImportError as error:
        try:
            from openvino import inference_engine  # noqa: PLC0415 - its place in 2021
        except ImportError:
            raise error from None
        return Runtime2021(inference_engine)


class Runtime:
    """OpenVINO since 2022.1."""

    def __init__(self, api: Any, version: str) -> None:  # noqa: ANN401 - OpenVINO has no types
        self.api = api
        self.version = short_version(version)
        self.core = api.Core()

    def load(
        self,
        xml: str,
        bin: str,  # noqa: A002 - as in the manifest
        device: str,
        mean: list[float],
        scale: list[float],
        config: dict[str, str],
    ) -> Model:
        """Compile a model that takes pictures as they come."""
        from openvino.preprocess import PrePostProcessor  # noqa: PLC0415

        model = self.core.read_model(xml, bin)
        steps = PrePostProcessor(model)
        port = steps.input()
        port.tensor().set_element_type(self.api.Type.u8).set_layout(self.api.Layout("NHWC"))
        port.model().set_layout(self.api.Layout("NCHW"))
        work = port.preprocess().convert_element_type(self.api.Type.f32)
        if any(mean):
            work = work.mean(mean)
        if any(part != 1 for part in scale):
            work.scale(scale)
        for index in range(len(model.outputs)):
            steps.output(index).tensor().set_element_type(self.api.Type.f32)
        compiled = self.core.compile_model(
            steps.build(), device, {**self._exactly(device), **config}
        )
        outputs = [
            [min(port.get_names(), default=str(index)), [int(side) for side in port.shape]]
            for index, port in enumerate(compiled.outputs)
        ]
        requests = [Request(compiled.create_infer_request(), outputs) for _ in range(REQUESTS)]
        return Model([int(side) for side in compiled.input().shape], outputs, requests)

    def _exactly(self, device: str) -> dict[str, str]:
        """What makes a CPU compute in float32, where it could do with less."""
        if device != "CPU":
            return {}
        known = self.core.get_property(device, "SUPPORTED_PROPERTIES")
        if "INFERENCE_PRECISION_HINT" in known:
            return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        return {"ENFORCE_BF16": "NO"}


class Runtime2021:
    """OpenVINO 2021.3 and 2021.4: another API, and the wheels with the stick's plugin."""

    def __init__(self, api: Any) -> None:  # noqa: ANN401
        self.api = api
        self.version = short_version(api.get_version())
        self.core = api.IECore()

    def load(
        self,
        xml: str,
        bin: str,  # noqa: A002
        device: str,
        mean: list[float],
        scale: list[float],
        config: dict[str, str],
    ) -> Model:
        """Compile a model that takes pictures as they come."""
        network = self.core.read_network(xml, bin)
        (name,) = network.input_info
        info = network.input_info[name]
        info.precision, info.layout = "U8", "NHWC"
        shift = None
        if any(mean) or any(part != 1 for part in scale):
            # Its own preprocessing takes the pixels of NHWC for those of NCHW, and rounds.
            info.precision = "FP32"
            shift = np.array(mean, np.float32), np.array(scale, np.float32)
        for output in network.outputs.values():
            output.precision = "FP32"  # a stick's own is FP16
        exactly = {"ENFORCE_BF16": "NO"} if device == "CPU" else {}
        self._loaded = self.core.load_network(
            network, device, {**exactly, **config}, num_requests=REQUESTS
        )
        outputs = [[key, list(output.shape)] for key, output in network.outputs.items()]
        requests = [Request2021(request, name, outputs, shift) for request in self._loaded.requests]
        batch, channels, height, width = info.tensor_desc.dims
        return Model([batch, height, width, channels], outputs, requests)


class Model:
    """What `load` made.

    Attributes:
        input: shape of the picture, (1, height, width, 3).
        outputs: [name, shape] of each.
        requests: idle ones.
    """

    def __init__(self, shape: list[int], outputs: list[Any], requests: list[Any]) -> None:
        self.input = shape
        self.outputs = outputs
        self.requests = requests


class _Request:
    """A place for one picture on its way, and for what comes of it."""

    def __init__(self, inner: Any, picture: Any, outputs: list[Any]) -> None:  # noqa: ANN401
        self.inner = inner
        self.picture = picture.reshape(-1)  # (bytes,) uint8, the runtime's own memory
        sizes = [int(np.prod(shape)) for _, shape in outputs]
        self.flat = np.empty(sum(sizes), np.float32)
        self.parts = np.split(self.flat, np.cumsum(sizes)[:-1])

    def memory(self, count: int) -> Any:  # noqa: ANN401
        """Where a picture of so many bytes belongs."""
        if count != self.picture.nbytes:
            raise ValueError(f"a picture of {count} bytes, the model takes {self.picture.nbytes}")
        return self.picture


class Request(_Request):
    """One of OpenVINO since 2022.1."""

    def __init__(self, inner: Any, outputs: list[Any]) -> None:  # noqa: ANN401
        super().__init__(inner, inner.get_input_tensor().data, outputs)

    def start(self) -> None:
        """Hand the picture to the device."""
        self.inner.start_async()

    def finish(self) -> tuple[Any, float]:
        """All outputs in one flat array, and milliseconds since the start."""
        self.inner.wait()
        for index, part in enumerate(self.parts):
            part[:] = self.inner.get_output_tensor(index).data.reshape(-1)
        return self.flat, self.inner.latency


class Request2021(_Request):
    """One of OpenVINO 2021. `shift` is (mean, scale) where the graph does not have them."""

    def __init__(self, inner: Any, name: str, outputs: list[Any], shift: Any) -> None:  # noqa: ANN401
        self.input = inner.input_blobs[name].buffer.reshape(-1, 3)
        self.shift = shift
        picture = self.input if shift is None else np.empty(self.input.shape, np.uint8)
        super().__init__(inner, picture, outputs)
        self.names = [key for key, _ in outputs]

    def start(self) -> None:
        """Hand the picture to the device."""
        if self.shift is not None:
            mean, scale = self.shift
            self.input[:] = (self.picture.reshape(-1, 3) - mean) / scale
        self.inner.async_infer()

    def finish(self) -> tuple[Any, float]:
        """As of `Request`."""
        status = self.inner.wait(-1)
        if status != 0:
            raise RuntimeError(f"inference ended with status {status}")
        for name, part in zip(self.names, self.parts):  # noqa: B905
            part[:] = self.inner.output_blobs[name].buffer.reshape(-1)
        return self.flat, self.inner.latency


def short_version(text: str) -> str:
    """2021.4.2 of 2021.4.2-3976-0943ed67223."""
    found = re.search(r"20\d\d(\.\d+)+", text)
    return found.group() if found else text


def first_line(error: Exception) -> str:
    """What a runtime has to say, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[0].rstrip(".;")
