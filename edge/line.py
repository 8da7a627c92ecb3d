"""Counts people over lines: Tracks and time in, Crossings out.

A crossing tells the frame and time at which the anchor passed the line, however late it was
decided. Leaves following people to the tracker, the verdict on one person and one line to the
walk, and adding up to the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edge.errors import CallError
from edge.types import Crossing, Direction, Line, Track, TrackUpdate
from edge.walk import Decision, Geometry, Walk

Mode = Literal["immediate", "deferred"]


U_TURN = 3.0  # seconds: who comes back so soon has turned round at the door


@dataclass(frozen=True, slots=True)
class LineSettings:
    """When to count, and whether those count who turn round.

    `immediate` counts each crossing when it is certain; `deferred` when the person leaves the view.

        out  | in       immediate          deferred
        -----+------
        o--->|--->o     in                 in, when the track ends
        o--->|-->.
        o<---|<--'      in, out            nothing, or with `u_turns` in, out

    `u_turns` not set counts them in immediate mode and not in deferred. Without them, immediate
    mode holds each crossing for `U_TURN` seconds, within which a way back undoes both.
    """

    mode: Mode = "immediate"
    u_turns: bool | None = None

    @property
    def counts_u_turns(self) -> bool:
        """Whether there and back in one view are two crossings."""
        return self.mode == "immediate" if self.u_turns is None else self.u_turns


@dataclass(frozen=True, slots=True)
class LineQuality:
    """Figures that tell of a badly placed line or a blind detector; they only grow.

    `born_past`: people first seen in mid-picture near the line who then walked away from it; they
    may have crossed it unseen. `undecided`: people last seen in the band, neither side of it.
    `dwelled`: people who stood in the band for some seconds; who stops there may be missed.
    """

    born_past: int = 0
    undecided: int = 0
    dwelled: int = 0


class LineCounter:
    """Counts people over the lines of one picture.

    Args:
        lines: the lines, with names that differ.
        settings: when to count.
        aspect: width of the picture over its height.

    Raises:
        CallError: a line of no length, an in side on the line, or one name twice.
    """

    def __init__(self, lines: Sequence[Line], settings: LineSettings, aspect: float) -> None:
        names = [line.name for line in lines]
        if len(set(names)) < len(names):
            raise CallError(f"each line needs a name of its own, not {', '.join(names)}")
        self._lines = [Geometry(line, aspect) for line in lines]
        self._settings = settings
        self._people: dict[int, tuple[Track, list[Walk]]] = {}
        self._quality = dict.fromkeys(names, LineQuality())

    @property
    def quality(self) -> dict[str, LineQuality]:
        """Figures of each line since the start."""
        return dict(self._quality)

    def update(self, tracks: TrackUpdate, frame_index: int, t: float) -> tuple[Crossing, ...]:
        """Take the tracks of one frame; tell the crossings that became certain with it."""
        crossings: list[Crossing] = []
        for track in tracks.ended:
            crossings += self._end(track)
        for track in tracks.active:
            if track.seen:
                crossings += self._follow(track, frame_index, t)
        return tuple(crossings)

    def finish(self) -> tuple[Crossing, ...]:
        """The end of the stream: decide on the people who are still in view."""
        tracks = [track for track, _ in self._people.values()]
        return tuple(crossing for track in tracks for crossing in self._end(track))

    def _follow(self, track: Track, frame_index: int, t: float) -> list[Crossing]:
        known = self._people.get(track.id)
        walks = known[1] if known else [Walk(line) for line in self._lines]
        self._people[track.id] = (track, walks)
        for walk in walks:
            walk.look(track, frame_index, t)
        if not track.confirmed:
            return []
        self._note_dwelling(walks)
        if self._settings.mode == "deferred":
            return []
        return [each for walk in walks for each in _tell(walk, self._ripe(walk, t), track)]

    def _ripe(self, walk: Walk, t: float) -> list[Decision]:
        """The crossings that can be told at `t`."""
        if self._settings.counts_u_turns:
            return walk.take()
        return walk.take_standing(before=t - U_TURN)

    def _note_dwelling(self, walks: Sequence[Walk]) -> None:
        """Count who stands in a band while they do, not when they are gone."""
        for walk in walks:
            if walk.dwelled and not walk.told_dwelling:
                walk.told_dwelling = True
                old = self._quality[walk.line.name]
                self._quality[walk.line.name] = replace(old, dwelled=old.dwelled + 1)

    def _end(self, track: Track) -> list[Crossing]:
        _, walks = self._people.pop(track.id, (track, []))
        if not track.confirmed:
            return []
        crossings: list[Crossing] = []
        for walk in walks:
            walk.close(track)
            self._judge(walk, track)
            decided = walk.take()
            if not self._settings.counts_u_turns:
                decided = _net(decided)
            crossings += _tell(walk, decided, track)
        return crossings

    def _judge(self, walk: Walk, track: Track) -> None:
        old = self._quality[walk.line.name]
        self._quality[walk.line.name] = replace(
            old,
            born_past=old.born_past + walk.is_born_past(track),
            undecided=old.undecided + walk.is_undecided(track),
        )


def _net(decided: Sequence[Decision]) -> list[Decision]:
    """The last crossing of the direction that is one ahead; nothing after an even number."""
    ins = [each for each in decided if each[0] is Direction.IN]
    outs = [each for each in decided if each[0] is Direction.OUT]
    if len(ins) == len(outs):
        return []
    return [ins[-1] if len(ins) > len(outs) else outs[-1]]


def _tell(walk: Walk, decided: Sequence[Decision], track: Track) -> list[Crossing]:
    """What the walk decided, in the words of the corridor."""
    return [
        Crossing(
            line=walk.line.name,
            direction=direction,
            frame=round(passage.frame),
            t=passage.t,
            track=track.id,
            track_s=track.age,
            confidence=min(max(track.score, 0.0), 1.0),
        )
        for direction, passage in decided
    ]
