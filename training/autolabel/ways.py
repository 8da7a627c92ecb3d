"""Candidates made consistent along the ways that people walk: who is believed, who is doubted.

Uses the tracker of the door itself. A way is believed if it was followed for long enough, mostly
seen, well on the mean, and led somewhere; a person who stands is believed on a sure score alone,
as round things that stand are chairs. A thing that never moves and is not surely a person is none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from edge.tracker import Tracker, TrackerSettings
from edge.types import Box
from training.autolabel.looks import Seen

LOOKS = 5  # of which a way has at least so many
SEEN = 0.6  # share of the pictures of a way that show the person
WALKED = 2.0  # box sizes that a believed way leads: feet and shadows come into view, and stop
MOVED = 1.0  # box sizes, below which a thing stands
SCORE = 0.45  # mean of a believed way
STANDS = 0.6  # mean of one who stands and is believed
ALONG = 3  # looks before and after, whose median size a box takes

Verdict = Enum("Verdict", "HEAD DOUBT CLUTTER")


@dataclass(slots=True)
class Way:
    """One person through the recording; boxes 0..1 by picture, those seen and those guessed."""

    id: int
    seen: dict[int, Box] = field(default_factory=dict)
    hidden: dict[int, Box] = field(default_factory=dict)
    score: float = 0.0  # mean of what was seen

    def verdict(self) -> Verdict:
        """Whether it is a head's way."""
        walked = self._walked()
        if self._steady() and self.score >= (SCORE if walked >= WALKED else STANDS):
            return Verdict.HEAD
        return Verdict.CLUTTER if walked < MOVED else Verdict.DOUBT

    def smooth(self) -> dict[int, Box]:
        """The boxes seen, with the median size of their neighbours."""
        numbers = sorted(self.seen)
        sizes = np.array([(b[2] - b[0], b[3] - b[1]) for b in map(self.seen.get, numbers) if b])
        found = {}
        for place, number in enumerate(numbers):
            near = sizes[max(0, place - ALONG) : place + ALONG + 1]
            width, height = np.median(near, axis=0)
            x1, y1, x2, y2 = self.seen[number]
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            found[number] = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return found

    def _steady(self) -> bool:
        last = max(self.seen)
        missing = sum(number < last for number in self.hidden)
        return len(self.seen) >= LOOKS and len(self.seen) >= SEEN * (len(self.seen) + missing)

    def _walked(self) -> float:
        """The greatest distance from the first place, in box sizes."""
        boxes = list(self.seen.values())
        x, y = _middle(boxes[0])
        size = np.mean([math.sqrt((b[2] - b[0]) * (b[3] - b[1])) for b in boxes])
        return float(max(math.dist((x, y), _middle(box)) for box in boxes) / size)


def follow(pictures: Iterable[Seen], aspect: float) -> list[Way]:
    """The ways of all candidates. `aspect` is the picture's width over its height."""
    tracker = Tracker(TrackerSettings(), aspect)
    ways: dict[int, Way] = {}
    for picture in pictures:
        for track in tracker.update(picture.heads, picture.t).active:
            way = ways.setdefault(track.id, Way(track.id))
            kept = way.seen if track.seen else way.hidden
            kept[picture.index], way.score = track.box, track.score
    return [way for way in ways.values() if way.seen]


def by_picture(ways: Sequence[Way]) -> dict[int, list[tuple[Box, Verdict]]]:
    """What each picture shows; where a believed person is only guessed, a doubt."""
    found: dict[int, list[tuple[Box, Verdict]]] = defaultdict(list)
    for way in ways:
        verdict, last = way.verdict(), max(way.seen)
        if verdict is Verdict.CLUTTER:
            continue
        for number, box in way.smooth().items():
            found[number].append((box, verdict))
        for number, box in way.hidden.items():
            if number < last:
                found[number].append((box, Verdict.DOUBT))
    return found


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
