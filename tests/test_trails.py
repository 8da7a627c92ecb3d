"""Trails: where people walked and stayed, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.trails import MOST_POINTS, MOST_TRAILS, Trails
from edge.types import Point, Track, TrackUpdate
from tests.walkers import sightings, through, trails

SIDE = 0.1


def track(number: int, at: Point, *, confirmed: bool = True, origin: Point | None = None) -> Track:
    x, y = at
    box = (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)
    return Track(number, box, at, origin or at, 1.0, confirmed, seen=True, score=0.9)


def test_a_trail_follows_the_person() -> None:
    """From where the person was first seen to where last, in picture heights."""
    (trail,) = trails(sightings([through((0.2, 0.2), (0.8, 0.6))]))

    assert (0.2 * 4 / 3, 0.2) == pytest.approx(tuple(trail.places[0]), abs=0.03)
    assert (0.8 * 4 / 3, 0.6) == pytest.approx(tuple(trail.places[-1]), abs=0.03)
    assert pytest.approx([0.1, 0.1], abs=0.02) == trail.boxes.mean(axis=0)


def test_stays_are_kept_whatever_is_thinned() -> None:
    """All stays are the time in view, and most of it where the person stood."""
    (trail,) = trails(sightings([[(0.5, 0.1, 0), (0.5, 0.5, 20), (0.5, 0.9, 0)]]))
    stood = np.abs(trail.places[:, 1] - 0.5) < 0.03

    assert 22 == pytest.approx(trail.stays.sum(), abs=0.5)
    assert 20 == pytest.approx(trail.stays[stood].sum(), abs=1)


def test_the_first_place_is_as_known_at_the_end() -> None:
    """A head that the edge cut at first was elsewhere than its box."""
    collected = Trails(1.0)
    collected.take(TrackUpdate((track(1, (0.5, 0.04)),)), 0.0)
    collected.take(TrackUpdate((track(1, (0.5, 0.5), origin=(0.5, 0.01)),)), 1.0)
    (trail,) = collected.finish()

    assert [0.5, 0.01] == trail.places[0].tolist()


def test_only_people_leave_trails() -> None:
    """What was never confirmed is forgotten when it ends, and at the end of the recording."""
    collected = Trails(1.0)
    collected.take(TrackUpdate((track(1, (0.5, 0.5), confirmed=False),)), 0.0)
    collected.take(TrackUpdate(ended=(track(1, (0.5, 0.5), confirmed=False),)), 1.0)
    collected.take(TrackUpdate((track(2, (0.5, 0.5), confirmed=False),)), 2.0)

    assert ((), 0) == (collected.finish(), collected.people)


def test_a_day_of_people_is_sampled_evenly() -> None:
    """Of many thousands no more than 512 trails are kept, from morning to evening."""
    collected, people = Trails(1.0), 9000
    for number in range(people):
        here = track(number, (number / people, 0.5))
        collected.take(TrackUpdate((here,)), float(number))
        collected.take(TrackUpdate(ended=(here,)), number + 0.5)
    places = [trail.places[0][0] for trail in collected.finish()]

    assert people == collected.people
    assert MOST_TRAILS / 2 <= len(places) <= MOST_TRAILS
    assert np.allclose(np.diff(places), places[1] - places[0])
    assert places[0] == 0
    assert places[-1] > 0.98


def test_an_hour_in_view_takes_bounded_memory() -> None:
    """Who walks in circles for an hour leaves at most twice 64 points, all round the circle."""
    collected = Trails(1.0)
    for look in range(36_000):
        place = 0.5 + 0.3 * math.cos(look / 20), 0.5 + 0.3 * math.sin(look / 20)
        collected.take(TrackUpdate((track(1, place),)), look / 10)
    (trail,) = collected.finish()

    assert len(trail.stays) <= 2 * MOST_POINTS
    assert 3599.9 == pytest.approx(trail.stays.sum())
    assert 0.6 == pytest.approx(np.ptp(trail.places[:, 0]), abs=0.15)


def test_who_stands_still_is_one_point() -> None:
    """However long."""
    collected = Trails(1.0)
    for look in range(10_000):
        collected.take(TrackUpdate((track(1, (0.5, 0.5 + 0.001 * (look % 3))),)), look / 10)
    (trail,) = collected.finish()

    assert 1 == len(trail.stays)
