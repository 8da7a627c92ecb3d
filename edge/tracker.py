"""Follows people from frame to frame: Detections and time in, Tracks out.

All pairs of people and boxes are weighed by likelihood and assigned exactly. A box that nobody
takes begins a track, unless it is part of a better box. Gaps are measured in seconds. Leaves what
is known of one person to `person`, and what a crossing is to the line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.assignment import Pair, assign
from edge.contract.detections import Detections
from edge.person import Confirmation, Look, Person
from edge.types import Box, Point, Track, TrackUpdate

Anchor = Literal["centre", "top", "bottom"]

_ANCHOR_SHIFT = {"centre": 0.0, "top": -0.5, "bottom": 0.5}  # from the centre, in heights
_SLACK = 1e-6  # seconds: 8 frames at 10 fps are 0.8 s, whatever the rounding


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How to follow. Scores are 0..1, times in seconds.

    A new track needs `birth_score`, a known one lives on from `keep_score`. Confirmed is who was
    seen in `confirm_hits` of `confirm_of` successive frames, as long as the mean score is not below
    `birth_score`. A confirmed track survives `max_hidden`, a doubtful one `doubtful_hidden`. A box
    that shares more than `max_inside` of the smaller area with a better one gives no birth: nested
    boxes are one person. `anchor` is the point of the box that the line judges.
    """

    birth_score: float = 0.3
    keep_score: float = 0.2
    confirm_hits: int = 3
    confirm_of: int = 5
    max_hidden: float = 0.8
    doubtful_hidden: float = 0.4
    max_inside: float = 0.6
    anchor: Anchor = "centre"


CORNER = 0.35  # share of the area of a head that no other person's head beside it falls below


class Tracker:
    """Gives every person in view one id for as long as they are in view.

    Args:
        settings: how to follow.
        aspect: width of the picture over its height.
    """

    def __init__(self, settings: TrackerSettings, aspect: float) -> None:
        self._settings = settings
        self._aspect = aspect
        self._people: list[Person] = []
        self._next_id = 1

    def update(self, detections: Detections, t: float) -> TrackUpdate:
        """Take the boxes of one frame at `t` seconds, which must not run backwards."""
        looks = self._looks(detections)
        ended = self._end_hidden(t)
        for person in self._people:
            person.predict(t)
        pairs = assign(list(self._candidates(looks)))
        for row, column in pairs:
            self._people[row].see(looks[column], t)
        taken = {column for _, column in pairs}
        self._people += self._born(
            [looks[i] for i in taken], [look for i, look in enumerate(looks) if i not in taken], t
        )
        return TrackUpdate(tuple(self._track(person, t) for person in self._people), ended)

    def _candidates(self, looks: Sequence[Look]) -> Iterator[Pair]:
        """Who could have been seen in which look, and what that is worth."""
        middles = [(i, *look.middle) for i, look in enumerate(looks)]
        for row, person in enumerate(self._people):
            (x, y), reach = person.predicted, person.reach
            for column, look_x, look_y in middles:  # most are far away, which is told at once
                if abs(look_x - x) < reach and abs(look_y - y) < reach:
                    benefit = person.benefit(looks[column])
                    if benefit > 0:
                        yield row, column, benefit

    def _looks(self, detections: Detections) -> list[Look]:
        """The boxes that are good enough to keep a track, without those that are no boxes.

        In an order of their own, the best first, so that it does not matter in which they came.
        """
        pairs = zip(detections.boxes.tolist(), detections.scores.tolist(), strict=True)
        looks = [
            Look.of((x1, y1, x2, y2), score, self._aspect)
            for (x1, y1, x2, y2), score in pairs
            if score >= self._settings.keep_score
            and all(map(math.isfinite, (x1, y1, x2, y2)))
            and x1 < x2
            and y1 < y2
        ]
        return sorted(looks, key=lambda look: (-look.score, look.box))

    def _limit(self, person: Person) -> float:
        """Seconds that a person may be hidden."""
        return self._settings.max_hidden if person.confirmed else self._settings.doubtful_hidden

    def _end_hidden(self, t: float) -> tuple[Track, ...]:
        """Forget those who have been hidden for too long; tell where they went."""
        gone = [p for p in self._people if t - p.seen_t > self._limit(p) + _SLACK]
        self._people = [p for p in self._people if p not in gone]
        bounds = (self._aspect, 1.0)
        return tuple(self._track(p, t, p.leave(bounds, self._limit(p))) for p in gone)

    def _born(self, taken: Sequence[Look], free: Sequence[Look], t: float) -> list[Person]:
        """A person for each strong box of `free`, best first, that is no part of a better one."""
        settings = self._settings
        confirm = Confirmation(settings.confirm_hits, settings.confirm_of, settings.birth_score)
        known, people = [look.box for look in taken], []
        for look in free:
            part = any(_is_part(look.box, box, settings.max_inside) for box in known)
            known.append(look.box)
            if look.score >= settings.birth_score and not part:
                people.append(Person(self._next_id, look, t, confirm))
                self._next_id += 1
        return people

    def _track(self, person: Person, t: float, centre: Point | None = None) -> Track:
        """What to tell of a person, who is at `centre` or else where last seen or predicted."""
        seen = person.seen_t == t
        if centre is None:
            centre = person.centre_at(person.last) if seen else person.predicted
        (x, y), (width, height) = centre, person.size
        return Track(
            id=person.id,
            box=(
                (x - width / 2) / self._aspect,
                y - height / 2,
                (x + width / 2) / self._aspect,
                y + height / 2,
            ),
            anchor=self._anchor(centre, height),
            origin=self._anchor(person.centre_at(person.first), height),
            age=t - person.born_t,
            confirmed=person.confirmed,
            seen=seen,
            score=person.score,
        )

    def _anchor(self, centre: Point, height: float) -> Point:
        """The judged point of a box, normalised."""
        return centre[0] / self._aspect, centre[1] + _ANCHOR_SHIFT[self._settings.anchor] * height


def _is_part(box: Box, other: Box, most: float) -> bool:
    """Whether a box is a part of a better one: much of it lies in there, or it is a mere corner.

    A bun or a hand has a fraction of the area of the head that it touches. Heads so near to each
    other are about equally far from the camera: that of a child beside an adult has half the area.
    """
    shared = _shared(box, other)
    return shared > most or (shared > 0 and _area(box) < CORNER * _area(other))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(box: Box, other: Box) -> float:
    """Intersection over the smaller area."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(_area(box), _area(other))
