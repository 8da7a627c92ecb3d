"""What is said of counting lines: warnings with their figures, and a better line where there is.

Leaves it to the placement to judge a line and to the suggestion to look for a better one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edge.placement import CLEAR, STOP_S, Figures, Ground, Placement, survey
from edge.suggestion import Proposal, concerns, suggest
from edge.trails import Trail
from edge.types import Line, Point

ENOUGH = 5  # people who walk through: fewer tell of themselves, not of the place
SOME, SHARE = 2, 0.1  # a warning needs two people, and a tenth of those who walk there
BETTER = 1.0  # people, or a tenth: a proposal that gains less is not worth moving a line

Kind = Literal["stops", "edge", "unseen", "idle"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a line's place; `at` is where most of it was seen."""

    kind: Kind
    people: int
    at: Point | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """One of the `warnings` of a line."""
        at = None if self.at is None else [round(number, 3) for number in self.at]
        return {"kind": self.kind, "people": self.people, "at": at, "text": self.text}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line, what is wrong with it, and a better one if there is; `people` walk there."""

    line: Line
    people: int
    figures: Figures
    warnings: tuple[Flaw, ...]
    better: Proposal | None

    def to_json(self) -> dict[str, Any]:
        """One of `lines` of the object that `headcount audit --suggest-line --json` prints."""
        return {
            **_line_json(self.line),
            "people": self.people,
            "figures": _figures_json(self.figures),
            "warnings": [warning.to_json() for warning in self.warnings],
            "proposal": _proposal_json(self.better, self.people),
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """What a recording tells of its lines. `found` is the line proposed where none was given."""

    followed: int
    people: int
    verdicts: tuple[Verdict, ...]
    found: Proposal | None
    lines_given: bool

    @property
    def enough(self) -> bool:
        """Whether enough people walked through to tell."""
        return self.people >= ENOUGH

    @property
    def proposed(self) -> tuple[Line, ...]:
        """All lines that are proposed."""
        found = [verdict.better for verdict in self.verdicts] + [self.found]
        return tuple(proposal.line for proposal in found if proposal is not None)

    def to_json(self) -> dict[str, Any]:
        """The object that `headcount audit --suggest-line --json` prints."""
        told: dict[str, Any] = {
            "followed": self.followed,
            "people": self.people,
            "enough": self.enough,
            "lines": [verdict.to_json() for verdict in self.verdicts],
        }
        if not self.lines_given:
            told["proposal"] = _proposal_json(self.found, self.people)
        return told


def advise(trails: Sequence[Trail], aspect: float, lines: Sequence[Line]) -> Advice:
    """Judge each line by the trails, or propose one where none is given.

    Args:
        trails: where people walked.
        aspect: width of the picture over its height.
        lines: the lines to judge.
    """
    ground = Ground(trails, aspect) if trails else None
    people = ground.walkers if ground is not None else 0
    if ground is None or people < ENOUGH:
        return Advice(len(trails), people, (), None, bool(lines))
    verdicts = tuple(_judge(line, ground) for line in lines)
    found = None if lines else _useful(suggest(ground))
    return Advice(len(trails), people, verdicts, found, bool(lines))


def _useful(proposal: Proposal | None) -> Proposal | None:
    return proposal if proposal is not None and _clear(proposal.placement.figures) > 0 else None


def _judge(line: Line, ground: Ground) -> Verdict:
    near = concerns(ground, line)
    if near is None or near.walkers < ENOUGH:
        near = ground  # nobody walks there: then the others tell where they do
    placement = survey(line, near)
    warnings = warn(placement, near.walkers)
    better = _useful(suggest(near, line)) if warnings else None
    if better is not None and not _is_better(better.placement, placement, near.walkers):
        better = None
    return Verdict(line, near.walkers, placement.figures, warnings, better)


def _is_better(new: Placement, old: Placement, people: int) -> bool:
    """Whether moving the line is worth it: a clear gain that ends a warning or counts most."""
    gain = max(BETTER, SHARE * people)
    before, after = ({flaw.kind for flaw in warn(each, people)} for each in (old, new))
    counts_most = new.clear >= people / 2 and new.clear >= old.clear + gain
    if new.score < old.score + gain or new.figures.room < min(old.figures.room, CLEAR):
        return False
    return after < before or (after == before and counts_most)


def warn(placement: Placement, people: int) -> tuple[Flaw, ...]:
    """What is wrong with a line's place, where `people` walk."""
    told, enough = placement.figures, max(SOME, SHARE * people)
    warnings: list[Flaw] = []
    if told.stopped >= enough:
        text = f"people stop on it: {told.stopped} stay in its dead band for {STOP_S:g} s or more"
        warnings.append(_warning("stops", told.stopped, placement.stops, text))
    if told.room < CLEAR:
        text = (
            "it lies near the picture's edge: between them is room for "
            f"{told.room:.2f} of a person's box, and a whole one must fit"
        )
        warnings.append(_warning("edge", len(placement.passes), None, text))
    if told.unseen >= enough:
        text = (
            f"people are not seen on both sides of it: {told.born} are first seen on it or just "
            f"past it, {told.lost} last seen"
        )
        warnings.append(_warning("unseen", told.unseen, placement.unseen, text))
    if not len(placement.passes):
        text = f"nobody crosses it, of {people} who walk through the picture"
        warnings.append(_warning("idle", 0, None, text))
    return tuple(warnings)


def _warning(kind: Kind, people: int, at: Point | None, text: str) -> Flaw:
    place = f", most near {at[0]:.2f},{at[1]:.2f}" if at else ""
    return Flaw(kind, people, at, text + place)


def tell(advice: Advice) -> str:
    """What a person wants to know of the lines."""
    head = f"{advice.followed} people followed, {advice.people} of them walk through the picture"
    if not advice.enough:
        return f"{head}: too few to judge a line by. Give a recording in which {ENOUGH} or more do."
    rows = [head]
    for verdict in advice.verdicts:
        rows += ["", *_tell_verdict(verdict)]
    if not advice.lines_given:
        rows += ["", *_tell_found(advice)]
    return "\n".join(rows)


def _tell_verdict(verdict: Verdict) -> list[str]:
    rows = [
        f"{verdict.line.name}: {_option(verdict.line)}",
        f"  {verdict.people} walk there: {_tell_figures(verdict.figures)}",
    ]
    rows += [f"  warning: {warning.text}" for warning in verdict.warnings]
    if not verdict.warnings:
        return [*rows, "  already good: nothing better to propose"]
    if verdict.better is None:
        return [*rows, "  no better line found that counts the same way"]
    return [*rows, "  better:", *_tell_proposal(verdict.better, verdict.people, verdict.figures)]


def _tell_found(advice: Advice) -> list[str]:
    if advice.found is None:
        return ["no line is crossed clearly by anybody"]
    return ["proposed:", *_tell_proposal(advice.found, advice.people)]


def _tell_proposal(proposal: Proposal, people: int, instead: Figures | None = None) -> list[str]:
    line, figures = proposal.line, proposal.placement.figures
    rows = [f"    {_option(line)}"]
    if not proposal.side_is_known:
        x, y = proposal.other_side
        rows.append(f"    or --in-side {x:g},{y:g}: nothing tells which side is in; choose one")
    elif instead is None:
        rows.append("    in is where more people stay in the picture")
    rows.append("    " + (_compare(figures, instead) if instead else _tell_figures(figures)))
    rows += [f"    but {note}" for note in _notes(proposal, people)]
    return [*rows, "", *_section(line)]


def _notes(proposal: Proposal, people: int) -> list[str]:
    """What is wrong with a proposed line."""
    notes = [warning.text for warning in warn(proposal.placement, people)]
    clear = proposal.placement.clear
    if clear < people / 2:
        notes.append(f"only {clear} of {people} people cross it clearly")
    if proposal.is_far:
        notes.append("it lies far from the given line: see whether it counts the door you mean")
    return notes


def _section(line: Line) -> list[str]:
    """The line as a section of a configuration."""
    points = (("a", line.a), ("b", line.b), ("in_side", line.in_side))
    return [
        "[[line]]",
        f"name = {json.dumps(line.name)}",  # TOML quotes alike
        *(f"{key} = [{x:g}, {y:g}]" for key, (x, y) in points),
    ]


def _option(line: Line) -> str:
    """The line as options of `replay`."""
    ends = ",".join(f"{number:g}" for number in (*line.a, *line.b))
    return f"--line {ends} --in-side {line.in_side[0]:g},{line.in_side[1]:g}"


def _tell_figures(told: Figures) -> str:
    return (
        f"clear crossings {told.clear_in} in, {told.clear_out} out; {told.unclear} cross "
        f"unclearly; {told.stopped} stop on it; {told.born} first seen at it, {told.lost} last; "
        f"{told.room:.1f} boxes of room"
    )


def _compare(new: Figures, old: Figures) -> str:
    return (
        f"clear crossings {new.clear_in} in, {new.clear_out} out instead of {old.clear_in}, "
        f"{old.clear_out}; {new.unclear} instead of {old.unclear} cross unclearly; "
        f"{new.stopped} instead of {old.stopped} stop on it; {new.unseen} instead of {old.unseen} "
        f"first or last seen at it; {new.room:.1f} boxes of room instead of {old.room:.1f}"
    )


def _clear(figures: Figures) -> int:
    return figures.clear_in + figures.clear_out


def _line_json(line: Line) -> dict[str, Any]:
    return {"name": line.name, "a": line.a, "b": line.b, "in_side": line.in_side}


def _figures_json(figures: Figures) -> dict[str, Any]:
    return {**asdict(figures), "room": round(figures.room, 2)}


def _proposal_json(proposal: Proposal | None, people: int) -> dict[str, Any] | None:
    if proposal is None:
        return None
    return {
        **_line_json(proposal.line),
        "side_is_known": proposal.side_is_known,
        "other_side": proposal.other_side,
        "figures": _figures_json(proposal.placement.figures),
        "but": _notes(proposal, people),
    }
