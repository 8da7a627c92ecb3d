"""Where pictures come from: files, cameras, streams, a simulated door.

A source opens completely or not at all, gives Frames in order, and breaks with a SourceError.
What to do then is left to the caller: the service ends and is started again.
"""

from __future__ import annotations

from edge.config import SourceConfig
from edge.errors import CallError, SourceError
from edge.source.base import Clock, Source
from edge.source.file import FileSource
from edge.source.rtsp import open_rtsp, without_password
from edge.source.scene import SceneSource, open_scene
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
    kind, colon, rest = settings.uri.partition(":")
    if not settings.uri:
        raise CallError("no source: give a video, v4l2:N, rtsp://… or scene:SEED")
    if kind in ("rtsp", "rtsps") and colon:
        return open_rtsp(settings, clock)
    if kind == "v4l2" and colon:
        return open_v4l2(settings, clock)
    if kind == "scene" and colon:
        return open_scene(settings, clock if paced else None)
    if kind == "picamera2" and colon:
        raise SourceError(
            f"{settings.uri}: the Pi's own camera needs the camera worker, which this version "
            "does not have; use a USB camera (v4l2:0) or a network camera (rtsp://…)"
        )
    if rest.startswith("//"):
        raise CallError(f"{without_password(settings.uri)}: no such kind of source; use rtsp://…")
    return FileSource(settings, clock if paced else None)
