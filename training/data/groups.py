"""Divide pictures among splits by the clip or camera they come from, never frame by frame.

Two frames of one clip show the same people before the same wall: with one of them on either side,
a test asks what was learnt by heart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from edge.errors import CallError, DataError

BY = ("clip", "camera")
SPLITS = ("train", "val", "test")

_NUMBERS = re.compile(r"[ _.\-]*(?:frame|img|f)?[ _.\-]*\d+$", re.IGNORECASE)
_PARTS = re.compile(r"[ _.\-]+")


def group_of(stem: str, by: str) -> str:
    """The clip or camera of a picture by its name without suffix.

    The clip of `door2_2024-05-01_00123` is `door2_2024-05-01`: its last number counts frames.
    Its camera is `door2`: what stands before the first part that is only digits.
    """
    clip = _NUMBERS.sub("", stem) or stem
    if by == "clip":
        return clip
    parts = _PARTS.split(clip)
    number = next((k for k, part in enumerate(parts) if part.isdigit()), len(parts))
    return "_".join(parts[:number]) or clip


def group_pictures(
    names: Sequence[str], by: str = "clip", pattern: str = ""
) -> dict[str, list[str]]:
    """Names of picture files by their group, in order.

    Args:
        names: of the files, with suffix.
        by: clip or camera.
        pattern: a regular expression found in each name; its first bracket is the group.

    Raises:
        CallError: the pattern is none, or has no bracket.
        DataError: the pattern does not fit a name.
    """
    if by not in BY:
        raise CallError(f"--by {by!r} must be one of {', '.join(BY)}")
    regex = _compile(pattern) if pattern else None
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if regex is None:
            groups[group_of(name.rpartition(".")[0], by)].append(name)
        elif found := regex.search(name):
            groups[found[1] or ""].append(name)
        else:
            raise DataError(f"{name}: --pattern {pattern!r} is not found in this name")
    return dict(sorted(groups.items()))


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise CallError(f"--pattern {pattern!r}: {error}") from error
    if not regex.groups:
        raise CallError(f"--pattern {pattern!r}: put what names the group in brackets")
    return regex


def parse_shares(text: str) -> tuple[float, ...]:
    """Shares of train, val and perhaps test from `0.8,0.1,0.1`.

    Raises:
        CallError: they are not two or three numbers above 0 that add up to 1.
    """
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CallError(f"--shares {text!r}: not numbers with commas between") from error
    good = 2 <= len(shares) <= len(SPLITS) and all(share > 0 for share in shares)
    if not good or abs(sum(shares) - 1) > 1e-6:
        raise CallError(f"--shares {text!r}: must be two or three numbers above 0 that add up to 1")
    return shares


def assign(sizes: Mapping[str, int], shares: Sequence[float], seed: int = 1) -> dict[str, str]:
    """The split of each group: the largest first, each to the split that lacks most.

    So no split gets more than its share and one group beside. Where a split would stay empty,
    the smallest group of one that has several goes there.

    Args:
        sizes: pictures of each group.
        shares: of train, val and perhaps test; they add up to 1.
        seed: decides among groups of one size.

    Raises:
        DataError: there are fewer groups than splits.
    """
    if len(sizes) < len(shares):
        raise DataError(
            f"{len(sizes)} groups cannot fill {len(shares)} splits ({', '.join(sizes)}); record "
            "more clips, ask for fewer splits with --shares, or tell groups apart with --pattern"
        )
    names = sorted(sizes)
    shuffled = [names[k] for k in np.random.default_rng(seed).permutation(len(names))]
    lacks = [share * sum(sizes.values()) for share in shares]
    members: list[list[str]] = [[] for _ in shares]
    for name in sorted(shuffled, key=lambda name: -sizes[name]):
        poorest = int(np.argmax(lacks))
        lacks[poorest] -= sizes[name]
        members[poorest].append(name)
    for empty in [group for group in members if not group]:
        empty.append(max(members, key=len).pop())  # the last one is its smallest
    return {name: SPLITS[k] for k, group in enumerate(members) for name in group}
