"""A `picamera2` that obeys the orders of `tests.picameras`; it runs in the worker's interpreter.

Names, order of calls, errors' words, the newest completed request that is kept, and a stop at exit
that may block are those of Picamera2 0.3.12 and 0.3.38.
"""

import atexit
import fcntl
import json
import os
import time
from pathlib import Path

ORDERS = Path(os.environ["ORDERS"])


def orders():
    return json.loads(ORDERS.read_text())


def obey(step):
    how = orders()["fail"].get(step)
    while how == "block":
        time.sleep(1000)
    if how == "crash":
        os._exit(7)
    if how:
        kinds = {"import": ModuleNotFoundError, "numpy": ValueError}
        raise kinds.get(step, RuntimeError)(how)


obey("import")
obey("numpy")
import numpy as np  # noqa: E402


class Picamera2:
    @property
    def sensor_modes(self):
        obey("modes")
        return [
            {"size": (640, 480), "crop_limits": (1000, 752, 1280, 960), "fps": 206.65},
            {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464), "fps": 41.85},
            {"size": (3280, 2464), "crop_limits": (0, 0, 3280, 2464), "fps": 21.19},
        ]

    @staticmethod
    def global_camera_info():
        return [{"Model": name, "Id": name, "Num": n} for n, name in enumerate(orders()["cameras"])]

    def __init__(self, camera_num=0):
        self.sensor_resolution = tuple(orders()["sensor"])
        self.camera_controls = dict.fromkeys(orders()["controls"], (0, 1, 0))
        try:
            obey("open")
            self.acquire()
        except RuntimeError as error:
            raise RuntimeError("Camera __init__ sequence did not complete.") from error
        atexit.register(self.close)

    def acquire(self):
        """As libcamera locks its devices: until this process is gone."""
        self.lock = os.open(f"{ORDERS}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = orders()["busy"]
        except BlockingIOError:
            taken = True
        if taken:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")

    def create_video_configuration(self, main, raw=None, controls=None):
        return {"main": main, "raw": raw, "controls": controls or {}}

    def configure(self, configuration):
        obey("configure")
        self.configuration = configuration
        main = configuration["main"]
        main["format"] = orders()["format"] or main["format"]
        main["stride"] = 3 * main["size"][0] + orders()["padding"]
        Path(f"{ORDERS}.asked").write_text(json.dumps(configuration))

    def camera_configuration(self):
        return self.configuration

    def start(self):
        obey("start")
        self.started = time.monotonic()
        self.frames = 0

    def capture_request(self):
        obey("capture")
        limits = self.configuration["controls"].get("FrameDurationLimits", (33333, 33333))
        period, now = max(limits[0] / 1e6, 1 / orders()["rate"]), time.monotonic()
        if not (self.frames and orders()["repeating"]):
            self.frames = max(self.frames + 1, int((now - self.started) / period))
        due = self.started + self.frames * period
        time.sleep(max(0.0, due - now))
        return Request(self.configuration, due, period)

    def stop(self):
        obey("stop")

    def close(self):
        self.stop()


class Request:
    def __init__(self, configuration, taken, period):
        controls = configuration["controls"]
        known = {
            "FrameDuration": round(1e6 * period),
            "ExposureTime": controls.get("ExposureTime", 12000),
            "AnalogueGain": 2.0,
            "Lux": 150.0,
            "SensorTimestamp": round(1e6 * taken) * 1000,
        }
        self.metadata = {key: known[key] for key in known if key not in orders()["untold"]}
        (width, height), stride = configuration["main"]["size"], configuration["main"]["stride"]
        # Buffers are whole pages; what lies in the padding and behind the picture is not zero.
        self.memory = np.full(height * stride + 4096, 0xAA, np.uint8)
        rows = self.memory[: height * stride].reshape(height, stride)[:, : 3 * width]
        pixels = rows.reshape(height, width, 3)
        red = {"RGB888": (0, 0, 200), "BGR888": (200, 0, 0)}  # named the other way round
        pixels[:] = red.get(configuration["main"]["format"], 0)
        pixels[0, :2].flat = list(round(1e6 * taken).to_bytes(6, "little"))

    def get_metadata(self):
        return self.metadata

    def release(self):
        self.memory = None


class MappedArray:
    def __init__(self, request, stream, reshape=True):
        assert stream == "main" and not reshape
        self.array = request.memory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        del self.array
