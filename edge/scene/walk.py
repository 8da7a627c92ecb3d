"""Who walks through the scene, when and how: paths over the floor, drawn by seed.

A visit is one person's path: comes from outside the picture, goes somewhere, leaves the picture.
A minute of visits has at least eight who go in and eight who go out, and ends with nobody left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.scene.person import Look, Pose, draw_look

PERIOD = 60.0  # s; visits are drawn for one period at a time, and the scene is empty at its end
_QUIET_START = 1.0  # s
_QUIET_END = 3.5  # s; the last person is out of sight by then
_PAIRS = 9  # as many go in, and as many go out
_LANE = 0.62  # m between two people side by side


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's path: corner points (n, 2) in metres, passed at `times` (n,) seconds."""

    person: int
    look: Look
    points: NDArray[np.float64]
    times: NDArray[np.float64]
    sway: float  # m, how far the body swings from side to side
    step_length: float  # m

    @property
    def start(self) -> float:
        """Seconds at which the person sets out."""
        return float(self.times[0])

    @property
    def end(self) -> float:
        """Seconds at which the person has left."""
        return float(self.times[-1])

    def pose(self, t: float) -> Pose:
        """Where the person is at `t`, start <= t <= end, and how the legs stand."""
        x, y = (float(np.interp(t, self.times, self.points[:, i])) for i in (0, 1))
        walked = float(np.interp(t, self.times, self._walked()))
        leg = int(np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.times) - 2))
        ahead = self.points[leg + 1] - self.points[leg]
        moving = float(np.hypot(*ahead)) > 1e-6
        heading = math.atan2(*self._last_move(leg)[::-1])
        phase = math.pi * walked / self.step_length
        swing = self.sway * math.sin(phase)
        return Pose(
            x - swing * math.sin(heading),
            y + swing * math.cos(heading),
            heading,
            phase,
            0.5 * self.step_length if moving else 0.0,
        )

    def _walked(self) -> NDArray[np.float64]:
        legs = np.hypot(*np.diff(self.points, axis=0).T)
        return np.concatenate(((0.0,), np.cumsum(legs)))

    def _last_move(self, leg: int) -> NDArray[np.float64]:
        """The leg's own direction, or that of the last leg in which the person moved."""
        moves = np.diff(self.points[: leg + 2], axis=0)
        lengths = np.hypot(*moves.T)
        last: NDArray[np.float64] = moves[np.flatnonzero(lengths > 1e-6)[-1]]
        return last


@dataclass(frozen=True, slots=True)
class Room:
    """How far the camera sees at head height: half width and half depth in metres."""

    half_width: float
    half_depth: float

    @property
    def outside(self) -> float:
        """Distance along Y at which a whole body, leaning outwards, is out of the picture."""
        return self.half_depth + 0.75


def visits(seed: int, period: int, room: Room) -> list[Visit]:
    """Draw the visits of one period, earliest first.

    Args:
        seed: the scene's seed.
        period: which period; each has its own chance.
        room: what the camera sees.
    """
    rng = np.random.default_rng((seed, period))
    plans = ["in"] * _PAIRS + ["out"] * _PAIRS
    plans += [str(p) for p in rng.choice(["turn", "pause_in", "pause_out"], _PAIRS // 3)]
    rng.shuffle(plans)
    latest = PERIOD - _QUIET_END
    slot = (latest - _QUIET_START) / len(plans)
    drawn: list[Visit] = []
    for number, plan in enumerate(plans):
        start = _QUIET_START + (number + rng.uniform(0, 0.6)) * slot
        drawn.append(_free_visit(rng, plan, start, latest + 2.0, room, drawn))
    return sorted(drawn, key=lambda visit: visit.start)


def _free_visit(
    rng: np.random.Generator,
    plan: str,
    start: float,
    latest: float,
    room: Room,
    others: list[Visit],
) -> Visit:
    """A visit that bumps into nobody: draws again, later and later, until the way is free."""
    visit = _draw(rng, len(others), plan, start, room)
    for attempt in range(200):
        late = visit.end - latest
        if late <= 0 and all(_apart(visit, other) for other in others):
            return visit
        earlier = start - attempt * 0.05 if late > 0 else start + attempt * 0.05
        visit = _draw(rng, len(others), plan, max(earlier, 0.2), room)
    return visit


def _apart(one: Visit, other: Visit) -> bool:
    start, end = max(one.start, other.start), min(one.end, other.end)
    for t in np.arange(start, end, 0.1):
        a, b = one.pose(float(t)), other.pose(float(t))
        if math.hypot(a.x - b.x, a.y - b.y) < _LANE:
            return False
    return True


def _draw(rng: np.random.Generator, person: int, plan: str, start: float, room: Room) -> Visit:
    down = plan in ("in", "pause_in") or (plan == "turn" and rng.random() < 0.5)
    sign = 1.0 if down else -1.0
    lane = rng.uniform(-0.75, 0.75) * room.half_width
    drift = rng.uniform(-0.12, 0.12) * room.half_width
    far = room.outside
    speed = float(np.clip(rng.normal(1.15, 0.25), 0.6, 1.7))
    corners = [(lane, -sign * far)]
    waits = [0.0]
    if plan == "turn":  # comes towards the line, waits before it, goes back
        stop = -sign * rng.uniform(0.45, 0.7) * room.half_depth
        corners += [(lane, stop), (lane, stop), (lane + drift, -sign * far)]
        waits += [0.0, rng.uniform(0.4, 2.0), 0.0]
    elif plan.startswith("pause"):  # stops well beyond the line, then goes on
        stop = sign * rng.uniform(0.4, 0.65) * room.half_depth
        corners += [(lane, stop), (lane, stop), (lane + drift, sign * far)]
        waits += [0.0, rng.uniform(0.5, 2.5), 0.0]
    else:
        corners.append((lane + drift, sign * far))
        waits.append(0.0)
    points = np.array(corners)
    legs = np.hypot(*np.diff(points, axis=0).T) / speed + np.array(waits[1:])
    times = start + np.concatenate(((0.0,), np.cumsum(legs)))
    return Visit(
        person, draw_look(rng), points, times, float(rng.uniform(0.0, 0.03)), 0.35 + 0.25 * speed
    )
