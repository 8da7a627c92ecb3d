"""Where pictures come from: files, cameras, streams, a simulated door.

A source opens completely or not at all, gives Frames in order, and breaks with a SourceError.
What to do then is left to the caller: the service ends and is started again.
"""

from __future__ import annotations

from edge.config import SourceConfig
from edge.errors import CallError
from edge.source.base import Clock, Source
from edge.source.file import FileSource
from edge.source.picamera import open_picamera
from edge.source.rtsp import open_rtsp, without_password
from edge.source.scene import SceneSource, open_scene
from edge.source.turned import TurnedSource
from edge.source.v4l2 import open_v4l2

__all__ = ["Clock", "SceneSource", "Source", "open_source"]


def open_source(
    settings: SourceConfig, *, paced: bool = False, clock: Clock | None = None
) -> Source:
    """Open the source that `settings.uri` names.

    Args:
        settings: see docs/config.md.
        paced: play a file or scene at its own rate, as a camera would; else as fast as taken.
        clock: of the machine where none is given.

    Raises:
        CallError: the uri is not one.
        SourceError: there is no such video or camera, or it gives no pictures.
    """
    clock = clock or Clock()
    if not settings.uri:
        raise CallError("no source: give a video, v4l2:N, picamera2:, rtsp://… or scene:SEED")
    kind = settings.uri.partition(":")[0] if ":" in settings.uri else ""
    if settings.exposure and kind != "picamera2":
        raise CallError("source.exposure is for picamera2: alone; leave it out")
    source = _open(kind, settings, clock, paced=paced)
    return TurnedSource(source, settings.rotation) if settings.rotation else source


def _open(kind: str, settings: SourceConfig, clock: Clock, *, paced: bool) -> Source:
    match kind:
        case "rtsp" | "rtsps":
            return open_rtsp(settings, clock)
        case "v4l2":
            return open_v4l2(settings, clock)
        case "picamera2":
            return open_picamera(settings, clock)
        case "scene":
            return open_scene(settings, clock if paced else None)
    if "://" in settings.uri:
        raise CallError(f"{without_password(settings.uri)}: no such kind of source; use rtsp://…")
    return FileSource(settings, clock if paced else None)
