"""Look through a set before it is trained on: every picture decoded, every box held against it.

Nothing stops at the first fault: what is sound comes back beside a list of all that is not.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.errors import DataError
from training.data.container import read_header
from training.data.headcsv import MANIFEST, imported
from training.data.index import composed
from training.data.photo import decode, read_photo
from training.data.records import Problem, RawPicture, RawSet
from training.data.settle import Labelled, Rules, settle

_REMEDIES = {
    "no-picture": "annotation left out", "unannotated": "picture left out", "twice": "counted once",
    "file": "annotations left out", "number": "box left out", "unit": "box left out",
    "class": "box left out",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A sound picture; the digests of its file's bytes and of its pixels."""

    picture: Labelled
    sha256: str
    pixels: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What is sound, and every problem in the order in which it was met."""

    seen: tuple[Seen, ...]
    problems: tuple[Problem, ...]

    def lines(self) -> Iterator[str]:
        """For a person: the problems, how many of each kind, and what is sound."""
        for problem in self.problems:
            yield problem.line()
        counts = Counter(problem.kind for problem in self.problems)
        if counts:
            told = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
            yield f"{len(self.problems)} problems: {told}"
        yield summary([each.picture for each in self.seen])


def summary(pictures: Sequence[Labelled]) -> str:
    """One line: how many pictures, heads and ignored regions."""
    boxes = sum(len(each.rows) for each in pictures)
    ignored = sum(ignore for each in pictures for _, ignore in each.rows)
    empty = sum(all(ignore for _, ignore in each.rows) for each in pictures)
    return (
        f"{len(pictures)} pictures, {boxes - ignored} heads, {ignored} ignored regions, "
        f"{empty} pictures without a head"
    )


def examine(raw: RawSet, rules: Rules) -> Findings:
    """Decode every picture and hold its boxes against its true size.

    Raises:
        DataError: there is no picture at all.
    """
    if not raw.pictures and not raw.problems:
        raise DataError(f"{raw.path}: no pictures here")
    problems = [_with_remedy(problem, rules) for problem in raw.problems]
    digests = imported(raw.path)
    seen = []
    for each in raw.pictures:
        picture, wrong = _look(each, digests, rules)
        problems += wrong
        if picture is not None:
            seen.append(picture)
    seen, wrong = _apart(seen, rules)
    problems += wrong
    present = {split for each in seen for split in each.picture.splits}
    problems += [
        Problem(str(raw.path), "empty-split", f"split {split!r} has no sound picture")
        for split in raw.splits
        if split not in present
    ]
    return Findings(tuple(seen), tuple(problems))


def _with_remedy(problem: Problem, rules: Rules) -> Problem:
    return replace(problem, mend=_REMEDIES[problem.kind]) if rules.fix else problem


def _look(
    raw: RawPicture, digests: Mapping[str, str], rules: Rules
) -> tuple[Seen | None, list[Problem]]:
    """One picture's file, then its boxes."""
    mend = "picture left out" if rules.fix else ""
    try:
        data = read_photo(raw.path)
        header, image = read_header(data), decode(data)
    except (ValueError, DataError) as error:
        what = f"cannot be decoded as a picture: {error}"
        return None, [Problem(str(raw.path), "damaged", what, mend)]
    sha256 = hashlib.sha256(data).hexdigest()
    if digests.get(composed(raw.path.name), sha256) != sha256:
        what = f"is another file than {MANIFEST} tells of"
        return None, [Problem(str(raw.path), "altered", what, mend)]
    picture, problems = settle(raw, header, rules)
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
    return (Seen(picture, sha256, pixels) if picture is not None else None), problems


def _apart(seen: Sequence[Seen], rules: Rules) -> tuple[list[Seen], list[Problem]]:
    """Keep one of equal pictures, and each in one split: rather where it judges than teaches."""
    by_pixels: dict[str, list[Seen]] = defaultdict(list)
    problems, kept = [], []
    for each in seen:
        problems += _leak(each, rules)
        by_pixels[each.pixels].append(each)
    for same in by_pixels.values():
        first = min(same, key=lambda each: _rank(each.picture.splits))
        kept.append(first)
        problems += [_twin(each, first, rules) for each in same if each is not first]
    chosen = {each.picture.path for each in kept}
    sound = [_in_one_split(each) for each in seen if each.picture.path in chosen]
    return sound, problems


def _leak(each: Seen, rules: Rules) -> list[Problem]:
    splits = sorted(each.picture.splits, key=lambda split: _rank((split,)))
    if len(splits) < 2:
        return []
    what = f"leak: this picture is in splits {' and '.join(map(repr, splits))}"
    mend = f"kept in {splits[0]!r}" if rules.fix else ""
    return [Problem(str(each.picture.path), "leak", what, mend)]


def _twin(each: Seen, first: Seen, rules: Rules) -> Problem:
    mine, other = each.picture.splits, first.picture.splits
    leak = set(mine) != set(other)
    kind = "leak" if leak else "duplicate"
    what = f"shows the very pixels of {first.picture.path}"
    if leak:
        what = f"leak: in split {'+'.join(mine) or 'none'}, {what} in {'+'.join(other) or 'none'}"
    return Problem(str(each.picture.path), kind, what, "picture left out" if rules.fix else "")


def _in_one_split(each: Seen) -> Seen:
    splits = tuple(sorted(each.picture.splits, key=lambda split: _rank((split,))))[:1]
    return replace(each, picture=replace(each.picture, splits=splits))


def _rank(splits: Sequence[str]) -> int:
    """The lower, the more a split judges: a picture that leaked stays there."""
    order = ("test", "val", "valid")
    ranks = [order.index(split) if split in order else len(order) for split in splits]
    return min(ranks, default=len(order) + 1)
