"""Gives the pictures of the Pi's own camera: a backend of `edge.worker_child`.

    hello      Picamera2's and libcamera's versions, the cameras' models by number
    picture    {index, size [w, h], t, period, exposure, gain, lux} and BGR bytes, row by row
    error      {error: what kind, what: one line}; the last message

Standard library and Picamera2 (0.3.12 or later) alone, Python 3.9 or later: it runs under the
system's Python, for whose libraries Picamera2 is built. It is killed, never asked to stop, because
a stop of the camera may block for ever.

Pictures are pushed, one after the other. While the parent does not read, the pipe is full, this
process waits in its write, and libcamera goes on in the buffers that are left, of which Picamera2
keeps the newest: what is taken next is fresh, and no more than the pipe's content is old.
"""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any


class CameraError(Exception):
    """The camera cannot be used: `kind` for the parent, the text for people."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


def serve(channel: Any, options: dict[str, Any]) -> None:  # noqa: ANN401 - see worker_child
    """Say hello, open camera `number`, and send its pictures for ever.

    Options: `number`, None for the hello alone; `width` and `height` in pixels and `fps`, each
    None for the camera's choice; `exposure` in microseconds, 0 for automatic.
    """
    try:
        picamera2 = _library()
        cameras = picamera2.Picamera2.global_camera_info()
        channel.hello(
            picamera2=_version(), libcamera=_libcamera(), cameras=[c.get("Model") for c in cameras]
        )
        if options["number"] is None:
            return
        _send_pictures(channel, picamera2, _start(picamera2.Picamera2, options, len(cameras)))
    except BrokenPipeError:  # the parent is gone
        raise
    except CameraError as error:
        channel.send({"error": error.kind, "what": str(error)})
    except Exception as error:  # noqa: BLE001 - the parent decides what it is worth
        what = _told(error)
        taken = any(sign in what for sign in ("busy", "acquire"))
        channel.send({"error": "busy" if taken else "failed", "what": what})


def _library() -> Any:  # noqa: ANN401
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    try:
        import picamera2  # noqa: PLC0415 - what may fail must be told
    except ImportError as error:
        raise CameraError("missing", _told(error)) from error
    except Exception as error:  # as a NumPy of another build
        raise CameraError("broken", _told(error)) from error
    return picamera2


def _version() -> str | None:
    try:
        return metadata.version("picamera2")
    except metadata.PackageNotFoundError:
        return None


def _libcamera() -> str | None:
    import libcamera  # noqa: PLC0415

    return getattr(libcamera.CameraManager.singleton(), "version", None)


def _start(kind: Any, options: dict[str, Any], count: int) -> Any:  # noqa: ANN401
    """The camera, running."""
    if options["number"] >= count:
        raise CameraError("none", "none is detected" if count == 0 else f"there are {count}")
    camera = kind(options["number"])
    # Picamera2's RGB888 lies in memory as B, G, R.
    wanted: dict[str, Any] = {
        "main": {"format": "RGB888", "size": _size(options, camera.sensor_resolution)},
        "controls": _controls(options),
    }
    for name in wanted["controls"]:
        if name not in camera.camera_controls:  # a USB camera
            raise CameraError("control", name)
    sensor = _widest(_modes(camera), options["fps"] or 0)
    if sensor is not None:
        wanted["raw"] = {"size": sensor}
    camera.configure(camera.create_video_configuration(**wanted))
    given = camera.camera_configuration()["main"]["format"]
    if given != "RGB888":
        raise CameraError("format", str(given))
    camera.start()
    return camera


def _size(options: dict[str, Any], sensor: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the pictures; what is not asked for keeps the sensor's shape."""
    width, height = options["width"], options["height"]
    if width is None:
        width = 640 if height is None else height * sensor[0] / sensor[1]
    if height is None:
        height = width * sensor[1] / sensor[0]
    return 2 * round(width / 2), 2 * round(height / 2)


def _controls(options: dict[str, Any]) -> dict[str, Any]:
    controls: dict[str, Any] = {}
    if options["fps"]:
        period = round(1e6 / options["fps"])
        controls["FrameDurationLimits"] = (period, period)
    if options["exposure"]:  # the gain stays automatic, so that dusk and lamps are no matter
        controls["ExposureTime"] = options["exposure"]
    return controls


def _modes(camera: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """What the sensor can do. Picamera2 tries each mode, for which memory may be too small."""
    try:
        return list(camera.sensor_modes)
    except Exception as error:  # noqa: BLE001
        print(f"the sensor's modes cannot be read, the view may be cropped: {_told(error)}")
        return []


def _widest(modes: list[dict[str, Any]], fps: float) -> tuple[int, int] | None:
    """Size of the sensor's mode that sees most, then keeps the rate, then moves least data.

    Left alone, Picamera2 takes the mode nearest to the picture's size; on several sensors that is
    a crop, which sees half the door.
    """
    known = [mode for mode in modes if "crop_limits" in mode and "size" in mode]
    if not known:  # a USB camera
        return None
    best = min(
        known,
        key=lambda mode: (
            -mode["crop_limits"][2] * mode["crop_limits"][3],
            mode["fps"] < fps,
            mode["size"][0] * mode["size"][1],
        ),
    )
    return best["size"][0], best["size"][1]


def _send_pictures(channel: Any, picamera2: Any, camera: Any) -> None:  # noqa: ANN401
    main = camera.camera_configuration()["main"]
    (width, height), stride = main["size"], main["stride"]
    index = 0
    while True:
        request = camera.capture_request()
        seen = request.get_metadata()
        head = {
            "index": index,
            "size": [width, height],
            "t": seen["SensorTimestamp"] / 1e9 if seen.get("SensorTimestamp") else None,
            "period": seen.get("FrameDuration"),
            "exposure": seen.get("ExposureTime"),
            "gain": seen.get("AnalogueGain"),
            "lux": seen.get("Lux"),
        }
        with picamera2.MappedArray(request, "main", reshape=False) as mapped:
            channel.send(head, _packed(mapped.array, width, height, stride))
        request.release()
        index += 1


def _packed(memory: Any, width: int, height: int, stride: int) -> Any:  # noqa: ANN401
    """The rows without their padding: the camera's own memory where there is none, else a copy."""
    rows = memory.reshape(-1)[: height * stride].reshape(height, stride)
    return rows if stride == 3 * width else rows[:, : 3 * width].copy()


def _told(error: BaseException) -> str:
    """An error with those that led to it, on one line."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = " ".join(str(cause).split()).strip(". ") or type(cause).__name__
        if text not in texts:
            texts.append(text)
        cause = cause.__cause__ or cause.__context__
    return ", ".join(texts).replace(";", ",")[:500]
