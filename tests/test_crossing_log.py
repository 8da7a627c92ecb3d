"""The crossings of a recording: kept in columns, given back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.crossing_log import CrossingLog
from edge.types import Crossing, Direction

crossings = st.builds(
    Crossing,
    line=st.sampled_from(["door", "gate", "stairs"]),
    direction=st.sampled_from(Direction),
    frame=st.integers(0, 40),
    t=st.floats(0, 1e6),
    track=st.integers(1, 10**9),
    track_s=st.floats(0, 1e6),
    confidence=st.floats(0, 1),
)


@given(st.lists(st.lists(crossings, max_size=3), max_size=20))
def test_crossings_come_back_in_the_order_of_their_frames(told: list[list[Crossing]]) -> None:
    """Each as it was, however late it was decided; those of one frame in the order they came."""
    log = CrossingLog()
    for some in told:
        log.add(some)
    expected = sorted((each for some in told for each in some), key=lambda each: each.frame)

    assert expected == list(log)
    assert (len(expected), expected[1:3]) == (len(log), log[1:3])
    assert expected[-1:] == ([log[-1]] if expected else [])
