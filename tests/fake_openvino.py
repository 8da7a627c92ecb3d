"""A simulated stick: stands for the package `openvino` of a stick's interpreter.

`tests.sticks` copies it there. What it does is read from files beside it, which a test may change
while it runs: `script.json`, how it is, and `fault`, what goes wrong once. It knows one network,
that of `tests.sticks`, and says with the height of each box that it was the stick that looked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

__version__ = "2022.3.1-9227-cf2c7da5689-releases/2022/3"

HERE = Path(__file__).parents[1]
FOREVER = 1000.0


class Anything:
    """Whatever is called on it, it stays what it is."""

    def __init__(self, *_):
        pass

    def __getattr__(self, name):
        return lambda *_: self


class Type:
    """Of elements."""

    u8 = f32 = None


Layout = Anything


class PrePostProcessor(Anything):
    """Gives the model back as it was."""

    def __init__(self, model):
        self.kept = model

    def build(self):
        return self.kept


class Model:
    """Two outputs."""

    def __init__(self):
        self.outputs = [None, None]


class Port:
    """An input or an output."""

    def __init__(self, name, shape):
        self.name, self.shape = name, shape

    def get_names(self):
        return {self.name}


class Tensor:
    """Memory."""

    def __init__(self, data):
        self.data = data


class Core:
    """What the worker asks for devices and models."""

    @property
    def available_devices(self):
        return ["CPU", "MYRIAD"] if script()["listed"] else ["CPU"]

    def read_model(self, xml, weights):
        assert Path(xml).exists()
        assert Path(weights).exists()
        return Model()

    def compile_model(self, model, device, config):
        assert device == "MYRIAD"
        with (HERE / "boots").open("a") as file:
            file.write("boot\n")
        time.sleep(script()["boot_s"])
        fault = fired("boot")
        if fault == "boot hang":
            time.sleep(FOREVER)
        if fault == "boot fail" or not script()["listed"]:
            raise RuntimeError(
                "Exception from src/plugin.cpp:1:\nCan not init Myriad device: NC_ERROR\n"
            )
        return Compiled()


class Compiled:
    """A network on the stick, which works on one picture at a time."""

    def __init__(self):
        self.outputs = [Port(*output) for output in script()["outputs"]]
        self.free_at = 0.0
        self.frames = 0

    def __del__(self):
        (HERE / "freed").touch()

    def input(self):
        return Port("picture", [1, 32, 32, 3])

    def create_infer_request(self):
        return Request(self)


class Request:
    """A picture on the stick."""

    def __init__(self, compiled):
        self.compiled = compiled
        self.picture = np.zeros((1, 32, 32, 3), np.uint8)
        self.given = []

    def get_input_tensor(self):
        return Tensor(self.picture)

    def start_async(self):
        how = script()
        self.compiled.frames += 1
        self.begun = time.perf_counter()
        takes = how["ms"] + how["drift_ms"] * self.compiled.frames
        self.done = max(self.begun, self.compiled.free_at) + takes / 1000
        self.compiled.free_at = self.done
        self.fault = fired("frame") if how["listed"] else "x_link"
        self.given = look(self.picture)

    def wait(self):
        if self.fault == "hang":
            time.sleep(FOREVER)
        if self.fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(max(self.done - time.perf_counter(), 0))
        if self.fault == "x_link":
            raise RuntimeError("Failed to get output: X_LINK_ERROR")
        if self.fault == "garbage":
            rng = np.random.default_rng(0)
            self.given = [
                rng.integers(0, 256, 4 * g.size, np.uint8).view(np.float32) for g in self.given
            ]
        if self.fault == "nan":
            self.given[0][:] = np.nan
        if self.fault == "scores":
            self.given[1] += 2
        if self.fault == "sizes":
            self.given = [np.repeat(given, 3) for given in self.given]

    @property
    def latency(self):
        return 1000 * (self.done - self.begun)

    def get_output_tensor(self, index):
        return Tensor(self.given[index])


def look(picture):
    """(1, 4, 4) codes and (1, 4, 2) scores: the mean of channel 0 in each quarter."""
    mean = picture[0, :, :, 0].reshape(2, 16, 2, 16).astype(np.float32).mean(axis=(1, 3)) / 255
    codes = np.zeros((1, 4, 4), np.float32)
    codes[..., 3] = 1.0
    return [codes, np.stack([1 - mean, mean], axis=-1).reshape(1, 4, 2).astype(np.float32)]


def script():
    """How the stick is now."""
    return json.loads((HERE / "script.json").read_text())


def fired(moment):
    """What goes wrong now, `boot …` in a boot and others with a picture; it does so once."""
    path = HERE / "fault"
    with contextlib.suppress(FileNotFoundError):
        fault = path.read_text()
        if fault.startswith("boot") == (moment == "boot"):
            path.unlink()
            return fault
    return script()["always"] if script()["always"].startswith("boot") == (moment == "boot") else ""
