"""Where a line should lie: what is wrong with a given one, and whether the proposed one counts."""

from __future__ import annotations

import numpy as np
import pytest

from edge.advice import ENOUGH, Advice, Verdict, advise, tell
from edge.config import checked_line
from edge.placement import DEAD_BAND, Ground, survey
from edge.types import Line, Point, Track
from edge.walk import Geometry
from tests.walkers import ASPECT, HEAD, Way, count, sightings, through, trails

XS = np.linspace(0.35, 0.65, 8).tolist()  # where eight people pass the door
MIDDLE = Line("L1", (0.2, 0.5), (0.8, 0.5), (0.5, 0.9))
DOWN: list[Way] = [through((x, 0.08), (x, 0.92)) for x in XS]
UP: list[Way] = [through((x, 0.92), (x, 0.08)) for x in XS]


def judge(ways: list[Way], line: Line) -> Verdict:
    """The verdict on one line."""
    (verdict,) = advise(trails(sightings(ways)), ASPECT, [line]).verdicts
    return verdict


def propose(ways: list[Way]) -> Advice:
    """The advice where no line is given."""
    return advise(trails(sightings(ways)), ASPECT, [])


def kinds(verdict: Verdict) -> set[str]:
    return {warning.kind for warning in verdict.warnings}


def level(y: float, in_y: float = 0.9) -> Line:
    return Line("L1", (0.2, y), (0.8, y), (0.5, in_y))


def test_a_good_line_is_left_alone() -> None:
    """Nothing to warn of and nothing better; the figures are those of the counter."""
    verdict = judge([*DOWN, *UP[:3]], MIDDLE)
    told = verdict.figures

    assert ((), None) == (verdict.warnings, verdict.better)
    assert (8, 3) == (told.clear_in, told.clear_out) == count(sightings([*DOWN, *UP[:3]]), MIDDLE)
    assert (0, 0, 0, 0) == (told.unclear, told.stopped, told.born, told.lost)
    assert "already good" in tell(advise(trails(sightings(DOWN)), ASPECT, [MIDDLE]))


def test_people_who_wait_at_the_line_are_told_of() -> None:
    """At a lock on the line: how many, and where; the better line lies away from it."""
    ways = [[(x, 0.08, 0), (0.45, 0.5, 6), (x, 0.92, 0)] for x in XS]
    verdict = judge(ways, MIDDLE)
    (warning,) = verdict.warnings

    assert ("stops", 8, 8) == (warning.kind, warning.people, verdict.figures.stopped)
    assert warning.at == pytest.approx((0.45, 0.5), abs=0.03)
    assert verdict.better is not None
    assert 0 == verdict.better.placement.figures.stopped
    assert all(abs(y - 0.5) > DEAD_BAND * HEAD for _, y in verdict.better.placement.passes)
    assert (8, 0) == count(sightings(ways), verdict.better.line)


def test_who_passes_the_line_slowly_does_not_stop_there() -> None:
    """Two seconds in the band are a slow walk; three and more are a stop."""
    stopped = [
        judge([[(x, 0.08, 0), (x, 0.5, stay), (x, 0.92, 0)] for x in XS], MIDDLE).figures.stopped
        for stay in (1.5, 4.0)
    ]

    assert [0, 8] == stopped


@pytest.mark.parametrize("in_y", [0.2, 1.0], ids=["in is up", "in is down"])
def test_a_line_at_the_edge_is_moved_into_the_picture(in_y: float) -> None:
    """Ten pixels from the edge it can never count; the better one counts all, the same way."""
    edge = level(470 / 480, in_y)
    verdict = judge(DOWN, edge)

    assert "edge" in kinds(verdict)
    assert verdict.figures.room < 0.5
    assert verdict.better is not None
    assert verdict.better.placement.figures.room > 1
    assert not verdict.better.side_is_known or (verdict.better.line.in_side[1] > 0.5) == (in_y == 1)
    expected = (8, 0) if in_y == 1.0 else (0, 8)
    assert expected == count(sightings(DOWN), verdict.better.line)


def test_heads_that_are_first_seen_past_the_line_are_told_of() -> None:
    """Under a dark lintel nobody is seen: the better line lies where all are seen on both sides."""

    def is_lit(place: Point) -> bool:
        return place[1] > 0.4

    ways = [*DOWN, *UP[:2]]
    walked = trails(sightings(ways, seen=is_lit))
    (verdict,) = advise(walked, ASPECT, [level(0.36)]).verdicts
    warning = verdict.warnings[0]

    assert {"unseen", "idle"} == kinds(verdict)
    assert ("unseen", 10) == (warning.kind, warning.people)
    assert (8, 2) == (verdict.figures.born, verdict.figures.lost)
    assert warning.at is not None
    assert 0.4 < warning.at[1] < 0.5
    assert (0, 0) == count(sightings(ways, seen=is_lit), level(0.36))
    assert verdict.better is not None
    assert min(y for _, y in verdict.better.placement.passes) > 0.4 + HEAD
    assert (8, 2) == count(sightings(ways, seen=is_lit), verdict.better.line)


def test_a_line_that_nobody_crosses_is_told_of() -> None:
    """Beside the way: the better one lies across it."""
    verdict = judge(DOWN, Line("L1", (0.05, 0.3), (0.05, 0.7), (0.5, 0.5)))

    assert "idle" in kinds(verdict)
    assert verdict.better is None or verdict.better.placement.clear >= 7


def test_a_slanted_door_gets_a_slanted_line() -> None:
    """People who walk aslant are counted at about a right angle, all of them."""
    ways = [through((0.15 + d, 0.25 - d), (0.7 + d, 0.85 - d)) for d in np.linspace(-0.1, 0.1, 8)]
    advice = propose(ways)

    assert advice.found is not None
    line = advice.found.line
    across = np.array(((line.b[0] - line.a[0]) * ASPECT, line.b[1] - line.a[1]))
    way = np.array((0.55 * ASPECT, 0.6))
    cosine = across @ way / np.linalg.norm(across) / np.linalg.norm(way)
    assert abs(cosine) < 0.35
    assert 8 == max(count(sightings(ways), line))


def test_a_line_over_one_door_of_two_stays_at_that_door() -> None:
    """Who passes the other door is neither counted nor a reason to stretch the line."""
    other = [through((x, 0.92), (x, 0.08)) for x in np.linspace(0.8, 0.9, 6)]
    ways = [*[through((x, 0.08), (x, 0.92)) for x in np.linspace(0.1, 0.3, 8)], *other]
    edge = Line("left", (0.05, 0.97), (0.35, 0.97), (0.2, 0.5))
    verdict = judge(ways, edge)

    assert 8 == verdict.people
    assert verdict.better is not None
    assert "left" == verdict.better.line.name
    assert max(verdict.better.line.a[0], verdict.better.line.b[0]) < 0.6
    assert (0, 8) == count(sightings(ways), verdict.better.line)


@pytest.mark.parametrize("people", [0, 1, ENOUGH - 1])
@pytest.mark.parametrize("lines", [[], [MIDDLE]], ids=["no line", "a line"])
def test_too_few_people_are_said_to_be_too_few(people: int, lines: list[Line]) -> None:
    """No warning and no proposal, but what is needed."""
    advice = advise(trails(sightings(DOWN[:people])), ASPECT, lines)

    assert not advice.enough
    assert ((), None, ()) == (advice.verdicts, advice.found, advice.proposed)
    assert "too few" in tell(advice)
    assert people == advice.to_json()["people"]


def test_who_only_stands_somewhere_is_no_walker() -> None:
    """A coat on its hook is followed, and neither walks through nor makes five of four."""
    advice = advise(trails(sightings([*DOWN[: ENOUGH - 1], [(0.9, 0.3, 30)]])), ASPECT, [MIDDLE])

    assert (ENOUGH, ENOUGH - 1, False) == (advice.followed, advice.people, advice.enough)


def test_in_is_where_people_stay() -> None:
    """From scratch, the side on which people are last seen in mid-picture is in."""
    ways = [through((x, 0.05), (x, 0.7)) for x in XS]
    proposal = propose(ways).found

    assert proposal is not None
    assert proposal.side_is_known
    assert proposal.line.in_side[1] > 0.5
    assert (8, 0) == count(sightings(ways), proposal.line)


def test_where_nothing_tells_which_side_is_in_the_user_must_choose() -> None:
    """People who walk through both ways: both sides are printed, and each makes a line."""
    advice = propose([*DOWN, *UP])
    proposal = advice.found

    assert proposal is not None
    assert not proposal.side_is_known
    x, y = proposal.other_side
    assert f"or --in-side {x:g},{y:g}" in tell(advice)
    other = Line("door", proposal.line.a, proposal.line.b, proposal.other_side)
    assert (
        count(sightings([*DOWN, *UP[:2]]), checked_line(other))
        == (count(sightings([*DOWN, *UP[:2]]), proposal.line)[::-1])
    )


def test_the_same_recording_gives_the_same_advice() -> None:
    """To the last digit."""
    assert propose([*DOWN, *UP]).to_json() == propose([*DOWN, *UP]).to_json()


def test_a_proposal_lies_in_the_picture_in_round_numbers() -> None:
    """It is a line that a configuration takes, and its figures are those of what is printed."""
    ways = [*DOWN, *UP]
    proposal = propose(ways).found

    assert proposal is not None
    line = checked_line(proposal.line)
    numbers = [*line.a, *line.b, *line.in_side]
    assert numbers == [round(number, 2) for number in numbers]
    again = survey(line, Ground(trails(sightings(ways)), ASPECT))
    assert proposal.placement.figures == again.figures


def test_people_who_go_back_and_forth_are_counted_as_often() -> None:
    """Three clear crossings of each person, as the counter counts."""
    ways = [through((x, 0.1), (x, 0.9), (x, 0.1), (x, 0.9)) for x in XS]
    told = judge(ways, MIDDLE).figures

    assert (16, 8) == (told.clear_in, told.clear_out) == count(sightings(ways), MIDDLE)


def test_the_dead_band_is_that_of_the_counter() -> None:
    """Half a person in mid-picture."""
    half = HEAD / 2
    box = (0.5 - half / ASPECT, 0.5 - half, 0.5 + half / ASPECT, 0.5 + half)
    track = Track(1, box, (0.5, 0.5), (0.5, 0.5), 1.0, confirmed=True, seen=True, score=0.9)

    assert DEAD_BAND * HEAD == pytest.approx(Geometry(MIDDLE, ASPECT).band(track, 0.4))
