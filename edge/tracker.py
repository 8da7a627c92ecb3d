"""Follows people from frame to frame: Detections and time in, Tracks out.

All pairs of people and boxes are weighed by likelihood and assigned exactly. A box that nobody
takes begins a track, unless it is part of a better box. Gaps are measured in seconds. Leaves what
is known of one person to `person`, and what a crossing is to the line.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.assignment import Pair, assign
from edge.contract.detections import Detections
from edge.person import Look, Person, Window
from edge.types import Box, Point, Track, TrackUpdate

Anchor = Literal["centre", "top", "bottom"]

_ANCHOR_SHIFT = {"centre": 0.0, "top": -0.5, "bottom": 0.5}  # from the centre, in heights
_SLACK = 1e-6  # seconds: 8 frames at 10 fps are 0.8 s, whatever the rounding


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How to follow. Scores are 0..1, times in seconds.

    A new track needs `birth_score`, a known one lives on from `keep_score`. Confirmed is who was
    once seen at least three times and in `confirm_share` of the frames of `confirm_s`, or of five
    frames where those take longer, as long as the mean score is not below `birth_score`. Who was
    seen so at last survives `max_hidden` from the first frame that does not show them, others
    `doubtful_hidden`; both at least five frames. A box that shares more than `max_inside` of the
    smaller area with a better one gives no birth: nested boxes are one person. `anchor` is the
    point of the box that the line judges.
    """

    birth_score: float = 0.3
    keep_score: float = 0.2
    confirm_share: float = 0.6
    confirm_s: float = 0.2
    max_hidden: float = 0.8
    doubtful_hidden: float = 0.4
    max_inside: float = 0.6
    anchor: Anchor = "centre"


FRAMES, LOOKS = 5, 3  # a share of fewer frames says little, and of fewer looks
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
        self._frames: deque[float] = deque()  # times of those in the window

    def update(self, detections: Detections, t: float) -> TrackUpdate:
        """Take the boxes of one frame at `t` seconds, which must not run backwards."""
        looks, window = self._looks(detections), self._window(t)
        ended = self._end_hidden(t)
        for person in self._people:
            person.predict(t)
        pairs = assign(list(self._candidates(looks)))
        taken = {column: row for row, column in pairs}
        for column, row in taken.items():
            self._people[row].see(looks[column], t, window)
        for person in self._people:
            if person.seen_t != t:
                person.miss()
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
                    if benefit > 0 and self._may_take(person, looks, column):
                        yield row, column, benefit

    def _may_take(self, person: Person, looks: Sequence[Look], column: int) -> bool:
        """Whether a box may be a person's, being no second box of somebody else.

        Part of a better box is who stands half behind another, and is known to be there, or else
        a double, which must not keep a track of its own alive. Nor must the better box while who
        is known to be there makes do with its part: both boxes are theirs.
        """
        look, most = looks[column], self._settings.max_inside
        if person.steady and person.is_at(look):
            return True
        if any(_is_part(look.box, better.box, most) for better in looks[:column]):
            return False
        if person.steady or not self._is_known_at(look):
            return True
        return not any(_is_part(worse.box, look.box, most) for worse in looks[column + 1 :])

    def _is_known_at(self, look: Look) -> bool:
        """Whether somebody who was seen steadily should be just there."""
        return any(person.steady and person.is_at(look) for person in self._people)

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

    def _window(self, t: float) -> Window:
        """The last frames, this one included."""
        frames, settings = self._frames, self._settings
        if frames and t < frames[-1]:
            frames.clear()  # the clock ran back
        frames.append(t)
        while len(frames) > FRAMES and frames[1] <= t - settings.confirm_s + _SLACK:
            frames.popleft()
        return Window(frames[0], max(LOOKS, round(settings.confirm_share * len(frames))))

    def _confirmed(self, person: Person) -> bool:
        """Whether this is a person: once seen steadily, and good enough on the whole.

        What only now and then looks like a person, as a bag or the shadow of a head, may begin a
        track, but its mean score gives it away.
        """
        return person.steady and person.score >= self._settings.birth_score

    def _is_gone(self, person: Person, t: float) -> bool:
        """Whether a person has been hidden for too long."""
        settings = self._settings
        if person.hidden_t is None or person.hidden_t > self._frames[0]:
            return False
        limit = settings.max_hidden if person.dense else settings.doubtful_hidden
        return t - person.hidden_t > limit + _SLACK

    def _end_hidden(self, t: float) -> tuple[Track, ...]:
        """Forget those who are gone; tell where they went."""
        gone = [person for person in self._people if self._is_gone(person, t)]
        self._people = [person for person in self._people if person not in gone]
        return tuple(self._track(person, t, person.end()) for person in gone)

    def _born(self, taken: Sequence[Look], free: Sequence[Look], t: float) -> list[Person]:
        """A person for each strong box of `free`, best first, that is no part of a better one."""
        settings = self._settings
        known, people = [look.box for look in taken], []
        for look in free:
            part = any(_is_part(look.box, box, settings.max_inside) for box in known)
            known.append(look.box)
            if look.score >= settings.birth_score and not part:
                people.append(Person(self._next_id, look, t, self._aspect))
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
            confirmed=self._confirmed(person),
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
