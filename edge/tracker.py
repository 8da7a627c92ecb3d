"""Follows people from frame to frame: Detections and time in, Tracks out.

Every person has a Kalman filter of constant velocity for each axis, measured in sizes of the own
box and in seconds, so that one setting serves heads and bodies, 8 and 25 frames a second. All
pairs of people and boxes are weighed by likelihood and assigned exactly. It works in picture
heights (x times the aspect), where distances are the same in all directions.

A box that the picture's edge cuts tells nothing about the hidden part. Its centre is therefore
reckoned from the sides that are not cut and the size that the person is known to have:

         +-------+            size known from uncut looks (or the largest so far)
         |   o   |  top seen
         |   x   |  centre = top + size / 2, though only this much is seen:
    =====+-------+===== edge

Leaves it to the line to decide what a crossing is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge.assignment import assign
from edge.contract.detections import Detections
from edge.types import Box, Point, Track, TrackUpdate

Anchor = Literal["centre", "top", "bottom"]

# Lengths are in sizes of the person's box (its smaller side), times in seconds. Counts on the
# synthetic doors and on recordings stay the same when each is changed by a third.
JITTER = 0.1  # noise of a box's side, one sigma, as a share of that side
CUT = 0.1  # share of a side; a box that ends so near to the edge may go on beyond it
SPEED = 3.5  # of a person just seen, one sigma; a head is 0.25 m wide: 0.9 m/s
AGILITY = 15.0  # spectral density of acceleration, sizes^2/s^3: turning round takes half a second
GATE = 4.0  # sigma: two independent axes leave 1 in 3000 true pairs outside
NEAR = 0.5  # a box that covers most of the place where the person should be is the person's
FASTEST = 11.0  # a runner: 1.3 head widths between two frames at 8 frames a second
REACH = 2.0  # a person of known velocity strays no further from the straight way while hidden
RESIZE = 2.2  # a side neither grows nor shrinks by more between two looks
RESIZE_SIGMA = 0.3  # of the logarithm of a side, between two looks
SIZE_GAIN = 0.3  # weight of a new look in the size
WORTH = 20.0  # a pair explains two things, else a miss and a birth; above any cost within the gate


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How to follow. Scores are 0..1, times in seconds.

    A new track needs `birth_score`, a known one lives on from `keep_score`. A confirmed track
    survives `max_hidden`, a doubtful one `doubtful_hidden`. Confirmed is who was seen in
    `confirm_hits` of `confirm_of` successive frames. A box that lies in a better one by more than
    `max_inside` of the smaller area gives no birth.
    """

    birth_score: float = 0.3
    keep_score: float = 0.2
    confirm_hits: int = 3
    confirm_of: int = 5
    max_hidden: float = 0.8
    doubtful_hidden: float = 0.4
    max_inside: float = 0.6
    anchor: Anchor = "centre"


@dataclass(frozen=True, slots=True)
class _Look:
    """One detection in picture heights; `cut` tells which of x1, y1, x2, y2 the edge cuts."""

    box: Box
    cut: tuple[bool, bool, bool, bool]
    score: float

    def side(self, axis: int) -> float:
        return self.box[axis + 2] - self.box[axis]

    def is_cut(self, axis: int) -> bool:
        return self.cut[axis] or self.cut[axis + 2]

    def centre(self, axis: int, size: float) -> float:
        """The person's centre, given the whole size: reckoned from the side that is not cut."""
        low, high = self.box[axis], self.box[axis + 2]
        if self.cut[axis] and not self.cut[axis + 2]:
            return high - size / 2
        if self.cut[axis + 2] and not self.cut[axis]:
            return low + size / 2
        return (low + high) / 2


class _Motion:
    """Kalman filter of constant velocity on one axis: white noise drives the velocity."""

    __slots__ = ("cov", "pos", "pos_var", "vel", "vel_var")

    def __init__(self, pos: float, pos_var: float, vel_var: float) -> None:
        self.pos, self.vel = pos, 0.0
        self.pos_var, self.cov, self.vel_var = pos_var, 0.0, vel_var

    def predict(self, dt: float, density: float) -> None:
        self.pos += self.vel * dt
        self.pos_var += dt * (2 * self.cov + dt * self.vel_var) + density * dt**3 / 3
        self.cov += dt * self.vel_var + density * dt**2 / 2
        self.vel_var += density * dt

    def correct(self, measured: float, variance: float) -> None:
        error, total = measured - self.pos, self.pos_var + variance
        gain, vel_gain = self.pos_var / total, self.cov / total
        self.pos += gain * error
        self.vel += vel_gain * error
        self.vel_var -= vel_gain * self.cov
        self.pos_var *= 1 - gain
        self.cov *= 1 - gain


class _Person:
    """What the tracker remembers of one person."""

    def __init__(self, number: int, look: _Look, t: float) -> None:
        self.id, self.first, self.last = number, look, look
        self.born_t = self.seen_t = self.t = t
        self.hits, self.score_sum = 1, look.score
        self.looks, self.recent, self.confirmed = 1, [1], False
        self.size = [look.side(0), look.side(1)]
        self.whole = [not look.is_cut(0), not look.is_cut(1)]  # size known from an uncut look
        unit = self.unit
        self.motion = [
            _Motion(look.centre(axis, self.size[axis]), self._noise(axis), (SPEED * unit) ** 2)
            for axis in (0, 1)
        ]

    @property
    def unit(self) -> float:
        """The smaller side; a side that was only seen cut does not count while another is whole."""
        if self.whole[0] != self.whole[1]:
            return self.size[0] if self.whole[0] else self.size[1]
        return min(self.size) if self.whole[0] else max(self.size)

    def _noise(self, axis: int) -> float:
        return (JITTER * self.size[axis]) ** 2

    def predict(self, t: float) -> None:
        """Move on to time t."""
        density = AGILITY * self.unit**2
        for motion in self.motion:
            motion.predict(t - self.t, density)
        self.t = t
        self.looks += 1

    def benefit(self, look: _Look) -> float:
        """What it is worth to take this look for this person; 0 where it cannot be."""
        unit = self.unit
        cost, distance, apart = 0.0, 0.0, 0.0
        for axis in (0, 1):
            resize = self._resize(look, axis)
            if abs(resize) > math.log(RESIZE):
                return 0.0
            size = max(self.size[axis], look.side(axis)) if look.is_cut(axis) else self.size[axis]
            motion = self.motion[axis]
            error = look.centre(axis, size) - motion.pos
            variance = motion.pos_var + self._noise(axis)
            distance += error**2 / variance
            apart += (error / unit) ** 2
            cost += (resize / RESIZE_SIGMA) ** 2 + math.log(variance / unit**2)
        if (distance > GATE**2 and apart > NEAR**2) or apart > self._reach() ** 2:
            return 0.0
        worth = WORTH if not self.confirmed else 2 * WORTH
        return max(worth - cost - min(distance, GATE**2), 1e-3)

    def _reach(self) -> float:
        if self.hits == 1:
            return NEAR + FASTEST * (self.t - self.seen_t)
        return REACH

    def _resize(self, look: _Look, axis: int) -> float:
        """Logarithm of the change of a side that the edge does not explain."""
        change = math.log(look.side(axis) / self.size[axis])
        if look.is_cut(axis):
            change = max(change, 0.0)
        if not self.whole[axis]:
            change = min(change, 0.0)
        return change

    def see(self, look: _Look, t: float) -> None:
        """Take a look for this person, at the time it was predicted to."""
        for axis in (0, 1):
            side = look.side(axis)
            if look.is_cut(axis):
                self.size[axis] = max(self.size[axis], side)
            elif self.whole[axis]:
                self.size[axis] += SIZE_GAIN * (side - self.size[axis])
            else:
                self.size[axis], self.whole[axis] = side, True
            self.motion[axis].correct(look.centre(axis, self.size[axis]), self._noise(axis))
        self.last, self.seen_t = look, t
        self.hits += 1
        self.recent = [*self.recent[-2:], self.looks]
        self.confirmed |= len(self.recent) == 3 and self.looks - self.recent[0] < CONFIRM_N
        self.score_sum += look.score

    def centre_at(self, look: _Look) -> Point:
        """Where the centre was at a look, as known by now."""
        return look.centre(0, self.size[0]), look.centre(1, self.size[1])

    def leaving(self, bounds: Point, coast: float) -> Point:
        """Where the centre was last, or where it went if it left through the edge that cut it."""
        point = list(self.centre_at(self.last))
        for axis in (0, 1):
            motion = self.motion[axis]
            coasted = motion.pos + motion.vel * (self.seen_t + coast - self.t)
            left = (self.last.cut[axis] and coasted < 0) or (
                self.last.cut[axis + 2] and coasted > bounds[axis]
            )
            if left:
                point[axis] = coasted
        return point[0], point[1]


class Tracker:
    """Gives every person in view one id for as long as they are in view.

    Args:
        settings: how to follow.
        aspect: width of the picture over its height.
    """

    def __init__(self, settings: TrackerSettings, aspect: float) -> None:
        self._settings = settings
        self._aspect = aspect
        self._people: list[_Person] = []
        self._next_id = 1

    def update(self, detections: Detections, t: float) -> TrackUpdate:
        """Take the boxes of one frame at `t` seconds, which must not run backwards."""
        looks = self._looks(detections)
        ended = self._end_hidden(t)
        for person in self._people:
            person.predict(t)
        pairs = assign([[person.benefit(look) for look in looks] for person in self._people])
        for row, column in pairs:
            self._people[row].see(looks[column], t)
        self._bear(looks, {column for _, column in pairs}, t)
        active = tuple(self._track(person, t) for person in self._people)
        return TrackUpdate(active, ended)

    def _looks(self, detections: Detections) -> list[_Look]:
        looks = []
        for box, score in zip(detections.boxes.tolist(), detections.scores.tolist(), strict=True):
            x1, y1, x2, y2 = box[0] * self._aspect, box[1], box[2] * self._aspect, box[3]
            if score < self._settings.keep_score or x2 <= x1 or y2 <= y1:
                continue
            dx, dy = CUT * (x2 - x1), CUT * (y2 - y1)
            cut = (x1 < dx, y1 < dy, x2 > self._aspect - dx, y2 > 1 - dy)
            looks.append(_Look((x1, y1, x2, y2), cut, score))
        return looks

    def _limit(self, person: _Person) -> float:
        """Seconds that a person may be hidden."""
        confirmed = person.confirmed
        return self._settings.max_hidden if confirmed else self._settings.doubtful_hidden

    def _end_hidden(self, t: float) -> tuple[Track, ...]:
        slack = 1e-6  # 0.8 s at 10 fps is 8 frames, whatever the rounding
        gone = [p for p in self._people if t - p.seen_t > self._limit(p) + slack]
        self._people = [p for p in self._people if p not in gone]
        bounds = (self._aspect, 1.0)
        return tuple(
            self._track(person, t, person.leaving(bounds, self._limit(person))) for person in gone
        )

    def _bear(self, looks: Sequence[_Look], taken: set[int], t: float) -> None:
        """Begin a track for each strong box that is neither taken nor part of a better one."""
        by_score = sorted(set(range(len(looks))) - taken, key=lambda i: -looks[i].score)
        known = [looks[i].box for i in sorted(taken)]
        for index in by_score:
            look = looks[index]
            part = any(_inside(look.box, box) > self._settings.max_inside for box in known)
            known.append(look.box)
            if look.score >= self._settings.birth_score and not part:
                self._people.append(_Person(self._next_id, look, t))
                self._next_id += 1

    def _track(self, person: _Person, t: float, centre: Point | None = None) -> Track:
        seen = person.seen_t == t
        if centre is None:
            here = (person.motion[0].pos, person.motion[1].pos)
            centre = person.centre_at(person.last) if seen else here
        width, height = person.size
        box = (
            (centre[0] - width / 2) / self._aspect,
            centre[1] - height / 2,
            (centre[0] + width / 2) / self._aspect,
            centre[1] + height / 2,
        )
        return Track(
            id=person.id,
            box=box,
            anchor=self._anchor(centre, height),
            origin=self._anchor(person.centre_at(person.first), height),
            age=t - person.born_t,
            confirmed=person.confirmed,
            seen=seen,
            score=person.score_sum / person.hits,
        )

    def _anchor(self, centre: Point, height: float) -> Point:
        """The judged point of a body, normalised."""
        shift = {"centre": 0.0, "top": -0.5, "bottom": 0.5}[self._settings.anchor]
        return centre[0] / self._aspect, centre[1] + shift * height


def _inside(box: Box, other: Box) -> float:
    """Intersection over the smaller area."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return width * height / min(areas)
