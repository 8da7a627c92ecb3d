"""The tracker: one id a person, through gaps, crowds and the picture's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.detections import Detections
from edge.tracker import Anchor, Tracker, TrackerSettings
from edge.types import Track, TrackUpdate

Box = tuple[float, float, float, float]
NONE = Detections.empty()


def head(x: float, y: float, side: float = 0.1) -> Box:
    """A square head; the picture is square in these tests."""
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def seen(*boxes: Box, score: float = 0.9) -> Detections:
    return Detections.of(boxes, [score] * len(boxes))


def follow(
    frames: Sequence[Detections], fps: float = 10.0, tracker: Tracker | None = None
) -> list[TrackUpdate]:
    tracker = tracker or Tracker(TrackerSettings(), 1.0)
    return [tracker.update(frame, index / fps) for index, frame in enumerate(frames)]


def ids(update: TrackUpdate) -> list[int]:
    return [track.id for track in update.active]


def only(update: TrackUpdate) -> Track:
    (track,) = update.active
    return track


@pytest.mark.parametrize("fps", [8.0, 10.0, 25.0])
def test_a_walker_keeps_one_id(fps: float) -> None:
    """A straight walk of half a head a frame is one track, confirmed by the third look."""
    updates = follow([seen(head(0.5, 0.2 + 0.05 * i)) for i in range(12)], fps)

    assert [[1]] * 12 == [ids(update) for update in updates]
    assert [False, False, True] == [only(update).confirmed for update in updates[:3]]
    assert pytest.approx((0.5, 0.75)) == only(updates[11]).anchor
    assert pytest.approx((0.5, 0.2)) == only(updates[11]).origin
    assert pytest.approx(11 / fps) == only(updates[11]).age


@pytest.mark.parametrize("step", [0.9, 1.1, 1.3])
def test_a_runner_is_followed_from_birth_at_8_frames_a_second(step: float) -> None:
    """1.3 heads a frame with no velocity known yet, and with the second look missing."""
    places = [head(0.5, 0.1 + 0.1 * step * i) for i in range(6)]
    frames = [NONE if i == 1 else seen(box) for i, box in enumerate(places)]

    assert [[1]] * 6 == [ids(update) for update in follow(frames, 8.0)]


def test_two_abreast_keep_their_ids() -> None:
    """One head and a quarter apart."""
    frames = [seen(head(0.4, 0.2 + 0.02 * i), head(0.525, 0.2 + 0.02 * i)) for i in range(30)]
    last = follow(frames)[-1]

    assert {1: 0.4, 2: 0.525} == pytest.approx({track.id: track.anchor[0] for track in last.active})


def test_people_who_pass_through_each_other_keep_their_direction() -> None:
    """Two meet on one line of sight; while one hides the other, a single box is seen."""
    frames = []
    for i in range(21):
        down, up = 0.2 + 0.03 * i, 0.8 - 0.03 * i
        frames.append(
            seen(head(0.5, 0.5)) if abs(down - up) < 0.05 else seen(head(0.5, down), head(0.5, up))
        )
    first, *_, last = follow(frames)

    before = {track.id: track.anchor[1] for track in first.active}
    after = {track.id: track.anchor[1] for track in last.active}
    assert sorted(before, key=before.__getitem__) == sorted(after, key=lambda i: -after[i])


@pytest.mark.parametrize(("fps", "hidden"), [(10.0, 7), (25.0, 19), (8.0, 5)])
def test_a_confirmed_track_survives_nearly_a_second(fps: float, hidden: int) -> None:
    """The gap is measured in seconds, whatever the frame rate; a hidden track is predicted."""
    step = 0.4 / fps
    frames = [seen(head(0.5, 0.1 + step * i)) for i in range(int(fps))]
    gap = [NONE] * hidden
    back = [seen(head(0.5, 0.1 + step * (int(fps) + hidden)))]
    updates = follow([*frames, *gap, *back], fps)
    last_hidden = only(updates[-2])

    assert ([1], True) == (ids(updates[-1]), only(updates[-1]).seen)
    assert not last_hidden.seen
    assert pytest.approx(0.1 + step * (int(fps) + hidden - 1), abs=0.02) == last_hidden.anchor[1]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_who_stops_unseen_is_found_on_the_way(share: float) -> None:
    """A fast walker may have stopped anywhere between the last look and where they would be now."""
    walk = [seen(head(0.5, 0.1 + 0.13 * i)) for i in range(4)]
    stopped = seen(head(0.5, 0.49 + share * 0.26))

    assert [[1]] * 6 == [ids(update) for update in follow([*walk, NONE, stopped], 5.0)]


def test_a_track_hidden_for_longer_ends() -> None:
    """It is told once among the ended, at its last sight; who comes back has a new id."""
    frames = [*[seen(head(0.5, 0.5))] * 5, *[NONE] * 9, seen(head(0.5, 0.5))]
    updates = follow(frames)
    ended = [track for update in updates for track in update.ended]

    assert [(1, True)] == [(track.id, track.confirmed) for track in ended]
    assert pytest.approx((0.5, 0.5)) == ended[0].anchor
    assert [2] == ids(updates[-1])


def test_a_doubtful_track_ends_sooner() -> None:
    """A single false box is forgotten after 0.4 s without another, unconfirmed."""
    updates = follow([seen(head(0.5, 0.5)), *[NONE] * 6])

    assert [1, 1, 1, 1, 1, 1, 0] == [len(update.active) for update in updates]
    assert [False] == [track.confirmed for update in updates for track in update.ended]


def test_at_4_frames_a_second_four_misses_end_a_doubtful_track() -> None:
    """Few pictures say little of who is not in them."""
    updates = follow([seen(head(0.5, 0.5)), *[NONE] * 6], 4.0)

    assert [1, 1, 1, 1, 1, 0, 0] == [len(update.active) for update in updates]


def test_a_single_look_after_a_gap_does_not_last() -> None:
    """A false box where a person was lost keeps the track for no longer than a doubtful one."""
    person = [seen(head(0.5, 0.5))] * 10
    updates = follow([*person, *[NONE] * 6, seen(head(0.5, 0.55)), *[NONE] * 6])

    assert [1, 1, 0] == [len(update.active) for update in updates[-3:]]


def test_a_first_box_far_away_is_not_where_somebody_came_from() -> None:
    """A false box, nothing for 0.4 s, then a walker nearby: the origin is the walker's own."""
    walk = [seen(head(0.5, 0.3 + 0.02 * i)) for i in range(6)]
    last = only(follow([seen(head(0.5, 0.5)), *[NONE] * 3, *walk])[-1])

    assert pytest.approx((0.5, 0.3)) == last.origin


def test_a_first_look_from_which_the_way_goes_on_is_kept() -> None:
    """Somebody missed for 0.4 s after the first look came from there."""
    way = [head(0.5, 0.2 + 0.04 * i) for i in range(10)]
    frames = [NONE if i in (1, 2, 3) else seen(box) for i, box in enumerate(way)]

    assert pytest.approx((0.5, 0.2)) == only(follow(frames)[-1]).origin


def test_a_second_box_keeps_no_track_of_its_own() -> None:
    """A box within a better one begins no track, and confirms none that began alone."""
    whole, part = head(0.5, 0.5), head(0.48, 0.48, 0.07)
    both = Detections.of([whole, part], [0.9, 0.6])
    updates = follow([Detections.of([part], [0.6]), *[both] * 8])

    assert [1] == [len(update.active) for update in updates[-1:]]


def test_the_two_boxes_of_a_head_keep_one_track() -> None:
    """A part of a head began a track of its own, which is confirmed by no box that has a second."""
    frames = [Detections.of([head(0.34, 0.27, 0.057), head(0.37, 0.28)], [0.9, 0.8])]
    frames += [seen(head(0.38, 0.3 + 0.014 * i)) for i in range(5)]
    for i in range(5, 20):
        x, y = 0.38, 0.3 + 0.014 * i
        frames.append(Detections.of([head(x, y), head(x + 0.01, y - 0.01)], [0.8, 0.6]))
    updates = follow(frames, 25.0)

    assert [2] == [track.id for track in updates[-1].active if track.confirmed]
    assert [1] == [track.id for update in updates for track in update.ended]


def test_who_walks_behind_somebody_is_followed_there() -> None:
    """A known person whose box lies within another's for a while keeps the track."""
    near = (0.4, 0.3, 0.6, 0.8)
    lefts = [0.1 + 0.025 * i for i in range(26)]
    frames = [Detections.of([near, (x, 0.3, x + 0.18, 0.75)], [0.9, 0.7]) for x in lefts]

    assert [[1, 2]] * 26 == [ids(update) for update in follow(frames)]


def test_sparse_looks_confirm_nobody() -> None:
    """Three looks confirm only within five frames: clutter that flickers stays doubtful."""
    sparse = [seen(head(0.5, 0.5)) if i % 3 == 0 else NONE for i in range(30)]
    dense = [seen(head(0.5, 0.5)) if i % 2 == 0 else NONE for i in range(30)]

    assert not any(track.confirmed for update in follow(sparse) for track in update.active)
    assert only(follow(dense)[-1]).confirmed


def test_a_weak_box_keeps_a_track_but_begins_none() -> None:
    """Birth needs 0.3, living on 0.2; below that a box is not seen at all."""
    box = head(0.5, 0.5)
    born = follow([seen(box, score=0.25)])[0]
    kept = follow([seen(box), seen(box, score=0.25), seen(box, score=0.15)])

    assert () == born.active
    assert [True, True, False] == [only(update).seen for update in kept]


def test_nested_boxes_are_one_person() -> None:
    """A head inside the box of its body, and a double of that, begin one track."""
    body, double = (0.4, 0.3, 0.6, 0.8), (0.42, 0.32, 0.6, 0.8)
    frames = [Detections.of([body, double, head(0.5, 0.37)], [0.9, 0.8, 0.7])] * 5

    assert [1] == ids(follow(frames)[-1])


def test_a_corner_of_a_head_is_no_person() -> None:
    """A bun: a quarter of the head's area, touching it, however well it scores."""
    frames = [
        seen(head(0.5, 0.2 + 0.02 * i, 0.1), head(0.5, 0.13 + 0.02 * i, 0.05)) for i in range(8)
    ]

    assert [[1]] * 8 == [ids(update) for update in follow(frames)]


def test_a_child_beside_an_adult_is_a_person() -> None:
    """Half the area of the head that it touches."""
    frames = [seen(head(0.5, 0.5, 0.1), head(0.58, 0.5, 0.071)) for _ in range(4)]

    assert [1, 2] == ids(follow(frames)[-1])


def test_what_looks_like_a_head_only_now_and_then_is_no_person() -> None:
    """A bag whose first look is good enough, and whose mean score is not, is never confirmed."""
    scores = [0.5, 0.21, 0.21, 0.21, 0.35, 0.21, 0.21]
    updates = follow([seen(head(0.5, 0.5), score=score) for score in scores])

    assert not any(track.confirmed for track in updates[-1].active)
    assert [1] == ids(updates[-1])


def test_people_who_overlap_but_are_not_nested_are_two() -> None:
    """Two bodies that share half their width are two tracks."""
    frames = [seen((0.3, 0.3, 0.5, 0.8), (0.4, 0.3, 0.6, 0.8))] * 5

    assert [1, 2] == ids(follow(frames)[-1])


def test_trembling_boxes_break_no_track() -> None:
    """A tenth of a head of noise on a walk of 200 frames at 25 fps leaves one track."""
    rng = np.random.default_rng(1)
    path = np.concatenate([np.linspace(0.2, 0.8, 100), np.linspace(0.8, 0.2, 100)])
    frames = [
        seen(head(0.5 + dx, y + dy))
        for y, (dx, dy) in zip(path, rng.normal(0, 0.01, (200, 2)), strict=True)
    ]

    assert {(1,)} == {tuple(ids(update)) for update in follow(frames, 25.0)}


def test_who_comes_in_over_the_edge_came_from_outside() -> None:
    """A body that grows into the picture is judged by its head's side, not by the box's centre."""
    height = 0.6
    tops = [0.95 - 0.05 * i for i in range(14)]
    updates = follow([seen((0.4, top, 0.6, min(top + height, 1.0))) for top in tops])
    last = only(updates[-1])

    assert [1] == ids(updates[-1])
    assert pytest.approx(tops[-1] + height / 2, abs=0.01) == last.anchor[1]
    assert pytest.approx(tops[0] + height / 2, abs=0.01) == last.origin[1]


def test_who_walks_out_over_the_edge_ends_outside() -> None:
    """The box is cut smaller and smaller; its centre goes on to where nothing is seen."""
    lefts = [0.3 + 0.05 * i for i in range(13)]
    frames = [seen((left, 0.2, min(left + 0.2, 1.0), 0.8)) for left in lefts]
    updates = follow([*frames, *[NONE] * 10])
    (gone,) = (track for update in updates for track in update.ended)

    assert pytest.approx(lefts[-1] + 0.1, abs=0.02) == updates[12].active[0].anchor[0]
    assert gone.anchor[0] > 1


def test_who_stands_at_the_edge_and_is_lost_has_not_left() -> None:
    """A cut box that does not move ends where it was seen."""
    updates = follow([*[seen((0.4, 0.5, 0.6, 1.0))] * 20, *[NONE] * 10])
    (gone,) = (track for update in updates for track in update.ended)

    assert pytest.approx((0.5, 0.75)) == gone.anchor


@pytest.mark.parametrize(("anchor", "y"), [("centre", 0.5), ("top", 0.4), ("bottom", 0.6)])
def test_the_anchor_is_chosen(anchor: Anchor, y: float) -> None:
    """The point of the box that the line judges."""
    tracker = Tracker(TrackerSettings(anchor=anchor), 1.0)
    track = only(follow([seen(head(0.5, 0.5, side=0.2))], tracker=tracker)[0])

    assert pytest.approx((0.5, y)) == track.anchor == pytest.approx(track.origin)


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0.5, 0.5, 0.6),
        (0.6, 0.5, 0.5, 0.6),
        (0.5, float("nan"), 0.6, 0.7),
        (0.1, 0.1, float("inf"), 0.2),
    ],
    ids=["no width", "inside out", "not a number", "without end"],
)
def test_what_is_no_box_is_not_seen(box: Box) -> None:
    """A detector that runs wild breaks nothing."""
    good = head(0.2, 0.2)
    updates = follow([seen(good, box)] * 4)

    assert [1] == ids(updates[-1])


def test_a_clock_that_stands_or_steps_back_is_survived() -> None:
    """The same or an earlier time is taken as no time at all."""
    tracker = Tracker(TrackerSettings(), 1.0)
    for t in (1.0, 1.0, 0.5, 1.1):
        update = tracker.update(seen(head(0.5, 0.5)), t)

    assert [1] == ids(update)


def test_boxes_are_told_normalised_in_a_wide_picture() -> None:
    """The aspect serves distances inside; what comes out is 0..1 again."""
    box = (0.25, 0.4, 0.3, 0.5)
    track = only(follow([seen(box)], tracker=Tracker(TrackerSettings(), 2.0))[0])

    assert pytest.approx(box) == track.box
    assert pytest.approx((0.275, 0.45)) == track.anchor


crowds = st.lists(
    st.lists(
        st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(0.2, 0.99)), max_size=5
    ),
    min_size=1,
    max_size=12,
)


def frame_of(people: Sequence[tuple[float, float, float]]) -> Detections:
    return Detections.of([head(x, y) for x, y, _ in people], [score for *_, score in people])


@settings(max_examples=40, deadline=None)
@given(crowds, st.randoms(use_true_random=False))
def test_the_order_of_boxes_in_a_frame_does_not_matter(
    crowd: list[list[tuple[float, float, float]]], random: Random
) -> None:
    """Shuffled detections give the same tracks with the same ids."""
    shuffled = [random.sample(people, len(people)) for people in crowd]

    assert follow([frame_of(p) for p in crowd]) == follow([frame_of(p) for p in shuffled])


@settings(max_examples=40, deadline=None)
@given(crowds)
def test_ids_are_given_once(crowd: list[list[tuple[float, float, float]]]) -> None:
    """No id is alive twice, comes back after its end, or ends twice."""
    updates = follow([frame_of(people) for people in crowd] + [NONE] * 10)
    ended: list[int] = []
    for update in updates:
        ended += [track.id for track in update.ended]

        assert len(set(ids(update))) == len(update.active)
        assert not set(ended) & set(ids(update))

    assert len(set(ended)) == len(ended)


@settings(max_examples=25, deadline=None)
@given(crowds, st.integers(0, 10**6))
def test_the_clock_may_start_anywhere(
    crowd: list[list[tuple[float, float, float]]], start: int
) -> None:
    """Only differences of time matter (1/8 s is exact in floating point)."""
    late = Tracker(TrackerSettings(), 1.0)
    early = follow([frame_of(people) for people in crowd], 8.0)
    shifted = [late.update(frame_of(people), start + i / 8) for i, people in enumerate(crowd)]

    assert early == shifted


def test_two_trackers_share_nothing() -> None:
    """Ids belong to the instance."""
    first, second = (follow([seen(head(0.5, 0.5))])[0] for _ in range(2))

    assert first == second
    assert replace(only(first), id=7) != only(second)
