"""What is known of one person in view: where, how fast, how large, how sure.

One Kalman filter of constant velocity for each axis, measured in sizes of the person's own box and
in seconds, so that one setting serves heads and bodies, 8 and 25 frames a second. It works in
picture heights (x times the aspect), where distances are the same in all directions.

A box that the picture's edge cuts tells nothing about the part beyond. The centre is therefore
reckoned from the sides that are not cut and the size that the person is known to have:

         +-------+            size known from uncut looks, or the largest so far
         |   o   |  top seen
         |   x   |  centre = top + size / 2, though only this much is seen:
    =====+-------+===== edge

Leaves it to the tracker to choose which box is whose.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from edge.types import Box, Point

# Lengths are in sizes of the person's box (its smaller side), times in seconds. No figure is
# critical: a third more or less leaves the synthetic doors exact, but for a GATE of 2.7 sigma.
JITTER = 0.1  # noise of a box's side, one sigma, as a share of that side
CUT = 0.1  # share of a side; a box that ends so near to the edge may go on beyond it
SPEED = 3.5  # of a person just seen, one sigma; a head is 0.25 m wide: 0.9 m/s
AGILITY = 15.0  # spectral density of acceleration, sizes^2/s^3: turning round takes half a second
GATE = 4.0  # sigma: two independent axes leave 1 in 3000 true pairs outside
NEAR = 0.75  # so near to where the person should be, nobody else can be
CLOSE = 0.5  # so near is a person of whom no more is seen than a box within another's
FASTEST = 11.0  # a runner: 1.3 head widths between two frames at 8 frames a second
REACH = 2.0  # a person of known velocity strays no further from the straight way while hidden
RESIZE = 2.2  # a side neither grows nor shrinks by more between two looks
RESIZE_SIGMA = 0.3  # of the logarithm of a side, between two looks
LONE = 0.25  # seconds without another after a first look: it may have been anything
SIZE_GAIN = 0.3  # weight of a new look in the size
WORTH = 20.0  # twice the log-likelihood of a miss and a birth, which a pair saves
FLOOR = 1e-3  # what any pair within the gate is worth when nothing competes


def cut_sides(box: Box, aspect: float) -> tuple[bool, bool, bool, bool]:
    """Which of x1, y1, x2, y2 of a box in picture heights the picture's edge cuts."""
    x1, y1, x2, y2 = box
    dx, dy = CUT * (x2 - x1), CUT * (y2 - y1)
    return x1 < dx, y1 < dy, x2 > aspect - dx, y2 > 1 - dy


@dataclass(frozen=True, slots=True)
class Look:
    """One detection in picture heights; `cut` tells which of x1, y1, x2, y2 the edge cuts."""

    box: Box
    cut: tuple[bool, bool, bool, bool]
    score: float

    @classmethod
    def of(cls, box: Box, score: float, aspect: float) -> Look:
        """From a normalised box in a picture of `aspect` (width over height)."""
        x1, y1, x2, y2 = box[0] * aspect, box[1], box[2] * aspect, box[3]
        return cls((x1, y1, x2, y2), cut_sides((x1, y1, x2, y2), aspect), score)

    @property
    def middle(self) -> Point:
        """The centre of what is seen."""
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2

    def side(self, axis: int) -> float:
        """Width (axis 0) or height (axis 1)."""
        return self.box[axis + 2] - self.box[axis]

    def is_cut(self, axis: int) -> bool:
        """Whether the edge cuts one of the two ends."""
        return self.cut[axis] or self.cut[axis + 2]

    def centre(self, axis: int, size: float) -> float:
        """The person's centre, given the whole size: reckoned from the end that is not cut."""
        low, high = self.box[axis], self.box[axis + 2]
        if self.cut[axis] and not self.cut[axis + 2]:
            return high - size / 2
        if self.cut[axis + 2] and not self.cut[axis]:
            return low + size / 2
        return (low + high) / 2


class _Motion:
    """Kalman filter of constant velocity on one axis; white noise drives the velocity."""

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


@dataclass(frozen=True, slots=True)
class Window:
    """The last frames, by which it is judged how steadily a person is seen."""

    since: float  # time of the first of them, seconds
    looks: int  # in how many of them somebody must be seen who is there


class Person:
    """One person, from the first look on.

    Args:
        number: the id.
        look: the first detection.
        t: its time, seconds.
        aspect: width of the picture over its height.
    """

    def __init__(self, number: int, look: Look, t: float, aspect: float) -> None:
        self.id, self.first, self.last = number, look, look
        self.born_t = self.seen_t = self._t = t
        self.hidden_t: float | None = None  # time of the first frame since that did not show them
        self._missed = 0  # frames in a row that did not show them
        self._second: tuple[Look, float] | None = None  # and its time, if the first was alone
        self._edges = look.cut  # which sides the picture's edge cuts there
        self.size = [look.side(0), look.side(1)]
        self._whole = [not look.is_cut(0), not look.is_cut(1)]  # size known from an uncut look
        self._hits, self._scores = 1, look.score
        self._aspect = aspect
        self._recent = deque([t])  # times of the looks in the window
        self.dense = False  # whether the last look came with others, as those of a person do
        self.steady = False  # whether one ever did
        speed = (SPEED * self.unit) ** 2
        self._motion = [
            _Motion(look.centre(axis, self.size[axis]), self._noise(axis), speed) for axis in (0, 1)
        ]
        self._seen_at = self.predicted  # the centre at the last look, as the motion tells it

    @property
    def unit(self) -> float:
        """The smaller side; one that was only seen cut does not count while the other is whole."""
        if self._whole[0] != self._whole[1]:
            return self.size[0] if self._whole[0] else self.size[1]
        return min(self.size) if self._whole[0] else max(self.size)

    @property
    def score(self) -> float:
        """Mean score of the looks."""
        return self._scores / self._hits

    @property
    def predicted(self) -> Point:
        """The centre as the motion tells it."""
        return self._motion[0].pos, self._motion[1].pos

    @property
    def reach(self) -> float:
        """In picture heights: no look whose middle is further off on either axis is theirs."""
        back = math.hypot(*self._back())
        return back + self._stray() * self.unit + max(self.size) / 2  # a cut box hides half of one

    def centre_at(self, look: Look) -> Point:
        """Where the centre was at a look, by the size known now."""
        return look.centre(0, self.size[0]), look.centre(1, self.size[1])

    def predict(self, t: float) -> None:
        """Move on to the next frame, at time t."""
        dt, density = max(t - self._t, 0.0), AGILITY * self.unit**2
        for motion in self._motion:
            motion.predict(dt, density)
        self._t = t

    def is_at(self, look: Look) -> bool:
        """Whether a look is just where this person should be."""
        (x, y), (look_x, look_y) = self.predicted, self.centre_at(look)
        return math.hypot(look_x - x, look_y - y) <= CLOSE * self.unit

    def benefit(self, look: Look) -> float:
        """What taking this look for this person is worth; 0 where it cannot be."""
        unit = self.unit
        cost, distance, off = 0.0, 0.0, [0.0, 0.0]
        for axis in (0, 1):
            resize = self._resize(look, axis)
            if abs(resize) > math.log(RESIZE):
                return 0.0
            size = max(self.size[axis], look.side(axis)) if look.is_cut(axis) else self.size[axis]
            error = look.centre(axis, size) - self._motion[axis].pos
            variance = self._motion[axis].pos_var + self._noise(axis)
            distance += error**2 / variance
            off[axis] = error
            cost += (resize / RESIZE_SIGMA) ** 2 + math.log(variance / unit**2)
        near = math.hypot(*off) <= NEAR * unit
        if (distance > GATE**2 and not near) or self._from_way(off) > self._stray() * unit:
            return 0.0
        return max(WORTH - cost - min(distance, GATE**2), FLOOR)

    def see(self, look: Look, t: float, window: Window) -> None:
        """Take a look for this person, at the time that was predicted to."""
        for axis in (0, 1):
            side = look.side(axis)
            if look.is_cut(axis):
                self.size[axis] = max(self.size[axis], side)
            elif self._whole[axis]:
                self.size[axis] += SIZE_GAIN * (side - self.size[axis])
            else:
                self.size[axis], self._whole[axis] = side, True
            self._motion[axis].correct(look.centre(axis, self.size[axis]), self._noise(axis))
        self._doubt_first(look, t)
        self._seen_at = self.predicted
        self.last, self.seen_t, self.hidden_t, self._missed = look, t, None, 0
        self._edges = look.cut
        self._hits += 1
        self._scores += look.score
        self._recent.append(t)
        while self._recent[0] < window.since:
            self._recent.popleft()
        self.dense = len(self._recent) >= window.looks
        self.steady |= self.dense

    def _doubt_first(self, look: Look, t: float) -> None:
        """Forget a first look that was alone, unless the next two go on from it.

        One errant box would be where the person came from, and perhaps past the line.
        """
        if self._hits == 1 and self._missed > 1 and t - self.seen_t > LONE:
            self._second = (look, t)
        elif self._hits == 2 and self._second is not None and t > self._second[1]:
            second, then = self._second
            way = self._velocity(self.first, second, then - self.born_t)
            on = self._velocity(second, look, t - then)
            if math.dist(way, on) > max(math.hypot(*way), math.hypot(*on)) / 2:
                self.first, self.born_t = second, then

    def _velocity(self, before: Look, after: Look, dt: float) -> Point:
        """Picture heights a second between two looks."""
        (x, y), (to_x, to_y) = self.centre_at(before), self.centre_at(after)
        return (to_x - x) / dt, (to_y - y) / dt

    def miss(self) -> None:
        """No look of this frame was this person's."""
        self._missed += 1
        if self.hidden_t is None:
            self.hidden_t = self._t
            (x, y), (width, height) = self.predicted, self.size
            there = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            self._edges = cut_sides(there, self._aspect)

    def end(self) -> Point:
        """Where the centre was last, or where it went if it left the picture.

        It did where the edge cut the box in the last look, or would have in the first that is
        missing, and the way went on from there to beyond the edge.
        """
        point = list(self.centre_at(self.last))
        for axis, motion in enumerate(self._motion):
            low, high = (self.last.cut[i] or self._edges[i] for i in (axis, axis + 2))
            if (low and motion.pos < 0) or (high and motion.pos > (self._aspect, 1.0)[axis]):
                point[axis] = motion.pos
        return point[0], point[1]

    def _noise(self, axis: int) -> float:
        return (JITTER * self.size[axis]) ** 2

    def _stray(self) -> float:
        """How far from the predicted place the person can be, in sizes."""
        return REACH if self._hits > 1 else NEAR + FASTEST * (self._t - self.seen_t)

    def _back(self) -> Point:
        """From the predicted place to where a person known to be there was last seen.

        In picture heights; 0 while they are seen, and of who was never seen steadily.
        """
        if not self.steady or not self._missed:
            return 0.0, 0.0
        return self._seen_at[0] - self._motion[0].pos, self._seen_at[1] - self._motion[1].pos

    def _from_way(self, off: list[float]) -> float:
        """How far a place is from the straight way since the last look: they may have stopped.

        Args:
            off: the place as seen from the predicted one, (x, y) in picture heights.
        """
        (x, y), (back_x, back_y) = off, self._back()
        length = back_x**2 + back_y**2
        share = min(max((x * back_x + y * back_y) / length, 0.0), 1.0) if length else 0.0
        return math.hypot(x - share * back_x, y - share * back_y)

    def _resize(self, look: Look, axis: int) -> float:
        """Logarithm of the change of a side that the edge does not explain."""
        change = math.log(look.side(axis) / self.size[axis])
        if look.is_cut(axis):
            change = max(change, 0.0)
        if not self._whole[axis]:
            change = min(change, 0.0)
        return change
