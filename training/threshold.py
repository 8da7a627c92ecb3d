"""The score from which a box is a person at one site, chosen by counts or, without, by pictures.

The right score differs from site to site (a dark door 0.2, a bright one with chairs 0.5), and a
plateau of good ones is wide: its middle is furthest from both mistakes where counts tell. A few
pictures tell little, and no count: by them the score is moved as little as they allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.matching import Judged

SCORES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


def errors_by_score(judged: Sequence[Judged]) -> dict[float, int]:
    """Heads missed and boxes too many, by score."""
    heads = sum(each.heads for each in judged)
    found = {}
    for score in SCORES:
        kept = [each.hit[each.scores >= score] for each in judged]
        right = sum(int(hit.sum()) for hit in kept)
        found[score] = heads - right + sum(len(hit) for hit in kept) - right
    return found


def middle_of_best(errors: Mapping[float, int]) -> float:
    """The score in the middle of the longest run of fewest errors; of equal runs the first."""
    least, scores = min(errors.values()), sorted(errors)
    runs: list[list[float]] = [[]]
    for score in scores:
        if errors[score] == least:
            runs[-1].append(score)
        elif runs[-1]:
            runs.append([])
    longest = max(runs, key=len)
    return longest[(len(longest) - 1) // 2]


def nearest_of_good(errors: Mapping[float, int], score: float, slack: int = 1) -> float:
    """The score nearest to `score` with at most `slack` errors more than the fewest."""
    least = min(errors.values())
    return min(
        (each for each in sorted(errors) if errors[each] <= least + slack),
        key=lambda each: round(abs(each - score), 6),  # of two as near, the lower
    )
