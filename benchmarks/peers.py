"""The others: trackers and counting rules of their own packages, in the form of `counters`.

Needs the [bench] extra. Each is given what its documents ask for: pixels of the picture, and the
frame rate where it takes one.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of their dependencies' deprecations
    import norfair
    import supervision as sv
    from trackers import ByteTrackTracker, SORTTracker

from counters import Arm, View
from sides import Sides

from edge.contract.detections import Detections
from edge.types import Crossing, Direction, Line

PACKAGES = ("supervision", "trackers", "norfair")
HEIGHT = 480  # pixels of the picture for which distances are said; others are scaled
REACH, BAND = 100.0, 20.0  # pixels in a picture of that height
MEMORY = 0.5  # seconds: norfair's 15 frames at 30 a second, from which all its delays follow
CORNERS = None  # LineZone's default: all four corners have to be across
CENTRE = (sv.Position.CENTER,)


def versions() -> dict[str, str]:
    """Of the packages."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _boxes(seen: Detections, size: tuple[int, int]) -> np.ndarray:
    """Boxes in pixels."""
    return seen.boxes.astype(float) * np.tile(np.array(size, float), 2)


class Roboflow:
    """A tracker of the package `trackers`."""

    def __init__(self, tracker: ByteTrackTracker | SORTTracker, view: View) -> None:
        self._tracker, self._size = tracker, view.size

    def prepare(self, seen: Detections, index: int, t: float) -> sv.Detections:  # noqa: ARG002
        """Boxes in pixels."""
        return sv.Detections(
            _boxes(seen, self._size), confidence=seen.scores, class_id=seen.labels.astype(int)
        )

    def follow(self, ready: sv.Detections) -> sv.Detections:
        """Boxes with ids; negative ones, of tracks that are not confirmed, no rule looks at."""
        return self._tracker.update(ready)


class Norfair:
    """norfair's tracker on the two corners of each box; tells where it estimates its objects.

    Args:
        view: the recording.
        timed: whether its memory is half a second, not 15 frames whatever the rate.
    """

    def __init__(self, view: View, *, timed: bool = False) -> None:
        reach = REACH * view.size[1] / HEIGHT
        options = {"hit_counter_max": max(3, round(MEMORY * view.fps))} if timed else {}
        self._tracker = norfair.Tracker("mean_euclidean", reach, **options)
        self._size = view.size

    def prepare(self, seen: Detections, index: int, t: float) -> list[norfair.Detection]:  # noqa: ARG002
        """Boxes in pixels, as points."""
        return [norfair.Detection(box.reshape(2, 2)) for box in _boxes(seen, self._size)]

    def follow(self, ready: list[norfair.Detection]) -> sv.Detections:
        """Those with points that norfair calls live; stale ones "should be ignored", it says."""
        found = [each for each in self._tracker.update(ready) if each.live_points.any()]
        if not found:
            return sv.Detections(np.empty((0, 4)), tracker_id=np.empty(0, int))
        boxes = np.array([each.estimate.reshape(4) for each in found])
        return sv.Detections(boxes, tracker_id=np.array([each.id for each in found]))


class Zones:
    """supervision's LineZone at every line."""

    def __init__(
        self, view: View, anchors: Sequence[sv.Position] | None = CORNERS, threshold: int = 1
    ) -> None:
        options = {} if anchors is None else {"triggering_anchors": anchors}
        self._zones = [
            (
                line.name,
                sv.LineZone(
                    *_ends(line, view.size), **options, minimum_crossing_threshold=threshold
                ),
            )
            for line in view.lines
        ]

    def judge(self, followed: sv.Detections, index: int, t: float) -> list[Crossing]:
        """Who was counted in this frame."""
        crossings = []
        for name, zone in self._zones:
            both = zip(Direction, zone.trigger(followed), strict=True)  # in, then out
            for direction, crossed in both:
                crossings += [
                    Crossing(name, direction, index, t, int(track), 0.0, 1.0)
                    for track in followed.tracker_id[crossed]
                ]
        return crossings

    def finish(self) -> tuple[Crossing, ...]:
        """Nothing comes later."""
        return ()


class Remembered:
    """The textbook rule at every line, which is this project's own writing."""

    def __init__(self, view: View) -> None:
        band = BAND * view.size[1] / HEIGHT
        self._lines = [Sides(line, view.size, band) for line in view.lines]

    def judge(self, followed: sv.Detections, index: int, t: float) -> list[Crossing]:
        """Who changed sides in this frame."""
        if len(followed) == 0:
            return []
        centres = (followed.xyxy[:, :2] + followed.xyxy[:, 2:]) / 2
        seen = [
            (int(track), (x, y))
            for track, (x, y) in zip(followed.tracker_id, centres.tolist(), strict=True)
            if track >= 0
        ]
        looks = (side.look(*each, index, t) for side in self._lines for each in seen)
        return list(chain.from_iterable(looks))

    def finish(self) -> tuple[Crossing, ...]:
        """Nothing comes later."""
        return ()


def _ends(line: Line, size: tuple[int, int]) -> tuple[sv.Point, sv.Point]:
    """LineZone's start and end.

    Its inside is on the left of the way from start to end, y downwards:

             IN
        o---LINE-->o
             OUT
    """
    (ax, ay), (bx, by), (x, y) = (
        (px * size[0], py * size[1]) for px, py in (line.a, line.b, line.in_side)
    )
    left = (bx - ax) * (y - ay) - (by - ay) * (x - ax) < 0
    ends = sv.Point(ax, ay), sv.Point(bx, by)
    return ends if left else ends[::-1]


def _byte(view: View) -> Roboflow:
    return Roboflow(ByteTrackTracker(frame_rate=view.fps), view)


def _byte_low(view: View) -> Roboflow:
    """New people from the detector's own score up, as ours takes them."""
    tracker = ByteTrackTracker(
        frame_rate=view.fps,
        track_activation_threshold=view.score,
        high_conf_det_threshold=view.score,
    )
    return Roboflow(tracker, view)


def _sort(view: View) -> Roboflow:
    return Roboflow(SORTTracker(frame_rate=view.fps), view)


_timed = partial(Norfair, timed=True)

_ZONE = "`LineZone()`"
_ZONE_C = "`LineZone(CENTER)`"
_ZONE_3 = "`LineZone(CENTER, minimum_crossing_threshold=3)`"
_BAND = f"a band of {BAND:g} px"
_BYTE, _LOW = "`ByteTrackTracker()`", "`ByteTrackTracker` from the detector's score up"
_TIMED = f"norfair's `Tracker('mean_euclidean', {REACH:g}, hit_counter_max=fps / 2)`"
_SORT, _NORFAIR = "`SORTTracker()`", f"norfair's `Tracker('mean_euclidean', {REACH:g})`"

PEERS = (
    Arm("byte", "ByteTrack, LineZone", f"{_BYTE}, {_ZONE}", "byte", _byte, Zones),
    Arm(
        "byte-centre", "ByteTrack, LineZone centre", f"{_BYTE}, {_ZONE_C}", "byte", _byte,
        partial(Zones, anchors=CENTRE),
    ),
    Arm("low", "ByteTrack low, LineZone", f"{_LOW}, {_ZONE}", "low", _byte_low, Zones),
    Arm(
        "low-3", "ByteTrack low, LineZone centre 3", f"{_LOW}, {_ZONE_3}", "low", _byte_low,
        partial(Zones, anchors=CENTRE, threshold=3),
    ),
    Arm("low-band", "ByteTrack low, band", f"{_LOW}, {_BAND}", "low", _byte_low, Remembered),
    Arm("sort", "SORT, LineZone", f"{_SORT}, {_ZONE}", "sort", _sort, Zones),
    Arm(
        "sort-3", "SORT, LineZone centre 3", f"{_SORT}, {_ZONE_3}", "sort", _sort,
        partial(Zones, anchors=CENTRE, threshold=3),
    ),
    Arm("sort-band", "SORT, band", f"{_SORT}, {_BAND}", "sort", _sort, Remembered),
    Arm("norfair", "norfair, LineZone", f"{_NORFAIR}, {_ZONE}", "norfair", Norfair, Zones),
    Arm(
        "norfair-centre", "norfair, LineZone centre", f"{_NORFAIR}, {_ZONE_C}", "norfair", Norfair,
        partial(Zones, anchors=CENTRE),
    ),
    Arm("timed", "norfair timed, LineZone", f"{_TIMED}, {_ZONE}", "timed", _timed, Zones),
    Arm(
        "timed-3", "norfair timed, LineZone centre 3", f"{_TIMED}, {_ZONE_3}", "timed", _timed,
        partial(Zones, anchors=CENTRE, threshold=3),
    ),
    Arm("timed-band", "norfair timed, band", f"{_TIMED}, {_BAND}", "timed", _timed, Remembered),
)  # fmt: skip
