"""The simulated door as a source: `scene:SEED`, or `scene:SEED:SECONDS` for one that ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.config import SourceConfig
from edge.errors import CallError
from edge.scene import Scene
from edge.source.base import Clock, Source, paced
from edge.types import Frame

_SIZE = (640, 480)
_FPS = 15.0


class SceneSource(Source):
    """The pictures of a scene; its truth stays with the scene.

    Args:
        scene: gives the pictures.
        paced: at the rate of the scene, with wall clock times, as a camera would.
        clock: to pace by.
    """

    def __init__(self, scene: Scene, *, paced: bool = False, clock: Clock | None = None) -> None:
        self.name = f"scene:{scene.seed}"
        self.fps = scene.fps
        self.size = scene.size
        self.frames = scene.frames
        self._scene = scene
        self._clock = (clock or Clock()) if paced else None

    def __iter__(self) -> Iterator[Frame]:
        frames = (Frame(drawn.image, drawn.index, drawn.t) for drawn in self._scene)
        return frames if self._clock is None else paced(frames, self._clock)


def open_scene(settings: SourceConfig, clock: Clock | None) -> SceneSource:
    """Draw the scene that the uri names, paced where there is a clock.

    Raises:
        CallError: the uri names none.
    """
    match = re.fullmatch(r"scene:(\d{1,9})(?::(\d{1,6}))?", settings.uri)
    if match is None:
        raise CallError(f"{settings.uri}: write scene:SEED or scene:SEED:SECONDS, as scene:1")
    width, height = _SIZE
    scene = Scene(
        int(match[1]),
        duration=float(match[2] or 0),
        fps=settings.fps or _FPS,
        size=(settings.width or width, settings.height or height),
    )
    return SceneSource(scene, paced=clock is not None, clock=clock)
